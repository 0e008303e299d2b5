// Numbers and times as people say them.

export function span(seconds) {
  if (seconds < 10) return `${seconds.toFixed(1)} s`
  if (seconds < 60) return `${Math.floor(seconds)} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h`
  return `${Math.floor(seconds / 86400)} d`
}

export const ago = (seconds) => seconds === null ? 'never' : `${span(seconds)} ago`

export const share = (part) => `${Math.round(part * 100)} %`

export const clock = (milliseconds) => new Date(milliseconds).toLocaleTimeString('en-GB')

export const many = (count, one) => `${count} ${one}${count === 1 ? '' : 's'}`

export const quality = (point) => point.failure ? `${point.quality}: ${point.failure}` : point.quality

// A value is what was published: JSON, or words of the configuration.
export function shown(value) {
  if (value === null) return '–'
  if (!value.startsWith('"')) return value
  try { return JSON.parse(value) } catch { return value }
}

export function number(value) {
  if (value === 'true') return 1
  if (value === 'false') return 0
  return value === null || value === '' || isNaN(Number(value)) ? null : Number(value)
}
