// The status of an instance or a step: always an icon and a word, never only a colour.
import { html } from '../core/html.js';
import { Icon } from './icons.js';

export const STATUSES = ['Running', 'Pending', 'Suspended', 'Completed', 'Failed', 'Terminated', 'Canceled'];
/** Statuses that an orchestration does not leave by itself. */
export const FINAL = new Set(['Completed', 'Failed', 'Terminated', 'Canceled']);

const ICONS = {
  Running: 'play', Pending: 'clock', Suspended: 'pause', Completed: 'check', Failed: 'close', Terminated: 'stop',
  Canceled: 'minus', ContinuedAsNew: 'restart',
};

const tone = (status) => `tone-${String(status).toLowerCase()}`;

export function Status({ status }) {
  return html`<span class="status ${tone(status)}"><${Icon} name=${ICONS[status] ?? 'dot'} size=${12} />${status}</span>`;
}

/** A filter for one status, with the number of instances that have it. */
export function StatusChip({ status, count, isOn, onToggle }) {
  return html`<button type="button" class="chip ${tone(status)}" aria-pressed=${String(isOn)} onClick=${onToggle}>
    <${Icon} name=${ICONS[status] ?? 'dot'} size=${12} />${status}<span class="chip-count">${count}</span>
  </button>`;
}
