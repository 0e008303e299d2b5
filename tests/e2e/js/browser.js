// A page in Chromium that subscribes, publishes and closes over its own WebSocket, byte by byte; and one whose origin is not allowed.
// Its one argument is JSON: {port, foreign}. Prints {echo, clean, foreign}.
const {chromium} = require('playwright-core')

const {port, foreign} = JSON.parse(process.argv[2])

// Runs in the page.
async function talk(port) {
  const packets = [
    [0x10, 19, 0, 4, 77, 81, 84, 84, 4, 2, 0, 0, 0, 7, 98, 114, 111, 119, 115, 101, 114],         // CONNECT "browser"
    [0x82, 12, 0, 1, 0, 7, 98, 114, 111, 119, 115, 101, 114, 0],                                  // SUBSCRIBE "browser"
    [0x32, 16, 0, 7, 98, 114, 111, 119, 115, 101, 114, 0, 2, 104, 101, 108, 108, 111]              // PUBLISH "hello", QoS 1
  ]
  const socket = new WebSocket(`ws://127.0.0.1:${port}/mqtt`, 'mqtt')
  socket.binaryType = 'arraybuffer'
  const got = []
  const find = (head) => {
    for (let at = 0; at + 1 < got.length; at += 2 + got[at + 1]) if (got[at] === head) return got.slice(at + 2, at + 2 + got[at + 1])
  }
  const closed = new Promise((resolve) => { socket.onclose = (event) => resolve(event.wasClean) })
  const arrived = new Promise((resolve, reject) => {
    socket.onerror = () => reject(new Error('no WebSocket'))
    socket.onmessage = (event) => { got.push(...new Uint8Array(event.data)); if (find(0x30)) resolve(find(0x30)) }
  })
  socket.onopen = () => { for (const packet of packets) socket.send(new Uint8Array(packet)) }
  const publication = await arrived
  socket.close(1000)
  return {echo: String.fromCharCode(...publication.slice(9)), clean: await closed}
}

(async () => {
  const browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-dev-shm-usage', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync']
  })
  const page = await browser.newPage()
  const result = await page.evaluate(talk, port)
  result.foreign = await page.evaluate(talk, foreign).then(() => 'served', () => 'refused')
  await browser.close()
  console.log(JSON.stringify(result))
})().catch((error) => { console.error(error); process.exit(1) })
