// The form that raises an event: the names being waited for, and the last payload of each.
import { path, post } from '../core/api.js';
import { prettyJson } from '../core/format.js';
import { html, useState } from '../core/html.js';
import { ActionForm } from '../parts/dialog.js';
import { isJsonOrEmpty, JsonField, jsonMember, TextField } from '../parts/fields.js';
import { toast } from '../parts/toasts.js';

/** `lastEventData` keys may differ in case from what is waited for. */
function lastPayload(instance, name) {
  const data = instance.lastEventData?.[name];
  return typeof data === 'string' ? prettyJson(data) : '';
}

export function RaiseEventForm({ instance, onDone, onCancel }) {
  const waited = [...new Set((instance.waits ?? []).filter(({ kind }) => kind === 'event').map(({ name }) => name))];
  const names = [...new Set([...waited, ...Object.keys(instance.lastEventData ?? {})])];
  // What was not typed follows the instance: the name may become known after the form was opened.
  const [typed, setTyped] = useState({});
  const name = typed.name ?? names[0] ?? '';
  const form = { name, data: typed.data ?? lastPayload(instance, name) };
  const choose = (chosen) => setTyped(names.includes(chosen) ? { name: chosen } : { name: chosen, data: form.data });
  const isEarly = (instance.waitsAreKnown ?? true) && form.name && !waited.includes(form.name);
  const twin = waited.find((name) => name.toLowerCase() === form.name.toLowerCase());
  const send = () => post(path`instances/${instance.id}/raise-event`, { name: form.name, ...jsonMember('data', form.data) });
  const done = () => {
    toast(`The event ${form.name} is sent.`);
    onDone?.();
  };
  return html`<${ActionForm} action="Raise event" onSend=${send} onDone=${done} onCancel=${onCancel} isDisabled=${!form.name || !isJsonOrEmpty(form.data)}>
    <${TextField} label="Event name" value=${form.name} onInput=${choose} isRequired options=${names}
      hint=${isEarly ? (twin ? `The instance waits for ${twin}, which differs in case.` : 'The instance does not wait for this name now. The event is kept until it does.') : undefined} />
    <${JsonField} label="Data" hint="JSON. Leave it empty for null." value=${form.data} onInput=${(data) => setTyped({ name: typed.name ?? (name || undefined), data })} rows=${4} />
  <//>`;
}
