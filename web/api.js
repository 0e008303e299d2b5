// What the page asks of the gateway.
let csrf = null

async function call(path, options) {
  const answer = await fetch(`api/v1/${path}`, options)
  const body = answer.status === 204 ? null : await answer.json()
  if (!answer.ok) throw new Error(body.error.message)
  return body
}

export const get = (path) => call(path)

export function post(path, body = {}) {
  const headers = {'Content-Type': 'application/json'}
  if (csrf) headers['X-CSRF-Token'] = csrf
  return call(path, {method: 'POST', headers, body: JSON.stringify(body)})
}

export async function session() {
  const found = await get('session')
  csrf = found.csrf
  return found
}

export async function login(user, password) {
  const found = await post('login', {user, password})
  csrf = found.csrf
  return found
}
