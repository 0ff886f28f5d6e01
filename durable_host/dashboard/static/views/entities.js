// The entities of the hub, and one of them beside the list.
import { path, post, withQuery } from '../core/api.js';
import { html, useEffect, useRef, useState } from '../core/html.js';
import { useKeys } from '../core/keys.js';
import { useResource } from '../core/resource.js';
import { instanceLink, link, navigate, setQuery } from '../core/router.js';
import { useRows } from '../core/rows.js';
import { useSession } from '../core/session.js';
import { ActionForm } from '../parts/dialog.js';
import { isJsonOrEmpty, JsonField, jsonMember, TextField } from '../parts/fields.js';
import { Icon } from '../parts/icons.js';
import { PageHead } from '../parts/page_head.js';
import { Empty, Shown } from '../parts/states.js';
import { toast } from '../parts/toasts.js';
import { Line, Payload, Time } from '../parts/values.js';

const PAGE = 100;
/** The key of an entity in a path: an empty one is `$`, and keys of dollar signs have one more than they are. */
const inPath = (key) => (/^\$*$/.test(key) ? `$${key}` : key);

export default function Entities({ path: [name, key], query }) {
  const list = useResource(withQuery('entities', { name: query.name, prefix: query.prefix, top: PAGE, cursor: query.cursor }), { on: ['entities', 'instances'] });
  const rows = useRef(null);
  const search = useRef(null);
  useRows(rows);
  useKeys({ '/': () => search.current?.focus() });
  return html`
    <${PageHead} title="Entities" subtitle="State that orchestrations and clients share" />
    <div class="filters" role="search" aria-label="Filter the entities">
      <div class="filter-search"><${Icon} name="search" size=${14} /><${Typed} name="name" label="Entity name" value=${query.name} inputRef=${search} /><kbd>/</kbd></div>
      <${Typed} name="prefix" label="Key begins with" value=${query.prefix} />
    </div>
    <div class=${name ? 'split has-details' : 'split'}>
      <div ref=${rows}><${Shown} resource=${list}>${({ entities, cursor }) => entities.length === 0
        ? html`<${Empty} icon="entities" title=${query.name || query.prefix ? 'No entity matches' : 'No entities yet'}>An entity appears here with its first operation.<//>`
        : html`<div class="table-box"><table class="table table-entities">
            <thead><tr><th scope="col">Entity</th><th scope="col">Key</th><th scope="col">State</th><th scope="col">Locked by</th><th scope="col" class="col-number">Waiting</th><th scope="col" class="col-time">Updated</th></tr></thead>
            <tbody>${entities.map((entity) => html`<${Row} key=${entity.id} entity=${entity} isCurrent=${entity.name === name && inPath(entity.key) === key} query=${query} />`)}</tbody>
          </table></div>
          <footer class="pager"><span></span><button type="button" class="button" disabled=${!query.cursor} onClick=${() => setQuery({ cursor: '' })}>First page</button>
            <button type="button" class="button" disabled=${!cursor} onClick=${() => setQuery({ cursor }, {})}>Next<${Icon} name="right" size=${12} /></button></footer>`}
      <//></div>
      ${name ? html`<${Entity} key=${`${name} ${key}`} name=${name} entityKey=${key ?? '$'} query=${query} />` : ''}
    </div>`;
}

function Typed({ name, label, value = '', inputRef }) {
  const [text, setText] = useState(value);
  const timer = useRef(null);
  useEffect(() => setText(value), [value]);
  useEffect(() => () => clearTimeout(timer.current), []);
  return html`<input type="search" ref=${inputRef} aria-label=${label} placeholder=${label} value=${text} onInput=${(event) => {
    const now = event.target.value;
    setText(now);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setQuery({ [name]: now, cursor: '' }), 250);
  }} />`;
}

function Row({ entity, isCurrent, query }) {
  const { name, key, state, lockedBy, waiting, updated } = entity;
  return html`<tr data-row=${entity.id} class=${isCurrent ? 'is-selected' : ''}>
    <td><${Line} text=${name} /></td>
    <td><a class="line code" href=${link(['entities', name, inPath(key)], query)} title=${key} aria-current=${isCurrent ? 'true' : undefined}>${key || '(empty)'}</a></td>
    <td>${state === null ? html`<span class="muted">none</span>` : html`<${Line} text=${state} isCode />`}</td>
    <td>${lockedBy ? html`<a class="line" href=${instanceLink(lockedBy)} title=${lockedBy}>${lockedBy}</a>` : html`<span class="muted">–</span>`}</td>
    <td class="col-number">${waiting}</td>
    <td class="col-time"><${Time} at=${updated} /></td>
  </tr>`;
}

function Entity({ name, entityKey, query }) {
  const resource = useResource(path`entities/${name}/${entityKey}`, { on: ['entities', 'instances'] });
  const close = () => navigate(link(['entities'], query));
  const key = /^\$+$/.test(entityKey) ? entityKey.slice(1) : entityKey;
  useKeys({ Escape: close });
  return html`<aside class="details" aria-label="Entity ${name} ${key}">
    <header><h2><span class="line" title=${name}>${name}</span> <span class="line code muted" title=${key}>${key}</span></h2><button type="button" class="button button-quiet" onClick=${close}>Close</button></header>
    <${Shown} resource=${resource} rows=${4}>${(entity) => html`
      <h3>State</h3><${Payload} label="State" text=${entity.state} isTruncated=${entity.stateIsTruncated} />
      <h3>Lock</h3>${entity.lockedBy ? html`<p><${Icon} name="lock" size=${12} /> held by <a class="code" href=${instanceLink(entity.lockedBy)}>${entity.lockedBy}</a></p>` : html`<p class="muted">Nobody holds it.</p>`}
      <h3>Waiting operations <span class="muted num">${entity.operations?.length ?? entity.waiting}</span></h3>
      ${entity.operations?.length ? html`<ul class="operations">${entity.operations.map((operation, n) => html`<li key=${n}><strong>${operation.name}</strong> ${operation.input ? html`<${Line} text=${operation.input} isCode />` : ''}
        <span class="muted">${operation.from ? html`from <a class="line" href=${instanceLink(operation.from)}>${operation.from}</a> ` : ''}<${Time} at=${operation.time} /></span></li>`)}</ul>` : html`<p class="muted">None.</p>`}
    `}<//>
    <${Signal} name=${name} entityKey=${entityKey} />
  </aside>`;
}

function Signal({ name, entityKey }) {
  const { isReadOnly } = useSession();
  const [form, setForm] = useState({ operation: '', input: '' });
  const send = () => post(path`entities/${name}/${entityKey}/signal`, { operation: form.operation, ...jsonMember('input', form.input) });
  if (isReadOnly) {
    return '';
  }
  return html`<h3>Signal</h3><${ActionForm} action="Send signal" onSend=${send} onDone=${() => toast(`The signal ${form.operation} is sent.`)} isDisabled=${!form.operation || !isJsonOrEmpty(form.input)}>
    <${TextField} label="Operation" value=${form.operation} onInput=${(operation) => setForm((old) => ({ ...old, operation }))} isRequired />
    <${JsonField} label="Input" hint="JSON. Leave it empty for no input." value=${form.input} onInput=${(input) => setForm((old) => ({ ...old, input }))} rows=${3} />
  <//>`;
}
