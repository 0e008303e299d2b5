// The few things that the page does with the document. Text is only ever set as text.

export const $ = (id) => document.getElementById(id)

export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value
    else element.setAttribute(name, value)
  }
  element.append(...children)
  return element
}

// Leaves alone what is right already: so what is marked or read out stays.
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text
}

export function mark(element, name) {
  if (element.className !== name) element.className = name
}

// Keeps the children of `parent` in step with a list: those whose key is known stay as they are, so that what has the focus keeps it.
export function keeper(parent, make, fill) {
  const known = new Map()
  return (items) => {
    const gone = new Set(known.keys())
    for (const [key] of items) gone.delete(key)
    for (const key of gone) {
      known.get(key).remove()
      known.delete(key)
    }
    let place = parent.firstElementChild
    for (const [key, item] of items) {
      let child = known.get(key)
      if (!child) known.set(key, child = make(item, key))
      if (child === place) place = place.nextElementSibling
      else parent.insertBefore(child, place)
      fill(child, item)
    }
  }
}

// Resolves to whether the person agreed.
export function confirmed(question) {
  const dialog = $('ask')
  say($('ask-text'), question)
  dialog.returnValue = 'no'
  dialog.showModal()
  return new Promise((resolve) => dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), {once: true}))
}
