// A page in Chromium, driven over a socket: each line is a JSON object {do, ...}, answered by a line {value} or {error}.
// Prints the port that it listens on. What the page complained about, and whom it asked besides its own origin, is kept.
const net = require('net')
const readline = require('readline')
const {chromium} = require('playwright-core')

async function main() {
  const browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-dev-shm-usage', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync']
  })
  const page = await browser.newPage({viewport: {width: 1280, height: 720}})
  const complaints = [], foreign = []
  let origin = ''
  page.on('console', (message) => { if (['error', 'warning'].includes(message.type())) complaints.push(message.text()) })
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('request', (request) => { if (origin && !request.url().startsWith(origin)) foreign.push(request.url()) })
  const can = {
    goto: async ({url}) => { origin = new URL(url).origin; await page.goto(url) },
    evaluate: ({script}) => page.evaluate(script),
    click: ({selector}) => page.click(selector),
    fill: ({selector, text}) => page.fill(selector, text),
    select: ({selector, text}) => page.selectOption(selector, text),
    press: ({key}) => page.keyboard.press(key),
    type: ({text}) => page.keyboard.type(text),
    viewport: ({width, height}) => page.setViewportSize({width, height}),
    scheme: ({name}) => page.emulateMedia({colorScheme: name}),
    // What a screen reader is told, in its order.
    tree: async () => {
      const {nodes} = await (await page.context().newCDPSession(page)).send('Accessibility.getFullAXTree')
      return nodes.filter((node) => !node.ignored).map((node) => ({role: node.role?.value ?? '', name: String(node.name?.value ?? '')}))
    },
    screenshot: ({path}) => page.screenshot({path}).then(() => null),
    complaints: () => ({complaints: complaints.splice(0), foreign})
  }
  const server = net.createServer((socket) => {
    readline.createInterface({input: socket}).on('line', async (line) => {
      const order = JSON.parse(line)
      const answer = await Promise.resolve(can[order.do](order)).then((value) => ({value: value ?? null}), (error) => ({error: String(error)}))
      socket.write(JSON.stringify(answer) + '\n')
    })
  })
  server.listen(0, '127.0.0.1', () => console.log(server.address().port))
}

main().catch((error) => { console.error(error); process.exit(1) })
