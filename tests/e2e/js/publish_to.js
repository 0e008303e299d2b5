// Publishes once by mqtt.js. Its one argument is JSON: {url, ca, version, payload}.
const fs = require('fs')
const mqtt = require('mqtt')

const options = JSON.parse(process.argv[2])
const client = mqtt.connect(options.url, {
  ca: fs.readFileSync(options.ca),
  protocolVersion: options.version,
  protocolId: options.version === 3 ? 'MQIsdp' : 'MQTT',
  reconnectPeriod: 0
})
const fail = (error) => { console.error(error); process.exit(1) }
client.on('error', fail)
client.on('connect', () => client.publish('a', options.payload, {qos: 2}, (error) => {
  if (error) fail(error)
  client.end(false, () => process.exit(0))
}))
