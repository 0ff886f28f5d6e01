// Actions on all selected instances, each after a confirmation that says how many.
import { post } from '../core/api.js';
import { plural } from '../core/format.js';
import { html, useState } from '../core/html.js';
import { useSession } from '../core/session.js';
import { Confirm } from '../parts/dialog.js';
import { TextField } from '../parts/fields.js';
import { Icon } from '../parts/icons.js';
import { toast } from '../parts/toasts.js';

const ACTIONS = [
  { id: 'suspend', label: 'Suspend', icon: 'pause', hasReason: true },
  { id: 'resume', label: 'Resume', icon: 'play', hasReason: true },
  { id: 'restart', label: 'Restart', icon: 'restart', text: 'Each starts again with the same input, under a new instance ID.' },
  { id: 'terminate', label: 'Terminate', icon: 'stop', isDangerous: true, hasReason: true, text: 'Activities that run now still finish.' },
  { id: 'purge', label: 'Purge', icon: 'trash', isDangerous: true, text: 'This deletes their history, input and output. It cannot be undone.' },
];

export function BatchBar({ ids, onClear, onDone }) {
  const [action, setAction] = useState(null);
  const { isReadOnly } = useSession();
  return html`<div class="batch" role="region" aria-label="Actions for the selected instances">
    <span class="batch-count">${plural(ids.length, 'instance')} selected</span>
    ${ACTIONS.map((item) => html`<button key=${item.id} type="button" class="button ${item.isDangerous ? 'danger' : ''}" disabled=${isReadOnly}
      onClick=${() => setAction(item)}><${Icon} name=${item.icon} size=${14} />${item.label}</button>`)}
    <button type="button" class="icon-button" aria-label="Clear the selection" onClick=${onClear}><${Icon} name="close" size=${14} /></button>
    ${action ? html`<${BatchDialog} action=${action} ids=${ids} onClose=${() => setAction(null)}
      onDone=${() => { setAction(null); onClear(); onDone(); }} />` : ''}
  </div>`;
}

function BatchDialog({ action, ids, onClose, onDone }) {
  const [reason, setReason] = useState('');
  const send = () => post('batch', { action: action.id, ids, ...(reason ? { reason } : {}) });
  const done = ({ results }) => {
    const failed = results.filter(({ ok }) => !ok);
    const good = results.length - failed.length;
    toast(`${action.label}: ${good} of ${plural(results.length, 'instance')} done.${failed.length ? ` ${reasonOf(failed[0])}` : ''}`, { isBad: failed.length > 0 });
    onDone();
  };
  return html`<${Confirm} title="${action.label} ${plural(ids.length, 'instance')}?" action="${action.label} ${plural(ids.length, 'instance')}"
      onSend=${send} onDone=${done} onClose=${onClose} isDangerous=${Boolean(action.isDangerous)}>
    ${action.text ? html`<p>${action.text}</p>` : ''}
    <ul class="id-list">${ids.slice(0, 8).map((id) => html`<li key=${id} class="line code" title=${id}>${id}</li>`)}
      ${ids.length > 8 ? html`<li class="muted">and ${ids.length - 8} more</li>` : ''}</ul>
    ${action.hasReason ? html`<${TextField} label="Reason" hint="Optional. It is written to the history." value=${reason} onInput=${setReason} />` : ''}
  <//>`;
}

const reasonOf = ({ id, error }) => `${id}: ${error?.message ?? error ?? 'failed'}`;
