// Labelled fields of forms.
import { isJson } from '../core/format.js';
import { html, useId } from '../core/html.js';

export function Field({ label, hint, children }) {
  const id = useId();
  return html`<div class="field">
    <label for=${id}>${label}</label>
    ${children(id)}
    ${hint ? html`<p class="hint">${hint}</p>` : ''}
  </div>`;
}

export function TextField({ label, hint, value, onInput, isRequired = false, options, placeholder, type = 'text' }) {
  const list = useId();
  return html`<${Field} label=${label} hint=${hint}>${(id) => html`
    <input id=${id} type=${type} value=${value} required=${isRequired} placeholder=${placeholder} autocomplete="off"
      spellcheck=${false} list=${options ? list : undefined} onInput=${(event) => onInput(event.target.value)} />
    ${options ? html`<datalist id=${list}>${options.map((name) => html`<option key=${name} value=${name} />`)}</datalist>` : ''}`}
  <//>`;
}

/** JSON as text. What is not JSON is reported while the reader types; empty means no value. */
export function JsonField({ label, hint, value, onInput, rows = 5 }) {
  const isWrong = value.trim() !== '' && !isJson(value);
  return html`<${Field} label=${label} hint=${isWrong ? undefined : hint}>${(id) => html`
    <textarea id=${id} class="code" rows=${rows} value=${value} spellcheck=${false} aria-invalid=${String(isWrong)}
      aria-describedby=${isWrong ? `${id}-wrong` : undefined} onInput=${(event) => onInput(event.target.value)}></textarea>
    ${isWrong ? html`<p id="${id}-wrong" class="hint hint-bad">This is not JSON. Text needs quotes: "yes"</p>` : ''}`}
  <//>`;
}

/** The member of a request for a JSON field: its text as it is, so that no number is rounded; nothing if it is empty. */
export const jsonMember = (name, text) => (text.trim() === '' ? {} : { [name]: text.trim() });

export const isJsonOrEmpty = (text) => text.trim() === '' || isJson(text);
