// What is wrong with the configuration, or a form for the first one: filled in, looked at as text, checked by the gateway, written by it.
import {$, el, say} from './dom.js'
import {entries, keys, learn} from './form.js'
import {Verbatim, yaml} from './yaml.js'

const kSections = ['buses', 'devices', 'uplinks']
const model = {version: new Verbatim('2'), gateway: {}, buses: {}, devices: {}, uplinks: {}}
let schema = null

async function call(path, options) {
  const answer = await fetch(`api/v1/${path}`, options)
  const body = await answer.json()
  if (!answer.ok) throw new Error(body.error.message)
  return body
}

const send = (body) => call('setup', {method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify(body)})

const context = {
  ports: 'ports',
  bus: '',
  buses: () => Object.keys(model.buses).filter((name) => name),
  driver: (bus) => (model.buses[bus]?.type ?? '').replace(/^modbus-.*/, 'modbus')
}

function section(name, changed = () => {}) {
  const made = entries(name, schema.properties[name], model[name], (value) => { model[name] = value ?? {}; changed() }, context)
  $(name).replaceChildren(made.element)
  return made.add
}

function drawForm(found) {
  learn(schema)
  Object.assign(model.gateway, {id: found.id, http: found.place})
  $('gateway').replaceChildren(keys(schema.definitions.gateway, model.gateway, () => {}, context))
  $('ports').replaceChildren(...found.ports.map((port) => el('option', {value: port.name}, port.adapter)))
  // Devices follow their buses: which there are, and of which type.
  const busesNow = () => JSON.stringify(Object.entries(model.buses).map(([name, {type}]) => [name, type]))
  let known = busesNow()
  const addBus = section('buses', () => {
    if (busesNow() === known) return
    known = busesNow()
    section('devices')
  })
  $('buses').append(...found.ports.map((port) => el('button', {type: 'button', className: 'found', onclick: () => {
    addBus(`line${context.buses().length + 1}`, {type: 'modbus-rtu', port: port.name})
  }}, `Add the line at ${port.name} ${port.adapter}`)))
  section('devices')
  section('uplinks')
}

async function show(found) {
  if (found.ready) {
    say($('verdict'), `${found.file} is in order: the gateway starts …`)
    return setTimeout(() => location.replace('./'), 2000)
  }
  say($('verdict'), found.there ? `${found.file} cannot be run yet` : `${found.file} is not there yet`)
  $('verdict').className = 'wrong'
  $('broken').hidden = !found.there
  $('first').hidden = found.there
  say($('mistakes'), found.trouble)
  if (found.there || schema) return
  schema = await call('schema')
  drawForm(found)
}

async function judge(write) {
  say($('refused'), '')
  say($('fine'), '')
  try {
    const found = await send({text: $('text').value, write})
    if (write) show(found)
    else say($('fine'), ['The gateway finds nothing wrong with it.', ...found.warnings].join('\n'))
  } catch (error) {
    say($('refused'), error.message)
  }
}

const look = () => call('setup').then(show).catch((error) => say($('verdict'), error.message))

$('again').addEventListener('click', look)
$('form').addEventListener('submit', (event) => {
  event.preventDefault()
  const filled = Object.entries(model).filter(([name, value]) => !kSections.includes(name) || Object.keys(value).length > 0)
  $('text').value = yaml(Object.fromEntries(filled))
  $('review').hidden = false
  $('text').focus()
  judge(false)
})
$('check').addEventListener('click', () => judge(false))
$('write').addEventListener('click', () => judge(true))
look()
