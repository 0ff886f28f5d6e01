// Replays an instance on today's code, and reports the first difference.
import { path, post } from '../core/api.js';
import { plural } from '../core/format.js';
import { html, useEffect, useState } from '../core/html.js';
import { useShortPlace } from '../core/places.js';
import { Dialog } from '../parts/dialog.js';
import { Failure, Loading, Notice } from '../parts/states.js';
import { Payload } from '../parts/values.js';

export function ReplayDialog({ instance, onClose }) {
  const [state, setState] = useState({});
  const run = () => {
    setState({});
    post(path`instances/${instance.id}/replay`).then((report) => setState({ report }), (error) => setState({ error }));
  };
  useEffect(run, []);
  const { report, error } = state;
  return html`<${Dialog} title="Replay on today's code" onClose=${onClose} isWide>
    ${error ? html`<${Failure} error=${error} onRetry=${run} />` : report ? html`<${Report} report=${report} />` : html`<${Loading} rows=${3} label="Replaying" />`}
    <div class="form-actions"><button type="button" class="button" disabled=${!report && !error} onClick=${run}>Replay again</button>
      <button type="button" class="button button-primary" onClick=${onClose}>Close</button></div>
  <//>`;
}

function Report({ report }) {
  const { isSame, events, difference } = report;
  const shortPlace = useShortPlace();
  if (isSame) {
    return html`<${Notice} tone="good" icon="check"><p><strong>No difference.</strong> The code takes the same steps as in the ${plural(events, 'event')} of the history.</p><//>`;
  }
  return html`<${Notice} tone="bad" icon="alert"><p><strong>The code takes another step${difference?.ordinal === null || difference?.ordinal === undefined ? '' : ` at event ${difference.ordinal}`}.</strong></p>
      ${difference?.text ? html`<p>${difference.text}</p>` : ''}${difference?.position ? html`<p class="code">${shortPlace(difference.position)}</p>` : ''}<//>
    ${difference ? html`<div class="two"><section><h3>In the history</h3><${Payload} label="Expected" text=${asText(difference.expected)} /></section>
      <section><h3>Today</h3><${Payload} label="Actual" text=${asText(difference.actual)} /></section></div>` : ''}`;
}

const asText = (value) => (value === null || value === undefined ? null : (typeof value === 'string' ? value : JSON.stringify(value)));
