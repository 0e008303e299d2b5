// What a point's value was since the page was opened: ten minutes of it, with gaps where it was bad.
import {clock} from './words.js'

const KEPT = 600  // samples, one a second
const WIDTH = 600, HEIGHT = 150

export class History {
  #samples = new Map()  // by key: [{at, value}], value null: none that can be trusted

  add(key, at, value) {
    let samples = this.#samples.get(key)
    if (!samples) this.#samples.set(key, samples = [])
    samples.push({at, value})
    if (samples.length > KEPT) samples.shift()
  }

  of(key) { return this.#samples.get(key) ?? [] }
}

function svg(tag, attributes) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag)
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value)
  return element
}

// Draws it into `figure`; says in words what it shows.
export function draw(figure, samples, unit) {
  const values = samples.filter((sample) => sample.value !== null).map((sample) => sample.value)
  const low = Math.min(...values), high = Math.max(...values)
  const begin = samples[0].at, end = Math.max(samples.at(-1).at, begin + 1)
  const x = (at) => ((at - begin) / (end - begin) * WIDTH).toFixed(1)
  const y = (value) => (high === low ? HEIGHT / 2 : HEIGHT - 6 - (value - low) / (high - low) * (HEIGHT - 12)).toFixed(1)
  const picture = svg('svg', {viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img'})
  let path = '', gaps = 0, gap = null
  samples.forEach((sample, i) => {
    const next = samples[i + 1]?.at ?? end
    if (sample.value === null) {
      if (i === 0 || samples[i - 1].value !== null) {
        gaps++
        gap = svg('rect', {class: 'gap', x: x(sample.at), y: 0, height: HEIGHT})
        picture.append(gap)
      }
      gap.setAttribute('width', Math.max(1, x(next) - gap.getAttribute('x')).toFixed(1))
      return
    }
    const begins = i === 0 || samples[i - 1].value === null
    path += `${begins ? 'M' : 'L'}${x(sample.at)} ${y(sample.value)}`
    if (samples[i + 1]?.value === null) path += `L${x(next)} ${y(sample.value)}`  // it was so until then
  })
  picture.append(svg('path', {class: 'curve', d: path}))
  const range = values.length === 0 ? 'no good value' : `${low} to ${high} ${unit}`
  const words = `${range}; ${gaps === 0 ? 'no gap' : gaps === 1 ? '1 gap' : `${gaps} gaps`}`
  picture.setAttribute('aria-label', `Trend: ${words}`)
  const caption = document.createElement('figcaption')
  for (const part of [clock(begin), words, clock(end)]) {
    const piece = document.createElement('span')
    piece.textContent = part
    caption.append(piece)
  }
  figure.replaceChildren(picture, caption)
}
