// A form of the JSON Schema that the gateway serves: what is asked, explained and checked is what stands there. What is hidden behind
// "More" is made when it is opened.
import {el} from './dom.js'
import {Verbatim} from './yaml.js'

// What is asked at once besides what has to be there.
const kFirst = new Set('id http baud parity unit_id template interval points type unit scale username password tls out to'.split(' '))
let definitions = {}
let made = 0

export const learn = (schema) => { definitions = schema.definitions }

function follow(schema) {
  const reference = schema.$ref ?? schema.allOf?.[0].$ref
  return reference ? definitions[reference.split('/').pop()] : schema
}

const kinds = (schema) => [schema.type ?? []].flat()
const plain = (value) => typeof value === 'object' ? JSON.stringify(value) : String(value)

// The keys of a map as it is: the type of a bus chooses among them, and the bus of a device.
function keysOf(schema, value, bus) {
  const word = (key) => value[key] ?? schema.properties[key].default
  const chosen = schema.allOf?.find((one) => Object.entries(one.if.properties).every(([key, {const: wanted}]) => word(key) === wanted))?.then ?? schema
  return Object.entries(chosen.properties).flatMap(([name, found]) => {
    const meant = found.anyOf && !found.description ? found.anyOf.find((one) => !one['x-bus'] || one['x-bus'] === bus) : found
    if (!meant || (meant['x-bus'] && meant['x-bus'] !== bus)) return []
    const required = [...schema.required ?? [], ...chosen.required ?? []].includes(name)
    return [{name, schema: meant, required, first: required || meant['x-required'] || kFirst.has(name) || (name === 'line' && meant.allOf)}]
  })
}

function chooses(schema, name) {
  return schema.allOf?.some((one) => one.if && name in one.if.properties) || name === 'bus'
}

function objection(schema, text) {
  const types = kinds(schema), whole = types.includes('integer')
  if (text === '' || text.startsWith('!')) return ''
  if (!types.includes('string') && (whole || types.includes('number'))) {
    const number = Number(text)
    if (Number.isNaN(number) || (whole && !Number.isInteger(number))) return whole ? 'This is a whole number.' : 'This is a number.'
    if (number < schema.minimum) return `At least ${schema.minimum}.`
    if (number > schema.maximum) return `At most ${schema.maximum}.`
  } else if (schema.pattern && types.includes('string') && text !== '0' && !new RegExp(schema.pattern).test(text)) {
    return `Such as ${plain(schema.examples?.[0] ?? schema.pattern)}.`
  }
  return ''
}

// What was typed, as what it is in YAML.
function meaning(schema, text) {
  if (text === '') return undefined
  const structured = schema.anyOf || kinds(schema).includes('array')
  const number = schema.pattern || schema.anyOf || !kinds(schema).includes('string')
  if (text.startsWith('!') || (number && /^(true|false)$/.test(text)) || (structured && /^[[{]/.test(text)) || (number && !Number.isNaN(Number(text)))) return new Verbatim(text)
  return kinds(schema).includes('array') ? text.split(',').map((one) => one.trim()) : text
}

function labelled(name, schema, required, control) {
  const id = `field-${++made}`
  control.id = id
  control.name = name
  control.setAttribute('aria-describedby', `${id}-says`)
  return el('div', {className: 'field'}, el('label', {htmlFor: id}, required ? `${name} *` : schema['x-required'] ? `${name} (*)` : name), control,
    el('small', {id: `${id}-says`}, schema.description ?? ''))
}

function choice(words, schema, value, required, set) {
  const select = el('select', {required, onchange: () => set(meaning(schema, select.value))})
  const none = schema.default === undefined ? (required ? 'choose' : 'not given') : `${plain(schema.default)} (default)`
  select.append(...[['', none], ...words.map((word) => [word, word])].map(([word, text]) => el('option', {value: word}, text)))
  select.value = value instanceof Verbatim ? value.text : value ?? ''
  return select
}

function line(name, schema, value, required, set, context) {
  const example = schema.examples?.[0], fallback = schema.default
  const input = el('input', {
    required, autocomplete: 'off', spellcheck: false, value: value instanceof Verbatim ? value.text : value ?? '',
    placeholder: fallback !== undefined ? plain(fallback) : example !== undefined ? `e.g. ${plain(example)}` : '',
    oninput: () => {
      input.setCustomValidity(objection(schema, input.value.trim()))
      set(meaning(schema, input.value.trim()))
    }
  })
  if (name === 'port' && !(kinds(schema).length === 1 && kinds(schema)[0] === 'integer')) input.setAttribute('list', context.ports)
  return input
}

function field({name, schema, required, first}, value, set, context) {
  const inner = follow(schema)
  const described = {...inner, description: schema.description ?? inner.description, 'x-required': schema['x-required']}
  if (name === 'bus') return labelled(name, described, required, choice(context.buses(), described, value, required, set))
  const words = inner.enum?.filter((word) => typeof word === 'string') ?? (kinds(inner).includes('boolean') && kinds(inner).length === 1 ? ['true', 'false'] : null)
  if (words) return labelled(name, described, required, choice(words, described, value, required, set))
  if (inner.additionalProperties) return entries(name, described, value, set, context).element
  if (inner.items && follow(inner.items).properties) return items(name, described, value, set, context)
  if (inner.properties) return group(name, described, value, set, context, required || first)
  return labelled(name, described, required, line(name, described, value, required, set, context))
}

function opened(title, make, open) {
  const details = el('details', {}, el('summary', {}, title))
  const fill = () => { if (details.open && details.childElementCount === 1) details.append(...make()) }
  details.addEventListener('toggle', fill)
  details.open = open
  fill()
  return details
}

// The keys of a map. `value` is changed in place.
export function keys(schema, value, told, context) {
  const place = el('div', {className: 'keys'})
  const draw = () => {
    const bus = 'bus' in value ? context.driver(value.bus) : context.bus
    const within = {...context, bus}
    const all = keysOf(schema, value, bus)
    for (const name of Object.keys(value)) if (!all.some((one) => one.name === name)) delete value[name]
    const show = (one) => field(one, value[one.name], (next) => {
      if (next === undefined) delete value[one.name]
      else value[one.name] = next
      told()
      if (!chooses(schema, one.name)) return
      draw()
      place.querySelector(`:scope > .field > [name=${one.name}]`).focus()
    }, within)
    const some = all.some((one) => one.first)
    const now = all.filter((one) => one.first || !some), later = all.filter((one) => !one.first && some)
    place.replaceChildren(...now.map(show), ...later.length > 0 ? [opened('More', () => later.map(show), false)] : [])
  }
  draw()
  return place
}

function group(name, schema, value, set, context, open) {
  const own = value ?? {}
  const told = () => set(Object.keys(own).length > 0 ? own : undefined)
  return opened(`${name}: ${schema.description}`, () => [keys(schema, own, told, context)], open || value !== undefined)
}

function remove(title, row, away) {
  return el('button', {type: 'button', onclick: () => { row().remove(); away() }}, `Remove ${title}`)
}

// A map whose keys are names of one's choice. `add` makes another.
export function entries(name, schema, value, set, context) {
  const inner = follow(schema.additionalProperties)
  const title = name === 'buses' ? 'bus' : name.replace(/s$/, '')
  let rows = Object.entries(value ?? {}).map(([key, one]) => ({key, one}))
  const told = () => set(rows.length > 0 ? Object.fromEntries(rows.map(({key, one}) => [key, one])) : undefined)
  const list = el('div', {className: 'entries'})
  const show = (row) => {
    const input = el('input', {
      required: true, value: row.key, autocomplete: 'off', spellcheck: false,
      oninput: () => {
        row.key = input.value.trim()
        input.setCustomValidity(rows.some((other) => other !== row && other.key === row.key) ? 'There is another of this name.' : '')
        told()
      }
    })
    const body = inner.properties ? keys(inner, row.one, told, context)
      : field({name: 'value', schema: inner, required: true}, row.one, (next) => { row.one = next ?? ''; told() }, context)
    const element = el('fieldset', {className: title}, el('legend', {}, title), labelled('name', {description: ''}, true, input), body,
      remove(title, () => element, () => { rows = rows.filter((other) => other !== row); told() }))
    return element
  }
  const add = (key = '', one = inner.properties ? {} : '') => {
    const row = {key, one}
    rows.push(row)
    list.append(show(row))
    told()
    list.lastElementChild.querySelector('input').focus()
  }
  list.append(...rows.map(show))
  const element = el('div', {className: 'map'}, el('p', {className: 'note'}, `${name}: ${schema.description ?? ''}`), list,
    el('button', {type: 'button', className: `add-${title}`, onclick: () => add()}, `Add a ${title}`))
  return {element, add}
}

function items(name, schema, value, set, context) {
  const inner = follow(schema.items)
  let rows = value ?? []
  const told = () => set(rows.length > 0 ? rows : undefined)
  const list = el('div', {className: 'entries'})
  const show = (row) => {
    const element = el('fieldset', {className: name}, el('legend', {}, name), keys(inner, row, told, context),
      remove(name, () => element, () => { rows = rows.filter((other) => other !== row); told() }))
    return element
  }
  list.append(...rows.map(show))
  return el('div', {className: 'map'}, el('p', {className: 'note'}, `${name}: ${schema.description}`), list,
    el('button', {type: 'button', className: `add-${name}`, onclick: () => {
      rows.push({})
      list.append(show(rows.at(-1)))
      told()
    }}, `Add to ${name}`))
}
