// A configuration as text.

// What stands as it was typed: a number, `!file secrets/hq`, `{min: 5}`.
export class Verbatim {
  constructor(text) { this.text = text }
}

const kSimple = /^[A-Za-z0-9/][\w./-]*$/
const kOtherwise = /^([\d.:+-]+|0x.*|[\d.]+e\d+|y|n|yes|no|on|off|true|false|null)$/i  // what a reader could take for something else

const isMap = (value) => typeof value === 'object' && !Array.isArray(value) && !(value instanceof Verbatim)

function word(value) {
  if (value instanceof Verbatim) return value.text
  return kSimple.test(value) && !kOtherwise.test(value) ? value : JSON.stringify(value)
}

function inline(value) {
  if (Array.isArray(value)) return `[${value.map(inline).join(', ')}]`
  if (isMap(value)) return `{${Object.entries(value).map(([key, one]) => `${word(key)}: ${inline(one)}`).join(', ')}}`
  return word(value)
}

// Maps of one line where they fit.
export function yaml(value, indent = '') {
  return Object.entries(value).map(([key, one]) => {
    const begin = `${indent}${word(key)}:`, short = inline(one)
    if (Array.isArray(one)) return `${begin}\n${one.map((item) => `${indent}  - ${inline(item)}\n`).join('')}`
    const fits = indent.length > 0 && indent.length + short.length < 100 && !Object.values(one).some(isMap)
    return !isMap(one) || fits || short === '{}' ? `${begin} ${short}\n` : `${begin}\n${yaml(one, `${indent}  `)}`
  }).join('')
}
