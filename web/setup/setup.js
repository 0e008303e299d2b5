// What is wrong with the configuration, or a form for the first one.
import {$, el, say} from './dom.js'

async function call(options) {
  const answer = await fetch('api/v1/setup', options)
  const body = await answer.json()
  if (!answer.ok) throw new Error(body.error.message)
  return body
}

function show(found) {
  if (found.ready) {
    say($('verdict'), `${found.file} is in order: the gateway starts …`)
    return setTimeout(() => location.replace('./'), 2000)
  }
  say($('verdict'), found.there ? `${found.file} cannot be run yet` : `${found.file} is not there yet`)
  $('verdict').className = 'wrong'
  $('broken').hidden = !found.there
  $('first').hidden = found.there
  say($('mistakes'), found.trouble)
  if ($('id').value === '') $('id').value = found.id
  $('ports').replaceChildren(...found.ports.map((port) => el('label', {},
    el('input', {type: 'checkbox', value: port.name}), ` ${port.name} ${port.adapter}`)))
  if (found.ports.length === 0) say($('ports'), 'none found')
}

const look = () => call().then(show, (error) => say($('verdict'), error.message))

$('again').addEventListener('click', look)
$('form').addEventListener('submit', async (event) => {
  event.preventDefault()
  say($('refused'), '')
  const body = {
    id: $('id').value.trim(),
    rtu: [...$('ports').querySelectorAll('input:checked')].map((box) => box.value),
    tcp: $('tcp').value.split(/\s+/).filter((host) => host),
    cloud: $('cloud').value.trim()
  }
  await call({method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify(body)})
    .then(show, (error) => say($('refused'), error.message))
})
look()
