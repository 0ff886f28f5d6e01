// Starts an orchestration: its name, input, and optionally an instance ID and a version.
import { get, post } from '../core/api.js';
import { html, useEffect, useState } from '../core/html.js';
import { instanceLink, navigate } from '../core/router.js';
import { ActionForm, Dialog } from '../parts/dialog.js';
import { isJsonOrEmpty, JsonField, jsonMember, TextField } from '../parts/fields.js';
import { toast } from '../parts/toasts.js';

export function StartForm({ onClose }) {
  const [names, setNames] = useState([]);
  const [form, setForm] = useState({ name: '', id: '', input: '', version: '' });
  const set = (name) => (value) => setForm((old) => ({ ...old, [name]: value }));
  useEffect(() => {
    get('functions').then(
      ({ functions }) => setNames(functions.filter(({ durableKind }) => durableKind === 'orchestration').map(({ name }) => name)),
      () => {}, // Without the names the reader types one.
    );
  }, []);
  const send = () => post('instances', {
    name: form.name, ...(form.id ? { id: form.id } : {}), ...(form.version ? { version: form.version } : {}), ...jsonMember('input', form.input),
  });
  const done = ({ id }) => {
    toast('The orchestration is started.');
    onClose();
    navigate(instanceLink(id));
  };
  return html`<${Dialog} title="Start orchestration" onClose=${onClose}>
    <${ActionForm} action="Start" onSend=${send} onDone=${done} onCancel=${onClose} isDisabled=${!form.name || !isJsonOrEmpty(form.input)}>
      <${TextField} label="Orchestrator" value=${form.name} onInput=${set('name')} isRequired options=${names} />
      <${JsonField} label="Input" hint="JSON. Leave it empty for no input." value=${form.input} onInput=${set('input')} />
      <div class="field-row">
        <${TextField} label="Instance ID" hint="Empty: a new one" value=${form.id} onInput=${set('id')} />
        <${TextField} label="Version" hint="Empty: the app's default" value=${form.version} onInput=${set('version')} />
      </div>
    <//>
  <//>`;
}
