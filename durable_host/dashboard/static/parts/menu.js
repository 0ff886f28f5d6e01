// A button that opens a menu of actions.
import { html, useEffect, useRef, useState } from '../core/html.js';
import { Icon } from './icons.js';

/** `items` is `[{label, icon, onSelect, isDangerous, isDisabled, reason}]`; null items are separators. */
export function Menu({ label, icon = 'down', items }) {
  const [isOpen, setOpen] = useState(false);
  const root = useRef(null);
  const entries = () => [...root.current.querySelectorAll('[role=menuitem]')];

  useEffect(() => {
    if (!isOpen) {
      return undefined;
    }
    entries()[0]?.focus();
    const close = (event) => !root.current?.contains(event.target) && setOpen(false);
    document.addEventListener('mousedown', close);
    return () => document.removeEventListener('mousedown', close);
  }, [isOpen]);

  const closeToButton = () => {
    setOpen(false);
    root.current.querySelector('button').focus();
  };
  const keys = (event) => {
    if (!isOpen) {
      return;
    }
    const all = entries();
    const at = all.indexOf(document.activeElement);
    const target = { ArrowDown: all[(at + 1) % all.length], ArrowUp: all[(at - 1 + all.length) % all.length], Home: all[0], End: all.at(-1) }[event.key];
    if (target) {
      target.focus();
      event.preventDefault();
    } else if (event.key === 'Escape') {
      closeToButton();
    } else if (event.key === 'Tab') {
      setOpen(false);
    }
  };

  return html`<div class="menu" ref=${root} onKeyDown=${keys}>
    <button type="button" class="button" aria-haspopup="menu" aria-expanded=${String(isOpen)} onClick=${() => setOpen(!isOpen)}>
      ${label}<${Icon} name=${icon} size=${12} /></button>
    ${isOpen
      ? html`<div class="menu-list" role="menu" aria-label=${label}>
          ${items.map((item, n) => item === null
            ? html`<div key=${n} class="menu-line" role="separator"></div>`
            : html`<button key=${item.label} type="button" role="menuitem" tabindex="-1" class=${item.isDangerous ? 'menu-item danger' : 'menu-item'}
                aria-disabled=${String(Boolean(item.isDisabled))} title=${item.reason}
                onClick=${() => { if (!item.isDisabled) { closeToButton(); item.onSelect(); } }}>
                <${Icon} name=${item.icon} size=${14} />${item.label}</button>`)}
        </div>`
      : ''}
  </div>`;
}
