// Purges instances by age and status. It counts them first; only then can they be purged.
import { post } from '../core/api.js';
import { plural } from '../core/format.js';
import { html, useState } from '../core/html.js';
import { ActionForm, Confirm } from '../parts/dialog.js';
import { Field } from '../parts/fields.js';
import { toast } from '../parts/toasts.js';

const AGES = [['0', 'Any age'], ['1', 'Older than 1 day'], ['7', 'Older than 7 days'], ['30', 'Older than 30 days'], ['date', 'Created before …']];
const STATUSES = ['Completed', 'Failed', 'Terminated', 'Canceled'];
const DAY = 86_400_000;

export function PurgeForm() {
  const [form, setForm] = useState({ age: '7', before: '', statuses: new Set(['Completed']) });
  const [counted, setCounted] = useState(null);
  const change = (changes) => { setForm((old) => ({ ...old, ...changes })); setCounted(null); };
  const toggle = (status) => {
    const statuses = new Set(form.statuses);
    if (!statuses.delete(status)) {
      statuses.add(status);
    }
    change({ statuses });
  };
  const request = () => {
    const before = form.age === 'date' ? new Date(form.before).toISOString() : form.age === '0' ? null : new Date(Date.now() - Number(form.age) * DAY).toISOString();
    return { ...(before ? { before } : {}), statuses: [...form.statuses] };
  };
  const countFirst = async () => {
    const what = request();
    const { count } = await post('hub/purge', { ...what, countOnly: true });
    return { what, count };
  };
  return html`<${ActionForm} action="Count them" onSend=${countFirst} onDone=${setCounted} isDisabled=${form.statuses.size === 0 || (form.age === 'date' && !form.before)}>
      <div class="purge-fields">
        <${Field} label="Age">${(id) => html`<select id=${id} value=${form.age} onChange=${(event) => change({ age: event.target.value })}>${AGES.map(([value, label]) => html`<option key=${value} value=${value}>${label}</option>`)}</select>`}<//>
        ${form.age === 'date' ? html`<${Field} label="Created before">${(id) => html`<input id=${id} type="datetime-local" step="1" value=${form.before} onInput=${(event) => change({ before: event.target.value })} />`}<//>` : ''}
        <fieldset><legend>Status</legend><div class="checks">${STATUSES.map((status) => html`<label key=${status} class="check"><input type="checkbox" checked=${form.statuses.has(status)} onChange=${() => toggle(status)} />${status}</label>`)}</div></fieldset>
      </div>
    <//>
    ${counted?.count === 0 ? html`<p role="status">No instance matches.</p>` : ''}
    ${counted?.count ? html`<${Confirm} title="Purge ${plural(counted.count, 'instance')}?" action="Purge ${plural(counted.count, 'instance')}" onClose=${() => setCounted(null)}
      onSend=${() => post('hub/purge', { ...counted.what, countOnly: false })} onDone=${({ count }) => { toast(`${plural(count, 'instance')} purged.`); setCounted(null); }}>
      <p>This deletes their history, input and output. It cannot be undone.</p>
      <p class="muted">${counted.what.statuses.join(', ')}${counted.what.before ? `, created before ${counted.what.before.slice(0, 19).replace('T', ' ')} UTC` : ''}</p><//>` : ''}`;
}
