// A Modbus TCP master by modbus-serial. Its one argument is JSON: {port, unit, steps: [[method, ...arguments]]}. Prints one JSON line per
// step: what it gave, or the exception. A last argument {until: DATA} repeats a step until it gives that: a value that was written is
// shown when it has been polled.
const ModbusRTU = require('modbus-serial')

const {port, unit, steps} = JSON.parse(process.argv[2])

const run = async () => {
  const master = new ModbusRTU()
  await master.connectTCP('127.0.0.1', {port})
  master.setID(unit)
  master.setTimeout(10000)
  for (const [method, ...values] of steps) {
    try {
      const until = values.at(-1)?.until && JSON.stringify(values.pop().until)
      let data
      do data = JSON.stringify((await master[method](...values)).data ?? 'done')
      while (until && data !== until)
      console.log(data)
    } catch (error) {
      console.log(JSON.stringify({exception: error.modbusCode ?? `${error}`}))
    }
  }
  master.close(() => process.exit(0))
}

run().catch((error) => { console.error(error); process.exit(1) })
