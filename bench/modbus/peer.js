// modbus-serial, the Modbus master of Node.js and Node-RED, in the same loop as the others: reads `blocks` times 125 registers of every
// port over and over, `pause` ms between two rounds, for `time` ms after a second's warm-up. Its one argument is JSON: {ports, blocks,
// pause, time}. Prints the points read, and the seconds and processor seconds they took.
const ModbusRTU = require('modbus-serial')

const BLOCK = 125
const {ports, blocks, pause, time} = JSON.parse(process.argv[2])
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
let points = 0

const poll = async (port) => {
  const master = new ModbusRTU()
  await master.connectTCP('127.0.0.1', {port})
  master.setID(1)
  master.setTimeout(10000)
  for (;;) {
    for (let block = 0; block < blocks; ++block) points += (await master.readHoldingRegisters(block * BLOCK, BLOCK)).data.length
    if (pause > 0) await sleep(pause)
  }
}

const run = async () => {
  for (const port of ports) poll(port).catch((error) => { console.error(`${error}`); process.exit(1) })
  await sleep(1000)
  const [before, processor, began] = [points, process.cpuUsage(), process.hrtime.bigint()]
  await sleep(time)
  const used = process.cpuUsage(processor)
  console.log(points - before, Number(process.hrtime.bigint() - began) / 1e9, (used.user + used.system) / 1e6)
  process.exit(0)
}

run()
