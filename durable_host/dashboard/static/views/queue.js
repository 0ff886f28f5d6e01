// One queue: its first messages, a form that puts one, and the way back from a poison queue.
import { path, post, withQuery } from '../core/api.js';
import { plural, prettyJson } from '../core/format.js';
import { html, useEffect, useState } from '../core/html.js';
import { useResource } from '../core/resource.js';
import { link, navigate } from '../core/router.js';
import { useSession } from '../core/session.js';
import { ActionForm, Confirm } from '../parts/dialog.js';
import { Field } from '../parts/fields.js';
import { Icon } from '../parts/icons.js';
import { Shown } from '../parts/states.js';
import { toast } from '../parts/toasts.js';
import { Copy, Time } from '../parts/values.js';

const PEEKED = 32;
const OWN = new Set(['control', 'workItem']);

export function Queue({ queue, query, onChange }) {
  const { name, role, poisonOf, connection } = queue;
  const session = useSession();
  const resource = useResource(withQuery(path`queues/${name}/messages`, { top: PEEKED, connection }), { on: ['queues', 'instances'] });
  const [chosen, setChosen] = useState(() => new Set());
  const [isReturning, setReturning] = useState(false);
  const changed = () => { resource.reload(); onChange(); };
  const toggle = (id) => setChosen((old) => {
    const next = new Set(old);
    if (!next.delete(id)) {
      next.add(id);
    }
    return next;
  });
  const messages = resource.data?.messages ?? [];
  useEffect(() => setChosen((old) => new Set([...old].filter((id) => messages.some((message) => message.id === id)))), [resource.data]);
  const returned = ({ moved }) => {
    toast(`${plural(moved, 'message')} put back on ${poisonOf}.`);
    setReturning(false);
    setChosen(new Set());
    changed();
  };
  return html`<aside class="details" aria-label="Queue ${name}">
    <header><h2 class="line" title=${name}>${name}</h2><button type="button" class="button button-quiet" onClick=${() => navigate(link(['queues']))}>Close</button></header>
    ${OWN.has(role) ? html`<p class="muted">The host reads and writes this queue itself.</p>` : ''}
    ${!OWN.has(role) && role !== 'poison' && !session.isReadOnly ? html`<${PutForm} name=${name} connection=${connection} instance=${query.instance} onDone=${changed} />` : ''}
    <div class="details-head"><h3>Messages <span class="muted num">${messages.length}${queue.total > messages.length ? ` of ${queue.total}` : ''}</span></h3>
      ${role === 'poison' && messages.length && !session.isReadOnly ? html`<button type="button" class="button" onClick=${() => setReturning(true)}><${Icon} name="restart" size=${14} />${chosen.size ? `Put ${chosen.size} back` : 'Put all back'}</button>` : ''}</div>
    <${Shown} resource=${resource} rows=${3}>${({ messages: shown }) => shown.length === 0
      ? html`<p class="muted">No message can be seen now. Messages that are being processed, or wait, are hidden.</p>`
      : html`<ul class="messages">${shown.map((message) => html`<${Message} key=${message.id} message=${message} canChoose=${role === 'poison' && !session.isReadOnly} isChosen=${chosen.has(message.id)} onToggle=${() => toggle(message.id)} />`)}</ul>`}
    <//>
    ${isReturning ? html`<${Confirm} title="Put ${chosen.size ? plural(chosen.size, 'message') : 'all messages'} back?" action="Put back" isDangerous=${false} onClose=${() => setReturning(false)} onDone=${returned}
      onSend=${() => post(withQuery(path`queues/${name}/return`, { connection }), chosen.size ? { ids: [...chosen] } : {})}><p>They go to <strong>${poisonOf}</strong>, and its function runs again.</p><//>` : ''}
  </aside>`;
}

function Message({ message, canChoose, isChosen, onToggle }) {
  const { id, text, inserted, dequeueCount, isBase64 } = message;
  return html`<li class="message">
    <p class="message-head">${canChoose ? html`<input type="checkbox" aria-label="Select message ${id}" checked=${isChosen} onChange=${onToggle} />` : ''}
      <span class="line code muted" title=${id}>${id}</span><span class="muted"><${Time} at=${inserted} /></span>${dequeueCount ? html`<span class="muted num">received ${plural(dequeueCount, 'time')}</span>` : ''}${isBase64 ? html`<span class="tag">Base64</span>` : ''}<${Copy} text=${text} label="Copy the message" /></p>
    <pre tabindex="0" aria-label="Text of message ${id}">${prettyJson(text)}</pre></li>`;
}

function PutForm({ name, connection, instance, onDone }) {
  const [text, setText] = useState(instance ?? '');
  useEffect(() => { if (instance) { setText(instance); } }, [instance]);
  const done = () => {
    toast(`The message is on ${name}.`);
    setText('');
    onDone();
  };
  return html`<h3>Put a message</h3><${ActionForm} action="Put message" onSend=${() => post(withQuery(path`queues/${name}/messages`, { connection }), { text })} onDone=${done} isDisabled=${text === ''}>
    <${Field} label="Text" hint=${instance && text === instance ? 'Filled with the instance ID that you came from.' : 'As the function receives it.'}>${(id) => html`<textarea id=${id} class="code" rows="3" spellcheck=${false} value=${text} onInput=${(event) => setText(event.target.value)}></textarea>`}<//>
  <//>`;
}
