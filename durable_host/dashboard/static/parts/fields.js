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

/** What a JSON field means: `undefined` if it is empty. Throws an error with a message if it is not JSON. */
export function jsonValue(text) {
  if (text.trim() === '') {
    return undefined;
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new Error('The value is not JSON. Text needs quotes: "yes"');
  }
}

export const isJsonOrEmpty = (text) => text.trim() === '' || isJson(text);
