// Tabs as the ARIA pattern has them: arrow keys move, the address keeps which one is open.
import { html } from '../core/html.js';

/** `tabs` is `[{id, label, count}]`. The panel of tab `x` has the ID `panel-x`. */
export function Tabs({ label, tabs, current, onSelect }) {
  const move = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step) {
      const at = (tabs.findIndex((tab) => tab.id === current) + step + tabs.length) % tabs.length;
      onSelect(tabs[at].id);
      event.currentTarget.children[at].focus();
      event.preventDefault();
    }
  };
  return html`<div class="tabs" role="tablist" aria-label=${label} onKeyDown=${move}>
    ${tabs.map(({ id, label: text, count, icon }) => html`<button key=${id} type="button" role="tab" id="tab-${id}" aria-selected=${String(id === current)}
        aria-controls=${id === current ? `panel-${id}` : undefined} tabindex=${id === current ? 0 : -1} onClick=${() => onSelect(id)}>
      ${icon}${text}${count === undefined || count === null ? '' : html`<span class="tab-count">${count}</span>`}</button>`)}
  </div>`;
}

export function TabPanel({ id, children }) {
  return html`<div role="tabpanel" id="panel-${id}" aria-labelledby="tab-${id}" class="tab-panel">${children}</div>`;
}
