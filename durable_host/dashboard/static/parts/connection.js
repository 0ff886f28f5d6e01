// Whether the page is live: the state of the stream of changes.
import { retryNow, useConnection } from '../core/changes.js';
import { useNow } from '../core/clock.js';
import { html } from '../core/html.js';

export function Connection() {
  const { name, retryAt } = useConnection();
  const now = useNow(name === 'offline' ? 500 : 0);
  const left = retryAt ? Math.max(0, Math.ceil((retryAt - now) / 1000)) : 0;
  const text = { live: 'Live', connecting: 'Connecting', paused: 'Paused', offline: left ? `Offline, retry in ${left} s` : 'Reconnecting' }[name];
  return html`<div class="connection connection-${name}">
    <span class="connection-dot" aria-hidden="true"></span>
    <span class="connection-text" role="status">${name === 'offline' ? 'Offline' : text}</span>
    ${name === 'offline' ? html`<button type="button" class="link" title=${text} onClick=${retryNow}>Retry${left ? ` (${left} s)` : ''}</button>` : ''}
  </div>`;
}
