// A round trip per row of a table by mqtt.js. Its one argument is JSON: {ca, cert, key, rows: [{url, version, topic, mutual}]}. Each
// row's client subscribes to its topic with QoS 2 and publishes there with QoS 0, 1 and 2. Prints one JSON line per row: its topic,
// and what came as [QoS, payload].
const fs = require('fs')
const mqtt = require('mqtt')

const options = JSON.parse(process.argv[2])

const run = async ({url, version, topic, mutual}) => {
  const client = await mqtt.connectAsync(url, {
    ca: fs.readFileSync(options.ca),
    cert: mutual ? fs.readFileSync(options.cert) : undefined,
    key: mutual ? fs.readFileSync(options.key) : undefined,
    protocolVersion: version,
    protocolId: version === 3 ? 'MQIsdp' : 'MQTT',
    reconnectPeriod: 0
  }, false)
  const came = []
  const all = new Promise((resolve) => client.on('message', (_, payload, packet) => {
    came.push([packet.qos, payload.toString()])
    if (came.length === 3) resolve()
  }))
  await client.subscribeAsync(topic, {qos: 2})
  for (const qos of [0, 1, 2]) await client.publishAsync(topic, `${qos}`, {qos})
  await all
  await client.endAsync()
  console.log(JSON.stringify({topic, came: came.sort()}))
}

Promise.all(options.rows.map(run)).catch((error) => { console.error(error); process.exit(1) })
