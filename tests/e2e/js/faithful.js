// A reader by mqtt.js with MQTT 5 and a session that survives, which comes back whenever the connection ends. Its one argument is
// JSON: {port, clientId, filter, qos}. Prints "ready" once it has subscribed, then one JSON line [topic, payload] per publication.
const mqtt = require('mqtt')

const {port, clientId, filter, qos} = JSON.parse(process.argv[2])
const print = (event) => process.stdout.write(JSON.stringify(event) + '\n')
const client = mqtt.connect({
  host: '127.0.0.1',
  port,
  protocolVersion: 5,
  clientId,
  clean: false,
  reconnectPeriod: 20,
  resubscribe: false,
  properties: {sessionExpiryInterval: 600}
})
client.on('message', (topic, payload) => print([topic, payload.toString()]))
client.on('error', () => {})  // the gateway is dead just now
client.once('connect', () => client.subscribe(filter, {qos}, (error) => {
  if (error) process.exit(1)
  print('ready')
}))
