// Short messages about actions that have succeeded or failed, announced to screen readers.
import { html, useEffect, useState } from '../core/html.js';
import { Icon } from './icons.js';

const SHOWN_FOR = 6000;
let next = 1;
let items = [];
let update = null;

function set(changed) {
  items = changed;
  update?.(items);
}

/** Show a message. `href` and `label` add a link to what it is about. */
export function toast(text, { isBad = false, href = null, label = 'Open' } = {}) {
  const item = { key: next, text, isBad, href, label };
  next += 1;
  set([...items.slice(-3), item]);
  setTimeout(() => set(items.filter((other) => other !== item)), isBad ? 2 * SHOWN_FOR : SHOWN_FOR);
}

export function Toasts() {
  const [shown, setShown] = useState(items);
  useEffect(() => {
    update = setShown;
    return () => { update = null; };
  }, []);
  return html`<div class="toasts" role="status" aria-live="polite">
    ${shown.map((item) => html`<div key=${item.key} class=${item.isBad ? 'toast toast-bad' : 'toast'}>
      <${Icon} name=${item.isBad ? 'alert' : 'check'} /><span>${item.text}</span>
      ${item.href ? html`<a href=${item.href}>${item.label}</a>` : ''}
      <button type="button" class="icon-button" aria-label="Dismiss" onClick=${() => set(items.filter((other) => other !== item))}>
        <${Icon} name="close" size=${12} /></button>
    </div>`)}
  </div>`;
}
