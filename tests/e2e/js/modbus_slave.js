// A Modbus TCP slave by modbus-serial. Its one argument is JSON: {port, units: {UNIT: {"TABLE ADDRESS": value}}}, with the tables coil,
// discrete, input and holding. Says `serving`; what is written is kept.
const {ServerTCP} = require('modbus-serial')

const {port, units} = JSON.parse(process.argv[2])

const cell = (table) => (address, unit) => {
  const value = (units[unit] || {})[`${table} ${address}`]
  if (value === undefined) {
    const refusal = new Error('illegal data address')
    refusal.modbusErrorCode = 2
    throw refusal
  }
  return table === 'coil' || table === 'discrete' ? value !== 0 : value
}
const keep = (table) => (address, value, unit) => { units[unit][`${table} ${address}`] = Number(value) }

const server = new ServerTCP({
  getCoil: cell('coil'),
  getDiscreteInput: cell('discrete'),
  getInputRegister: cell('input'),
  getHoldingRegister: cell('holding'),
  setCoil: keep('coil'),
  setRegister: keep('holding')
}, {host: '127.0.0.1', port, unitID: 255})
server.on('initialized', () => console.log('serving'))
server.on('socketError', () => {})
