// What MQTT 5 has for clients, used by mqtt.js. Arguments: port, a client id. Prints one JSON line per event and ends by itself:
// the connack's properties, each publication received with its properties, and "done".
const mqtt = require('mqtt')

const [port, clientId] = [Number(process.argv[2]), process.argv[3]]
const print = (event) => process.stdout.write(JSON.stringify(event) + '\n')
const fail = (error) => { print({error: error.message}); process.exit(1) }
const client = mqtt.connect({
  host: '127.0.0.1',
  port,
  protocolVersion: 5,
  clientId,
  reconnectPeriod: 0,
  autoAssignTopicAlias: true,
  properties: {topicAliasMaximum: 5, requestResponseInformation: true, receiveMaximum: 10}
})

// Whether the topic came as an alias is seen below the client, which puts the topic back.
client.on('packetreceive', (packet) => {
  if (packet.cmd === 'connack') print({connack: packet.properties})
  if (packet.cmd === 'publish') print({wire: packet.topic, alias: packet.properties?.topicAlias ?? 0})
})
client.on('message', (topic, payload, {properties}) => {
  print({
    topic,
    payload: payload.toString(),
    identifiers: [properties?.subscriptionIdentifier ?? []].flat(),
    user: Object.entries(properties?.userProperties ?? {}),
    response: properties?.responseTopic,
    correlation: properties?.correlationData?.toString()
  })
  if (payload.toString() === 'last') {
    client.end(false, () => { print({done: true}); process.exit(0) })
  }
})
client.on('error', fail)
client.on('connect', async () => {
  try {
    await client.subscribeAsync('feature/#', {qos: 1, properties: {subscriptionIdentifier: 3}})
    await client.subscribeAsync('feature/+', {qos: 1, properties: {subscriptionIdentifier: 300}})
    const properties = {
      userProperties: {second: ['2', 'two'], first: '1'},
      responseTopic: 'answer/here',
      correlationData: Buffer.from('number 7')
    }
    await client.publishAsync('feature/topic', 'one', {qos: 1, properties})
    await client.publishAsync('feature/topic', 'two', {qos: 1})  // by its alias
    await client.publishAsync('feature/topic', 'last', {qos: 0})
  } catch (error) { fail(error) }
})
