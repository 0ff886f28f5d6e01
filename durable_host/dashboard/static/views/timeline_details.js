// The details of one step of a timeline.
import { duration, time } from '../core/format.js';
import { html } from '../core/html.js';
import { useShortPlace } from '../core/places.js';
import { instanceLink, link } from '../core/router.js';
import { Status } from '../parts/status.js';
import { KINDS } from './timeline_bars.js';

export function BarDetails({ bar, id, now, onClose }) {
  const [first, last] = bar.ordinals ?? [];
  const attempts = bar.attempts ?? [];
  const shortPlace = useShortPlace();
  return html`<aside class="details" aria-label="Details of ${bar.name}">
    <header><h2>${bar.name || KINDS[bar.kind]?.label}</h2><button type="button" class="button button-quiet" onClick=${onClose}>Close</button></header>
    <dl class="pairs">
      <div><dt>Kind</dt><dd>${KINDS[bar.kind]?.label ?? bar.kind}</dd></div>
      <div><dt>Status</dt><dd><${Status} status=${bar.status} /></dd></div>
      <div><dt>Start</dt><dd class="num">${time(bar.start, { isExact: true })}</dd></div>
      <div><dt>End</dt><dd class="num">${bar.end ? time(bar.end, { isExact: true }) : '–'}</dd></div>
      <div><dt>Duration</dt><dd class="num">${duration((bar.end ? Date.parse(bar.end) : now) - Date.parse(bar.start))}</dd></div>
      ${bar.due ? html`<div><dt>Due</dt><dd class="num">${time(bar.due, { isExact: true })}</dd></div>` : ''}
      ${bar.taskId === null || bar.taskId === undefined ? '' : html`<div><dt>Task</dt><dd class="num">${bar.taskId}</dd></div>`}
      ${bar.place ? html`<div><dt>Code</dt><dd class="code">${shortPlace(bar.place)}</dd></div>` : ''}
      ${bar.childId && bar.kind === 'child' ? html`<div><dt>Child</dt><dd><a href=${instanceLink(bar.childId)}>${bar.childId}</a></dd></div>` : ''}
      ${first === undefined || first === null ? '' : html`<div><dt>Events</dt><dd><a href=${link(['instances', id, 'history'], { event: first })}>#${first}</a>${last === null || last === undefined ? '' : html` <a href=${link(['instances', id, 'history'], { event: last })}>#${last}</a>`}</dd></div>`}
    </dl>
    ${attempts.length > 1 || attempts.some(({ error }) => error) ? html`<h3>Attempts</h3><ol class="attempts">${attempts.map((attempt, n) => html`<li key=${n}>
      <span class="num">${duration((attempt.end ? Date.parse(attempt.end) : now) - Date.parse(attempt.start))}</span> ${attempt.error ? html`<span class="bad-text">${attempt.error}</span>` : (attempt.end ? 'succeeded' : 'runs')}</li>`)}</ol>` : ''}
  </aside>`;
}
