// What can be done with one instance.
import { get, path, post, send } from '../core/api.js';
import { html, useState } from '../core/html.js';
import { useKeys } from '../core/keys.js';
import { instanceLink, link, navigate } from '../core/router.js';
import { useSession } from '../core/session.js';
import { Confirm, Dialog } from '../parts/dialog.js';
import { Field, TextField } from '../parts/fields.js';
import { Icon } from '../parts/icons.js';
import { Menu } from '../parts/menu.js';
import { FINAL } from '../parts/status.js';
import { toast } from '../parts/toasts.js';
import { ExportDialog } from './export.js';
import { RaiseEventForm } from './raise_event.js';
import { ReplayDialog } from './replay.js';

const OVER = 'The instance is over.';
const NO_APP = 'No app runs in this process.';
const READ_ONLY = 'This dashboard is read-only.';

export function InstanceActions({ instance }) {
  const [dialog, setDialog] = useState(null);
  const { isReadOnly, canFireTimers, app } = useSession();
  const { id, status, waits = [] } = instance;
  const isOver = FINAL.has(status);
  const hasTimer = waits.some(({ kind }) => kind === 'timer');
  const close = () => setDialog(null);
  const item = (name, label, icon, { isDangerous = false, when = true, otherwise = '' } = {}) => ({
    label, icon, isDangerous, isDisabled: isReadOnly || !when, reason: isReadOnly ? READ_ONLY : (when ? undefined : otherwise), onSelect: () => setDialog(name),
  });
  const reading = (name, label, icon) => ({ label, icon, onSelect: () => setDialog(name) });
  useKeys({ e: () => !isOver && !isReadOnly && setDialog('raise') });
  const Shown = DIALOGS[dialog];
  return html`
    <button type="button" class="button button-primary" disabled=${isOver || isReadOnly} onClick=${() => setDialog('raise')}>
      <${Icon} name="event" size=${14} />Raise event</button>
    ${status === 'Suspended'
      ? html`<button type="button" class="button" disabled=${isReadOnly} onClick=${() => setDialog('resume')}><${Icon} name="play" size=${14} />Resume</button>`
      : html`<button type="button" class="button" disabled=${isOver || isReadOnly} onClick=${() => setDialog('suspend')}><${Icon} name="pause" size=${14} />Suspend</button>`}
    <${Menu} label="Actions" items=${[
      item('fire', 'Fire next timer now', 'clock', { when: canFireTimers && hasTimer, otherwise: hasTimer ? 'Only on the development account and in SQLite.' : 'It waits for no timer.' }),
      item('rewind', 'Rewind', 'rewind', { when: status === 'Failed', otherwise: 'Only a failed instance can be rewound.' }),
      item('restart', 'Restart', 'restart'),
      item('terminate', 'Terminate', 'stop', { when: !isOver, otherwise: OVER, isDangerous: true }),
      item('purge', 'Purge', 'trash', { when: isOver, otherwise: 'Only an instance that is over can be purged.', isDangerous: true }),
      null,
      { label: 'Put a queue message with this ID', icon: 'queues', isDisabled: isReadOnly, reason: isReadOnly ? READ_ONLY : undefined, onSelect: () => navigate(link(['queues'], { instance: id })) },
      reading('compare', 'Compare with another', 'compare'),
      { ...reading('replay', "Replay on today's code", 'flask'), isDisabled: app === null, reason: app === null ? NO_APP : undefined },
      reading('export', 'Export as a test', 'download'),
    ]} />
    ${Shown ? html`<${Shown} instance=${instance} onClose=${close} />` : ''}`;
}

/** A confirmation for an action with a reason. */
function reasonDialog({ title, action, text, done, run, isDangerous = false }) {
  return function ReasonDialog({ instance, onClose }) {
    const [reason, setReason] = useState('');
    return html`<${Confirm} title=${title} action=${action} isDangerous=${isDangerous} onClose=${onClose}
        onSend=${() => post(`${path`instances/${instance.id}`}/${run}`, reason ? { reason } : {})} onDone=${() => { toast(done); onClose(); }}>
      <p>${text}</p>
      <${TextField} label="Reason" hint="Optional. It is written to the history." value=${reason} onInput=${setReason} />
    <//>`;
  };
}

function TerminateDialog({ instance, onClose }) {
  const [form, setForm] = useState({ reason: '', recurse: (instance.children ?? []).length > 0 });
  const run = () => post(path`instances/${instance.id}/terminate`, { ...(form.reason ? { reason: form.reason } : {}), recurse: form.recurse });
  return html`<${Confirm} title="Terminate this instance?" action="Terminate" onSend=${run} onDone=${() => { toast('The instance is being terminated.'); onClose(); }} onClose=${onClose}>
    <p>Its code does not run again. Activities that run now still finish.</p>
    <label class="check"><input type="checkbox" checked=${form.recurse} onChange=${(event) => setForm({ ...form, recurse: event.target.checked })} />Also terminate its children</label>
    <${TextField} label="Reason" hint="Optional. It is written to the history." value=${form.reason} onInput=${(reason) => setForm({ ...form, reason })} />
  <//>`;
}

function RestartDialog({ instance, onClose }) {
  const isOver = FINAL.has(instance.status);
  const [withNewId, setNewId] = useState(true);
  const done = ({ id }) => {
    toast('The instance is started again.');
    onClose();
    navigate(instanceLink(id));
  };
  return html`<${Confirm} title="Restart with the same input?" action="Restart" isDangerous=${!withNewId} onClose=${onClose} onDone=${done}
      onSend=${() => post(path`instances/${instance.id}/restart`, { withNewId })}>
    <${Field} label="Instance ID">${(id) => html`<select id=${id} value=${withNewId ? 'new' : 'same'} onChange=${(event) => setNewId(event.target.value === 'new')}>
      <option value="new">A new ID; this instance stays</option><option value="same" disabled=${!isOver}>The same ID; this instance is replaced</option></select>`}<//>
  <//>`;
}

function PurgeDialog({ instance, onClose }) {
  return html`<${Confirm} title="Purge this instance?" action="Purge" onClose=${onClose} onSend=${() => send('DELETE', path`instances/${instance.id}`)}
      onDone=${() => { toast('The instance is deleted.'); onClose(); navigate(link(['instances'])); }}>
    <p>This deletes its history, input and output. It cannot be undone.</p><//>`;
}

function FireDialog({ instance, onClose }) {
  return html`<${Confirm} title="Fire the next timer now?" action="Fire now" isDangerous=${false} onClose=${onClose}
      onSend=${() => post(path`instances/${instance.id}/fire-timer`)} onDone=${() => { toast('The timer fires now.'); onClose(); }}>
    <p>The instance continues as if the timer were due. Other timers keep their times.</p><//>`;
}

function RaiseDialog({ instance, onClose }) {
  return html`<${Dialog} title="Raise event" onClose=${onClose}><${RaiseEventForm} instance=${instance} onDone=${onClose} onCancel=${onClose} /><//>`;
}

function CompareDialog({ instance, onClose }) {
  const [other, setOther] = useState('');
  const [ids, setIds] = useState(null);
  const load = async () => {
    if (ids === null) {
      setIds([]);
      const { instances } = await get(`instances?name=${encodeURIComponent(instance.name)}&top=20`).catch(() => ({ instances: [] }));
      setIds(instances.map(({ id }) => id).filter((id) => id !== instance.id));
    }
  };
  load();
  return html`<${Dialog} title="Compare with another instance" onClose=${onClose}>
    <form class="form" onSubmit=${(event) => { event.preventDefault(); navigate(link(['compare'], { a: instance.id, b: other })); }}>
      <${TextField} label="Instance ID" hint="The list offers other instances of ${instance.name}." value=${other} onInput=${setOther} isRequired options=${ids ?? []} />
      <div class="form-actions"><button type="button" class="button" onClick=${onClose}>Cancel</button>
        <button type="submit" class="button button-primary" disabled=${!other}>Compare</button></div>
    </form><//>`;
}

const DIALOGS = {
  raise: RaiseDialog, terminate: TerminateDialog, restart: RestartDialog, purge: PurgeDialog, fire: FireDialog, compare: CompareDialog,
  replay: ReplayDialog, export: ExportDialog,
  suspend: reasonDialog({ title: 'Suspend this instance?', action: 'Suspend', run: 'suspend', done: 'The instance is being suspended.', text: 'Events and results wait until it is resumed.' }),
  resume: reasonDialog({ title: 'Resume this instance?', action: 'Resume', run: 'resume', done: 'The instance is being resumed.', text: 'It takes the events and results that have arrived meanwhile.' }),
  rewind: reasonDialog({ title: 'Rewind this instance?', action: 'Rewind', run: 'rewind', done: 'The instance is being rewound.', text: 'What failed runs again; what succeeded keeps its result.' }),
};
