// What a view shows while it loads, when it fails, and when there is nothing.
import { html } from '../core/html.js';
import { Icon } from './icons.js';

/** Grey lines in the shape of what comes. They appear after a moment, so that quick answers do not flicker. */
export function Loading({ rows = 6, label = 'Loading' }) {
  return html`<div class="loading" role="status" aria-label=${label}>
    ${Array.from({ length: rows }, (_, n) => html`<div key=${n} class="skeleton skeleton-${n % 4}"></div>`)}
  </div>`;
}

export function Failure({ error, onRetry }) {
  return html`<div class="notice notice-bad" role="alert">
    <${Icon} name="alert" />
    <div class="notice-body">
      <p><strong>${error.message}</strong>${error.code ? html` <code>${error.code}</code>` : ''}</p>
      ${error.remedy ? html`<p class="muted">${error.remedy}</p>` : ''}
    </div>
    ${onRetry ? html`<button type="button" class="button" onClick=${() => onRetry()}>Try again</button>` : ''}
  </div>`;
}

export function Empty({ icon = 'search', title, children }) {
  return html`<div class="empty">
    <span class="empty-icon"><${Icon} name=${icon} size=${20} /></span>
    <p class="empty-title">${title}</p>
    <div class="empty-text">${children}</div>
  </div>`;
}

export function Notice({ tone = 'info', icon = 'help', children }) {
  return html`<div class="notice notice-${tone}"><${Icon} name=${icon} /><div class="notice-body">${children}</div></div>`;
}

/** The process has no app, or the app no task hub: nothing to repair, so it is not shown as an error. */
const NOT_HERE = 'DH3055';

/** A resource: its loading state, its error, or the content for its data. An error keeps the data that was there. */
export function Shown({ resource, rows, children }) {
  const { data, error, isLoading, reload } = resource;
  if (data === null && error?.code === NOT_HERE) {
    return html`<${Empty} icon="hub" title=${error.message}>${error.remedy}<//>`;
  }
  if (data === null) {
    return error ? html`<${Failure} error=${error} onRetry=${reload} />` : isLoading ? html`<${Loading} rows=${rows} />` : '';
  }
  return html`${error ? html`<${Failure} error=${error} onRetry=${reload} />` : ''}${children(data)}`;
}
