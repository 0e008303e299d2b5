// The page of the gateway: what it told last, kept up to date by server-sent events.
import {$, confirmed, el, keeper, mark, say} from './dom.js'
import {get, login, post, session} from './api.js'
import {Log} from './log.js'
import {draw, History} from './trend.js'
import {ago, clock, many, number, quality, shown, share, span} from './words.js'

const SILENT = 2500  // milliseconds without a word: the gateway is dead

let me = {user: null, role: null, login: false}
let source = null, tap = null
let heard = performance.now()
let device = '', chosen = null  // a key of `points`
let points = new Map()          // by device/point
let writable = new Map()
let parkedBefore = null, parkedAt = 0
let events = []
const history = new History()

// The verdict

function showVerdict(status) {
  const wrong = status.problems
  const text = wrong.length ? `${many(wrong.length, 'problem')}: ${wrong.join('; ')}` : `All is well: ${status.summary}`
  say($('gateway'), status.id)
  document.title = `${wrong.length ? `(${wrong.length}) ` : ''}${status.id} – Ferrule`
  say($('verdict'), text)
  mark($('verdict'), wrong.length ? 'wrong' : '')
  say($('announce'), text.replace(/, silent for [^;]*/g, ''))  // not read out anew with each second
}

function watchGateway() {
  const silence = performance.now() - heard
  const dead = silence > SILENT && me.role !== null
  document.body.classList.toggle('dead', dead)
  if (!dead) return say($('alarm'), '')
  say($('verdict'), `The gateway has not answered for ${span(silence / 1000)}. What is below was so before.`)
  mark($('verdict'), 'dead')
  say($('alarm'), 'The gateway does not answer.')
}

// Buses and devices

const showDevices = keeper($('devices'), (item) => {
  if (item.devices) return el('tr', {className: 'bus'}, el('th', {scope: 'rowgroup', colSpan: 4}))
  const button = el('button', {className: 'link', textContent: item.name})
  button.addEventListener('click', () => chooseDevice(item.name))
  return el('tr', {}, el('td', {}, button), el('td'), el('td'), el('td'))
}, (row, item) => {
  if (item.devices) {
    const busy = `${share(item.utilisation)} busy${item.planned === null ? '' : `, planned ${share(item.planned)}`}`
    mark(row.cells[0], item.trouble ? 'wrong' : '')
    return say(row.cells[0], `${item.name} (${item.port}): ${item.trouble || (item.connected ? busy : 'not open yet')}`)
  }
  mark(row, item.state === 'failing' ? 'bad' : '')
  say(row.cells[1], item.failure ? `${item.state}: ${item.failure}` : item.state)
  say(row.cells[2], item.round_trip === null ? '–' : `${(item.round_trip * 1000).toFixed(item.round_trip < 0.01 ? 1 : 0)} ms`)
  say(row.cells[3], ago(item.last_good))
})

function showField(status) {
  const rows = []
  for (const bus of status.buses) {
    rows.push([`bus ${bus.name}`, bus])
    for (const one of bus.devices) rows.push([`device ${one.name}`, one])
  }
  showDevices(rows)
  const names = status.buses.flatMap((bus) => bus.devices.map((one) => one.name))
  showChoices([['', 'all devices'], ...names.map((name) => [name, name])])
}

const showChoices = keeper($('device'), (name, key) => el('option', {value: key, textContent: name}), () => {})

function chooseDevice(name) {
  device = name
  $('device').value = name
  connect()
}

// Uplinks, and what they refused

const showUplinks = keeper($('uplinks'), () => el('div', {}, el('h3'), el('p'), el('p', {className: 'note'}), el('p', {className: 'wrong'})),
  (box, uplink) => {
    const [title, queue, done, error] = box.children
    say(title, `${uplink.name}: ${uplink.stalled ? 'online, but the cloud acknowledges nothing' : uplink.state}`)
    const oldest = uplink.oldest === null ? '' : `, the oldest for ${span(uplink.oldest)}`
    say(queue, `${many(uplink.queued, 'message')} waiting${oldest}`)
    say(done, `${uplink.acknowledged} delivered, ${uplink.dropped + uplink.expired + uplink.aged} dropped, ${uplink.parked} refused`)
    say(error, uplink.last_error ? `Last error: ${uplink.last_error}` : '')
  })

function showClouds(status) {
  showUplinks(status.uplinks.map((uplink) => [uplink.name, uplink]))
  if (status.uplinks.length === 0 && !$('uplinks').hasChildNodes()) $('uplinks').append(el('p', {className: 'note', textContent: 'No uplinks.'}))
  const refused = status.uplinks.map((uplink) => `${uplink.name} ${uplink.parked}`).join()
  // They are counted before they are on disk, where they can be listed: so look again.
  const again = performance.now() - parkedAt > 3000 && status.uplinks.some((uplink) => uplink.parked > 0)
  if (refused === parkedBefore && !again) return
  parkedBefore = refused
  parkedAt = performance.now()
  loadParked(status.uplinks.map((uplink) => uplink.name))
}

const showParked = keeper($('parked-list'), ({uplink, row}) => {
  const item = el('li', {}, el('span', {textContent: `${uplink} ${row.topic} (${row.bytes} bytes): ${row.reason}, ${row.parked} `}))
  if (me.role === 'operate') {
    for (const [action, label] of [['retry', 'Retry'], ['drop', 'Drop']]) {
      const button = el('button', {textContent: label, 'aria-label': `${label} ${row.topic} of ${row.parked}`})
      button.addEventListener('click', () => decide(action, label, uplink, row))
      item.append(button, ' ')
    }
  }
  return item
}, () => {})

async function loadParked(uplinks) {
  const found = []
  for (const uplink of uplinks) {
    const page = await get(`queue?uplink=${encodeURIComponent(uplink)}`).catch(() => ({rows: []}))
    for (const row of page.rows) found.push([`${uplink} ${row.seq}`, {uplink, row}])
  }
  $('parked').hidden = found.length === 0
  showParked(found)
}

async function decide(action, label, uplink, row) {
  const end = action === 'drop' ? 'It is gone for good then.' : 'It joins the queue at its end.'
  if (!await confirmed(`${label} the message for ${row.topic} at ${uplink}? ${end}`)) return
  await post(`queue/${action}`, {uplink, seqs: [row.seq]}).catch((error) => say($('announce'), error.message))
  parkedBefore = null
}

// Values

const showPoints = keeper($('values'), (point, key) => {
  const button = el('button', {className: 'link', textContent: key, 'aria-pressed': 'false'})
  button.addEventListener('click', () => choosePoint(key))
  return el('tr', {}, el('td', {}, button), el('td', {className: 'number'}), el('td'), el('td'), el('td'))
}, (row, point) => {
  mark(row, point.quality === 'good' ? '' : point.quality)
  row.cells[0].firstChild.setAttribute('aria-pressed', `${point.device}/${point.point}` === chosen)
  say(row.cells[1], shown(point.value))
  say(row.cells[2], point.unit)
  say(row.cells[3], quality(point))
  say(row.cells[4], point.age === null ? 'never' : span(point.age))
})

function takeValues(values) {
  const now = Date.now()
  points = new Map(values.points.map((point) => [`${point.device}/${point.point}`, point]))
  for (const [key, point] of points) history.add(key, now, point.quality === 'bad' ? null : number(point.value))
  showPoints(points)
  const left = device === '' && values.total > points.size
  $('left-out').hidden = !left
  if (left) say($('left-out'), `The first ${points.size} of ${values.total}: choose a device.`)
  if (!points.has(chosen) && points.size > 0) return choosePoint(points.keys().next().value)
  showPoint()
}

function choosePoint(key) {
  chosen = key
  say($('written'), '')
  showPoints(points)
  makeWriting()
  showPoint()
}

function showPoint() {
  const point = points.get(chosen)
  if (!point) return
  say($('point-title'), chosen)
  say($('reading'), `${shown(point.value)} ${point.unit}, ${quality(point)}, ${point.age === null ? 'never read' : ago(point.age)}`)
  mark($('reading'), point.quality === 'good' ? 'note' : 'bad-reading')
  const samples = history.of(chosen)
  const drawn = samples.some((sample) => sample.value !== null)
  $('trend').hidden = !drawn
  if (drawn) draw($('trend'), samples, point.unit)
}

// Writing

function control(limits, point) {
  const label = {id: 'new-value', 'aria-label': `New value of ${chosen}`, required: true}
  const words = limits.words.length ? limits.words : ['true', 'false'].includes(point.value) ? ['true', 'false'] : null
  if (words) return el('select', label, ...words.map((word) => el('option', {value: word, textContent: word})))
  if (number(point.value) === null && point.value !== null) return el('input', label)
  const input = el('input', {...label, type: 'number', step: limits.step ?? 'any'})
  if (limits.min !== null) input.min = limits.min
  if (limits.max !== null) input.max = limits.max
  return input
}

function makeWriting() {
  const limits = writable.get(chosen), point = points.get(chosen)
  const form = $('write')
  form.hidden = !limits || !point || me.role !== 'operate'
  if (form.hidden) return
  form.replaceChildren(control(limits, point), el('span', {textContent: point.unit}), el('button', {className: 'main', textContent: 'Write …'}))
}

function wanted(input, limits) {
  if (input.type === 'number') return Number(input.value)
  if (limits.words.length === 0 && input.tagName === 'SELECT') return input.value === 'true'
  return input.value
}

async function write(event) {
  event.preventDefault()
  const key = chosen, point = points.get(key), value = wanted($('new-value'), writable.get(key))
  if (!await confirmed(`Write ${value} ${point.unit} to ${key}? It is ${shown(point.value)} now.`)) return
  say($('written'), `Writing ${value} …`)
  const answer = await post('write', {device: point.device, point: point.point, value}).catch((error) => ({result: 'rejected', why: error.message}))
  if (answer.result !== 'ok') return say($('written'), `${value} was not written to ${key}: ${answer.result}, ${answer.why}`)
  const back = writable.get(key).readback ? 'and was read back' : 'by the device\'s word'
  say($('written'), `${value} was written to ${key} ${back}.`)
}

// Topics and events

const topics = new Log('topics', 'Topic filter', '#', followTopics)
const log = new Log('events', 'Text that events have to hold', '', showEvents)

function followTopics(filter) {
  tap?.close()
  topics.clear()
  tap = new EventSource(`api/v1/tap?filter=${encodeURIComponent(filter || '#')}`)
  tap.addEventListener('publication', (event) => {
    const item = JSON.parse(event.data)
    const payload = item.payload ?? `${item.bytes} bytes that are ${item.withheld ? 'not shown' : 'no text'}`
    topics.add(el('li', {}, el('time', {textContent: clock(item.at)}), ` ${item.topic} `, el('b', {textContent: payload.slice(0, 200)})))
  })
  tap.addEventListener('dropped', (event) => topics.add(el('li', {className: 'note', textContent: `${event.data} left out: too many at once`})))
  tap.onerror = () => {
    if (tap.readyState !== EventSource.CLOSED) return
    topics.add(el('li', {className: 'wrong', textContent: `${filter} is no topic filter, or too many pages are open.`}))
  }
}

function eventText(event) {
  const end = event.state === 'open' ? ' (still so)' : event.state === 'resolved' ? ` (for ${span((event.resolved - event.at) / 1000)})` : ''
  return `${event.kind} ${event.who}: ${event.cause}${end}`
}

function showEvent(event) {
  const text = eventText(event)
  if (!text.toLowerCase().includes(log.input.value.toLowerCase())) return
  log.add(el('li', event.state === 'open' ? {className: 'wrong'} : {}, el('time', {textContent: clock(event.at)}), ` ${text}`))
}

function showEvents() {
  log.clear()
  events.forEach(showEvent)
}

function takeEvent(event) {
  const before = events.findIndex((known) => known.id === event.id)
  if (before >= 0) events.splice(before, 1)
  events.push(event)
  if (events.length > 200) events.shift()
  if (before >= 0) showEvents()
  else showEvent(event)
  if (event.kind.startsWith('reload')) loadConfiguration()
}

async function loadConfiguration() {
  const found = await get('configuration').catch(() => null)
  if (!found) return
  const lines = [...found.warnings]
  if (found.reload && !found.reload.ok) lines.unshift(`Not taken over at ${clock(found.reload.at)}, all stays as it was:`, found.reload.text)
  $('configuration').hidden = lines.length === 0
  say($('mistakes'), lines.join('\n'))
  writable = new Map((await get('writable').catch(() => [])).map((point) => [`${point.device}/${point.point}`, point]))
  if (chosen) makeWriting()
}

// Coming and going

function connect() {
  source?.close()
  source = new EventSource(`api/v1/live${device ? `?device=${encodeURIComponent(device)}` : ''}`)
  const on = (name, take) => source.addEventListener(name, (event) => {
    heard = performance.now()
    take(JSON.parse(event.data))
  })
  on('status', (status) => { showVerdict(status); showField(status); showClouds(status) })
  on('values', takeValues)
  on('events', (list) => { events = list; showEvents() })
  on('event', takeEvent)
  on('dropped', () => {})
  source.onerror = () => { if (source.readyState === EventSource.CLOSED) setTimeout(begin, 1000) }
}

function showAccount() {
  const account = $('account')
  if (me.user) {
    const button = el('button', {textContent: 'Log out'})
    button.addEventListener('click', async () => { await post('logout'); location.reload() })
    account.replaceChildren(`${me.user} (${me.role === 'operate' ? 'may write' : 'reads only'}) `, button)
  } else {
    account.replaceChildren(me.login ? '' : 'Read only: the gateway has no users yet')
  }
}

async function begin() {
  source?.close()
  tap?.close()
  try {
    me = await session()
  } catch (error) {
    say($('verdict'), error.message)
    mark($('verdict'), 'wrong')
    return setTimeout(begin, 3000)
  }
  showAccount()
  if (me.role === null) {
    say($('verdict'), 'Log in to see the gateway.')
    if (!$('login').open) $('login').showModal()
    return
  }
  heard = performance.now()
  loadConfiguration()
  connect()
  followTopics(topics.input.value)
}

$('login-form').addEventListener('submit', async (event) => {
  event.preventDefault()
  say($('login-why'), '')
  try {
    await login($('user').value, $('password').value)
    $('password').value = ''
    $('login').close()
    begin()
  } catch (error) {
    say($('login-why'), error.message)
  }
})
$('login').addEventListener('cancel', (event) => event.preventDefault())
$('device').addEventListener('change', () => chooseDevice($('device').value))
$('write').addEventListener('submit', write)
setInterval(watchGateway, 250)
begin()
