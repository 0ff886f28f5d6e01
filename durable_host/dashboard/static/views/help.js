// The overlay with all keyboard shortcuts.
import { html } from '../core/html.js';
import { Dialog } from '../parts/dialog.js';

const GROUPS = [
  ['Everywhere', [
    ['g i', 'Instances'], ['g e', 'Entities'], ['g q', 'Queues'], ['g f', 'Functions'], ['g h', 'Hub'],
    ['t', 'Dark or light theme'], ['?', 'This help'], ['Esc', 'Close a dialog or a menu'],
  ]],
  ['Lists', [
    ['/', 'Search'], ['j', 'Next row'], ['k', 'Previous row'], ['Enter', 'Open the row'], ['x', 'Select the row'],
    ['n', 'Next page'], ['p', 'Previous page'],
  ]],
  ['An instance', [
    ['1 … 6', 'Open a tab'], ['e', 'Raise an event'], ['u', 'Back to the list'], ['j', 'Next history event'], ['k', 'Previous history event'],
  ]],
];

export function Help({ onClose }) {
  return html`<${Dialog} title="Keyboard shortcuts" onClose=${onClose} isWide>
    <div class="help">
      ${GROUPS.map(([title, keys]) => html`<section key=${title}><h3>${title}</h3><dl>
        ${keys.map(([key, text]) => html`<div key=${key}><dt>${key.split(' ').map((part) => (part === '…' ? '…' : html`<kbd key=${part}>${part}</kbd>`))}</dt><dd>${text}</dd></div>`)}
      </dl></section>`)}
    </div>
  <//>`;
}
