// A Modbus TCP master by modbus-serial. Its one argument is JSON: {port, unit, steps: [[method, ...arguments]]}. Prints one JSON line per
// step: what it gave, or the exception.
const ModbusRTU = require('modbus-serial')

const {port, unit, steps} = JSON.parse(process.argv[2])

const run = async () => {
  const master = new ModbusRTU()
  await master.connectTCP('127.0.0.1', {port})
  master.setID(unit)
  master.setTimeout(10000)
  for (const [method, ...values] of steps) {
    try {
      console.log(JSON.stringify((await master[method](...values)).data ?? 'done'))
    } catch (error) {
      console.log(JSON.stringify({exception: error.modbusCode ?? `${error}`}))
    }
  }
  master.close(() => process.exit(0))
}

run().catch((error) => { console.error(error); process.exit(1) })
