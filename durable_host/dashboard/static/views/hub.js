// The task hub: its load, partitions and owners, requests to storage, findings, and a purge by age and status.
import { onChange } from '../core/changes.js';
import { bytes, count, duration } from '../core/format.js';
import { useNow } from '../core/clock.js';
import { html, useEffect, useState } from '../core/html.js';
import { requestRates } from '../core/rates.js';
import { useResource } from '../core/resource.js';
import { useSession } from '../core/session.js';
import { Icon } from '../parts/icons.js';
import { PageHead } from '../parts/page_head.js';
import { Notice, Shown } from '../parts/states.js';
import { Line, Time } from '../parts/values.js';
import { PurgeForm } from './purge.js';
import { Sparkline } from './sparkline.js';

export default function Hub() {
  const resource = useResource('hub');
  const session = useSession();
  const [live, setLive] = useState(null);
  useEffect(() => onChange((event, data) => event === 'hub' && data && setLive(data)), []);
  return html`
    <${PageHead} title="Hub" subtitle=${session.hub ? `${session.hub.name} in ${session.hub.storage === 'sqlite' ? 'SQLite' : 'Azure Storage'}` : null} />
    <${Shown} resource=${resource}>${(first) => html`<${Figures} hub=${live ?? first} />`}<//>
    ${session.isReadOnly ? '' : html`<section class="card"><h2>Purge instances</h2><${PurgeForm} /></section>`}`;
}

function Figures({ hub }) {
  const session = useSession();
  const { partitions = [], storageRequests, findings } = hub;
  const now = useNow(1000);
  const tiles = [
    ['Open instances', count(hub.openInstances)], ['Sessions in memory', hub.sessions === null || hub.sessions === undefined ? '–' : `${count(hub.sessions)} of ${count(hub.sessionLimit)}`],
    ['Running activities', count(hub.runningActivities)], ['Running turns', count(hub.runningTurns)], ['Memory', bytes(hub.memoryBytes)],
    ['Up for', hub.uptimeSeconds === null || hub.uptimeSeconds === undefined ? '–' : duration(hub.uptimeSeconds * 1000)],
  ];
  const kinds = Object.entries(storageRequests?.byKind ?? {}).sort(([, a], [, b]) => b - a);
  const codes = Object.entries(findings ?? {});
  return html`
    <dl class="tiles">${tiles.map(([label, value]) => html`<div key=${label} class="tile"><dt>${label}</dt><dd class="num">${value}</dd></div>`)}</dl>
    <div class="hub-columns">
      <section class="card"><h2>Requests to storage</h2>
        ${storageRequests ? html`<p class="big num">${storageRequests.perSecond.toFixed(1)} <span class="muted">per second, ${count(storageRequests.total)} in total</span></p>
          <${Sparkline} values=${requestRates()} label="Requests per second in the last two minutes" />
          ${kinds.length ? html`<ul class="kinds">${kinds.map(([kind, number]) => html`<li key=${kind}><${Line} text=${kind} /><span class="num">${count(number)}</span></li>`)}</ul>` : ''}` : html`<p class="muted">${session.hub?.storage === 'sqlite' ? 'A task hub in SQLite makes no requests.' : 'Not counted here.'}</p>`}
      </section>
      <section class="card"><h2>Findings</h2>
        ${codes.length ? html`<ul class="kinds">${codes.map(([code, number]) => html`<li key=${code}><span><${Icon} name="alert" size=${12} /> <code>${code}</code></span><span class="num">${count(number)}</span></li>`)}</ul>` : html`<p class="muted">The host has found nothing wrong with the app.</p>`}
      </section>
    </div>
    <section class="card"><h2>Partitions</h2>
      ${hub.error ? html`<${Notice} tone="warn" icon="alert">${hub.error}<//>` : ''}
      ${partitions.length ? html`<div class="table-box"><table class="table"><thead><tr><th scope="col">Partition</th><th scope="col">Queue</th><th scope="col">Owner</th><th scope="col" class="col-time">Lease until</th></tr></thead>
        <tbody>${partitions.map((partition) => html`<tr key=${partition.id}><td class="num">${partition.id}</td><td><${Line} text=${partition.queue ?? '–'} /></td>
          <td>${partition.owner ? html`<span class="owner"><span class="line" title=${partition.owner}>${partition.owner}</span>${partition.isOwn ? html`<span class="tag">this host</span>` : ''}</span>` : html`<span class="muted">nobody</span>`}</td>
          <td class="col-time"><${Time} at=${partition.expires} now=${now} /></td></tr>`)}</tbody></table></div>` : html`<p class="muted">This task hub has no partitions.</p>`}
    </section>`;
}
