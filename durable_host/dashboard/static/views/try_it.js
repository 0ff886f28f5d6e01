// Calls an HTTP function from the page: method, route parameters, query, headers and body.
import { bytes, duration } from '../core/format.js';
import { html, useState } from '../core/html.js';
import { instanceLink } from '../core/router.js';
import { ActionForm } from '../parts/dialog.js';
import { Field, TextField } from '../parts/fields.js';
import { Icon } from '../parts/icons.js';
import { Payload } from '../parts/values.js';

const ALL = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS'];
const PARAMETER = /\{(\*?)([^}:?=]+)([^}]*)\}/g;
const WITHOUT_BODY = new Set(['GET', 'HEAD']);
const SHOWN = 262_144;

export function TryIt({ item, route }) {
  const methods = item.methods?.length ? item.methods.map((method) => method.toUpperCase()) : ALL;
  const parameters = [...route.matchAll(PARAMETER)].map(([, , name, rest]) => ({ name, isOptional: /\?$|=/.test(rest) }));
  const [form, setForm] = useState({ method: methods.includes('GET') ? 'GET' : methods[0], values: {}, query: '', headers: [], body: '' });
  const [answer, setAnswer] = useState(null);
  const set = (changes) => setForm((old) => ({ ...old, ...changes }));
  const url = urlOf(route, form);
  const preview = urlOf(route, form, true);
  return html`<h3>Try it</h3>
    <${ActionForm} action="Send request" onSend=${() => call(url, form)} onDone=${setAnswer} isDisabled=${parameters.some(({ name, isOptional }) => !isOptional && !form.values[name])}>
      <p class="try-url"><${Field} label="Method">${(id) => html`<select id=${id} value=${form.method} onChange=${(event) => set({ method: event.target.value })}>${methods.map((method) => html`<option key=${method} value=${method}>${method}</option>`)}</select>`}<//>
        <span class="code line" title=${preview}>${preview}</span></p>
      ${parameters.map(({ name, isOptional }) => html`<${TextField} key=${name} label="Route parameter ${name}" value=${form.values[name] ?? ''} isRequired=${!isOptional} onInput=${(value) => setForm((old) => ({ ...old, values: { ...old.values, [name]: value } }))} />`)}
      <${TextField} label="Query" placeholder="name=value&other=value" value=${form.query} onInput=${(query) => set({ query })} />
      <${HeaderFields} headers=${form.headers} onChange=${(headers) => set({ headers })} />
      ${item.authLevel && !/anonymous/i.test(item.authLevel) ? html`<p class="hint">The authorization level is ${item.authLevel}. Locally no key is needed unless the host asks for keys; then add the header x-functions-key.</p>` : ''}
      ${WITHOUT_BODY.has(form.method) ? '' : html`<${Field} label="Body">${(id) => html`<textarea id=${id} class="code" rows="4" spellcheck=${false} value=${form.body} onInput=${(event) => set({ body: event.target.value })}></textarea>`}<//>`}
    <//>
    ${answer ? html`<${Answer} answer=${answer} />` : ''}`;
}

function HeaderFields({ headers, onChange }) {
  const change = (n, part, value) => onChange(headers.map((header, m) => (m === n ? { ...header, [part]: value } : header)));
  return html`<fieldset class="headers"><legend>Headers</legend>
    ${headers.map((header, n) => html`<div key=${n} class="header-row">
      <input aria-label="Name of header ${n + 1}" placeholder="Name" value=${header.name} onInput=${(event) => change(n, 'name', event.target.value)} />
      <input aria-label="Value of header ${n + 1}" placeholder="Value" value=${header.value} onInput=${(event) => change(n, 'value', event.target.value)} />
      <button type="button" class="icon-button" aria-label="Remove header ${n + 1}" onClick=${() => onChange(headers.filter((_, m) => m !== n))}><${Icon} name="close" size=${12} /></button></div>`)}
    <button type="button" class="link" onClick=${() => onChange([...headers, { name: '', value: '' }])}>Add a header</button></fieldset>`;
}

function Answer({ answer }) {
  const { status, statusText, headers, text, size, took } = answer;
  const tone = status < 300 ? 'good' : status < 400 ? 'info' : 'bad';
  const id = startedInstance(text);
  return html`<div class="answer" role="status">
    <p><span class="fate fate-${tone}"><${Icon} name=${tone === 'bad' ? 'alert' : 'check'} size=${12} />${status} ${statusText}</span> <span class="muted num">${duration(took)}, ${bytes(size)}</span>
      ${id ? html` <a href=${instanceLink(id)}>Open the instance</a>` : ''}</p>
    <details><summary>Response headers</summary><dl class="pairs">${headers.map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd class="code">${value}</dd></div>`)}</dl></details>
    <${Payload} label="Response body" text=${text || null} /></div>`;
}

/** The URL of a call. A preview keeps the names of parameters without a value. */
function urlOf(route, { values, query }, isPreview = false) {
  const path = route.replace(PARAMETER, (_, star, name) => (star ? (values[name] ?? '').split('/').map(encodeURIComponent).join('/') : (values[name] ? encodeURIComponent(values[name]) : isPreview ? `{${name}}` : '')));
  const base = path.startsWith('/') ? path : `/${path}`;
  return base.replace(/\/+$/, '') + (query ? `?${query.replace(/^\?/, '')}` : '') || '/';
}

async function call(url, { method, headers, body }) {
  const started = performance.now();
  const sent = new Headers(headers.filter(({ name }) => name).map(({ name, value }) => [name, value]));
  if (body && !WITHOUT_BODY.has(method) && !sent.has('Content-Type')) {
    sent.set('Content-Type', looksLikeJson(body) ? 'application/json' : 'text/plain');
  }
  const response = await fetch(url, { method, headers: sent, body: WITHOUT_BODY.has(method) || !body ? undefined : body, redirect: 'manual' });
  const content = await response.text();
  return {
    status: response.status, statusText: response.statusText, headers: [...response.headers], text: content.slice(0, SHOWN), size: content.length, took: performance.now() - started,
  };
}

const looksLikeJson = (text) => /^\s*[[{"\d-]|^\s*(true|false|null)\s*$/.test(text);

/** The ID in the management URLs that a durable client returns, which is how an HTTP function starts an orchestration. */
function startedInstance(text) {
  try {
    const { id, statusQueryGetUri } = JSON.parse(text);
    return typeof id === 'string' && statusQueryGetUri ? id : null;
  } catch {
    return null;
  }
}
