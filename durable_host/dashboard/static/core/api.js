// Calls of the HTTP API under /_df/api, and its errors.

const API = new URL('../../api/', import.meta.url).pathname;
const OFFLINE = 'The host does not answer. It may have stopped.';

let token = document.querySelector('meta[name="df-token"]')?.content ?? '';

/** An error of the API: `code` (DH....), `message`, `remedy` and the HTTP `status` (0 without an answer). */
class ApiError extends Error {
  constructor(status, { code = '', message, remedy = '' }) {
    super(message);
    Object.assign(this, { status, code, remedy });
  }
}

/** A path of the API with its parts encoded: `` path`instances/${id}/history` ``. */
export function path(strings, ...values) {
  return strings.reduce((text, part, n) => text + encodeURIComponent(values[n - 1]) + part);
}

/** A path with parameters. Empty ones are left out. */
export function withQuery(base, query) {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== '') {
      search.set(name, value);
    }
  }
  const text = search.toString();
  return text ? `${base}?${text}` : base;
}

export const eventsUrl = (query) => API + withQuery('changes', query);

/** The text of a response, for callers that compare it with the previous one before they parse it. */
export async function getText(resource, signal) {
  return (await request('GET', resource, undefined, signal)).text();
}

export async function get(resource, signal) {
  return (await request('GET', resource, undefined, signal)).json();
}

/** Send an action. A host that was restarted has another token, so the call is repeated once with the new one. */
export async function send(method, resource, body) {
  try {
    return await sent(method, resource, body);
  } catch (error) {
    if (error.status !== 403 || !(await refreshedToken())) {
      throw error;
    }
    return sent(method, resource, body);
  }
}

export const post = (resource, body = {}) => send('POST', resource, body);

async function sent(method, resource, body) {
  const response = await request(method, resource, body);
  const text = await response.text();
  return text ? JSON.parse(text) : null;
}

async function refreshedToken() {
  const { token: now } = await get('session');
  const isNew = Boolean(now) && now !== token;
  token = now ?? '';
  return isNew;
}

async function request(method, resource, body, signal) {
  const headers = { Accept: 'application/json' };
  if (method !== 'GET') {
    headers['X-DF-Token'] = token;
  }
  if (body !== undefined) {
    headers['Content-Type'] = 'application/json';
  }
  let response;
  try {
    response = await fetch(API + resource, { method, headers, body: JSON.stringify(body), signal });
  } catch (error) {
    if (error.name === 'AbortError') {
      throw error;
    }
    throw new ApiError(0, { message: OFFLINE, remedy: 'Start it again. The page reconnects by itself.' });
  }
  if (!response.ok) {
    throw await errorOf(response);
  }
  return response;
}

async function errorOf(response) {
  try {
    return new ApiError(response.status, (await response.json()).error);
  } catch {
    return new ApiError(response.status, { message: `The host answered with status ${response.status}.` });
  }
}
