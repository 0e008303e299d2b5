// A Sparkplug host application by mqtt.js and Cirrus Link's decoder (npm sparkplug-payload). Its one argument is JSON: {port, id}.
// Prints a line of JSON for each message: {topic, retain, qos, payload}, 64-bit numbers as text. Reads lines of JSON:
// {state: true|false} tells whether it is online, {topic, metrics: [{name, type, value}]} is a command. Metrics of data have their names.
const mqtt = require('mqtt')
const readline = require('readline')
const sparkplug = require('sparkplug-payload').get('spBv1.0')
const {Payload} = require('sparkplug-payload/lib/sparkplugPayloadProto').org.eclipse.tahu.protobuf

const options = JSON.parse(process.argv[2])
const print = (event) => process.stdout.write(JSON.stringify(event) + '\n')
const stateTopic = `spBv1.0/STATE/${options.id}`
let timestamp = Date.now()
const state = (online) => JSON.stringify({online, timestamp})
const client = mqtt.connect({
  host: '127.0.0.1',
  port: options.port,
  clientId: options.id,
  reconnectPeriod: 0,
  will: {topic: stateTopic, payload: state(false), qos: 1, retain: true}
})
const plain = (value) => JSON.parse(JSON.stringify(value, (_, one) =>
  one && typeof one === 'object' && 'low' in one && 'high' in one ? one.toString() : one))

// Data has aliases only: what they stand for is in the births.
const known = {}
function decode (topic, bytes) {
  const [, group, kind, node, device] = topic.split('/')
  const of = `${group}/${node}/${device || ''}`
  const payload = Payload.decode(bytes)
  if (kind.endsWith('BIRTH')) known[of] = {}
  for (const metric of payload.metrics) {
    if (kind.endsWith('BIRTH')) known[of][metric.alias] = {name: metric.name, datatype: metric.datatype}
    else if (!metric.name) Object.assign(metric, known[of][metric.alias])
  }
  return sparkplug.decodePayload(Payload.encode(payload).finish())
}

client.on('message', (topic, payload, packet) => {
  if (topic.startsWith('spBv1.0/STATE/')) return
  print({topic, retain: packet.retain, qos: packet.qos, payload: plain(decode(topic, payload))})
})
client.on('error', (error) => { print({error: error.message}); process.exit(1) })
client.on('connect', () => client.subscribe('spBv1.0/#', {qos: 1}, () => print({ready: true})))
readline.createInterface({input: process.stdin}).on('line', (line) => {
  const order = JSON.parse(line)
  if ('state' in order) {
    timestamp = Math.max(timestamp + 1, Date.now())
    client.publish(stateTopic, state(order.state), {qos: 1, retain: true})
  } else {
    client.publish(order.topic, Buffer.from(sparkplug.encodePayload({timestamp: Date.now(), metrics: order.metrics})))
  }
})
