// A list that runs along: the newest first, with a filter and a pause.
import {$, el, say} from './dom.js'

const KEPT = 200

export class Log {
  #waiting = []
  #paused = false

  // `filtered(text)` is called when the person has asked for another filter.
  constructor(id, label, filter, filtered) {
    this.list = $(id)
    this.input = el('input', {type: 'search', value: filter, 'aria-label': label})
    this.pause = el('button', {type: 'button', textContent: 'Pause', 'aria-pressed': 'false'})
    this.pause.addEventListener('click', () => this.#toggle())
    const form = $(`${id}-form`)
    form.append(this.input, this.pause)
    form.addEventListener('submit', (event) => { event.preventDefault(); filtered(this.input.value) })
    this.input.addEventListener('change', () => filtered(this.input.value))
    setInterval(() => this.#flush(), 250)
  }

  add(entry) {
    this.#waiting.push(entry)
    if (this.#waiting.length > KEPT) this.#waiting.shift()
  }

  clear() {
    this.#waiting = []
    this.list.replaceChildren()
  }

  #toggle() {
    this.#paused = !this.#paused
    this.pause.setAttribute('aria-pressed', this.#paused)
    this.#flush()
  }

  #flush() {
    say(this.pause, this.#paused ? `Go on${this.#waiting.length ? ` (${this.#waiting.length} new)` : ''}` : 'Pause')
    if (this.#paused || this.#waiting.length === 0) return
    this.list.prepend(...this.#waiting.reverse())
    this.#waiting = []
    while (this.list.childElementCount > KEPT) this.list.lastElementChild.remove()
  }
}
