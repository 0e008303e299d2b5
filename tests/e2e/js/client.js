// An MQTT client by mqtt.js. Its one argument is JSON: {port, version, clientId, clean, expiry, will, subscribe: {filters, qos},
// publish: {topic, payload, qos, retain}}. Prints one JSON line per event; ends after a publish, or when it is told to.
const mqtt = require('mqtt')

const options = JSON.parse(process.argv[2])
const print = (event) => process.stdout.write(JSON.stringify(event) + '\n')
const client = mqtt.connect({
  host: '127.0.0.1',
  port: options.port,
  protocolVersion: options.version,
  clientId: options.clientId,
  clean: options.clean,
  will: options.will,
  reconnectPeriod: 0,
  properties: options.version === 5 ? {sessionExpiryInterval: options.expiry} : undefined
})

client.on('message', (topic, payload, packet) => {
  print({topic, payload: payload.toString(), qos: packet.qos, retain: packet.retain ? 1 : 0})
})
client.on('error', (error) => { print({error: error.message}); process.exit(1) })
client.on('connect', (connack) => {
  const {subscribe, publish} = options
  if (publish) {
    client.publish(publish.topic, publish.payload, {qos: publish.qos, retain: publish.retain}, (error) => {
      if (error) { print({error: error.message}); process.exit(1) }
      client.end(false, () => process.exit(0))
    })
  } else if (subscribe.filters.length === 0) {
    print({ready: true, sessionPresent: connack.sessionPresent})
  } else {
    client.subscribe(subscribe.filters, {qos: subscribe.qos}, (error) => {
      if (error) { print({error: error.message}); process.exit(1) }
      print({ready: true, sessionPresent: connack.sessionPresent})
    })
  }
})
process.on('SIGTERM', () => client.end(false, () => process.exit(0)))
