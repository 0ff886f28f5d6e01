// The queues of the hub and of the app, and the messages of one beside the list.
import { count } from '../core/format.js';
import { useNow } from '../core/clock.js';
import { html, useEffect, useRef } from '../core/html.js';
import { useResource } from '../core/resource.js';
import { link, navigate } from '../core/router.js';
import { useRows } from '../core/rows.js';
import { Icon } from '../parts/icons.js';
import { PageHead } from '../parts/page_head.js';
import { Empty, Notice, Shown } from '../parts/states.js';
import { Line, Time } from '../parts/values.js';
import { Queue } from './queue.js';

const GROUPS = [
  ['app', 'Queues of the app', 'A queue appears here when a function of the app has a trigger or an output for it.'],
  ['poison', 'Poison queues', 'Messages that failed too often would be here.'],
  ['control', 'Control queues', ''], ['workItem', 'Work items', ''], ['other', 'Other queues', ''],
];
/** Where a message with an instance ID goes first, if the app has it. */
const APPROVALS = 'approval-queue';

const queueLink = ({ name, connection }, instance) => link(['queues', name], { connection, instance });
const isShown = (queue, name, query) => queue.name === name && (queue.connection ?? '') === (query.connection ?? '');

export default function Queues({ path: [name], query }) {
  const resource = useResource('queues', { on: ['queues', 'instances'] });
  const rows = useRef(null);
  const now = useNow(1000);
  useRows(rows);
  const queues = resource.data?.queues;
  useEffect(() => {
    if (queues && query.instance && !name) {
      const apps = queues.filter(({ role }) => role === 'app');
      const target = apps.find((queue) => queue.name === APPROVALS) ?? apps[0];
      if (target) {
        navigate(queueLink(target, query.instance), { replace: true });
      }
    }
  }, [queues, query.instance, name]);
  return html`
    <${PageHead} title="Queues" subtitle="Lengths, poison messages, and a way to put one" />
    <${Shown} resource=${resource}>${(data) => data.queues.length === 0
      ? html`<${Empty} icon="queues" title="No queues">The app has no queue, and a task hub in SQLite needs none.<//>`
      : html`${(data.errors ?? []).map((error) => html`<${Notice} key=${error} tone="warn" icon="alert">${error}<//>`)}<div class=${name ? 'split has-details' : 'split'}>
        <div ref=${rows}>${GROUPS.map(([role, title, text]) => html`<${Group} key=${role} title=${title} text=${text} queues=${data.queues.filter((queue) => queue.role === role)} current=${name} query=${query} now=${now} />`)}</div>
        ${name ? html`<${Queue} key=${`${name} ${query.connection ?? ''}`} queue=${data.queues.find((queue) => isShown(queue, name, query)) ?? { name, connection: query.connection }} query=${query} onChange=${resource.reload} />` : ''}
      </div>`}
    <//>`;
}

function Group({ title, text, queues, current, query, now }) {
  if (!queues.length) {
    return text ? html`<section class="queue-group"><h2>${title}</h2><p class="muted">${text}</p></section>` : '';
  }
  return html`<section class="queue-group"><h2>${title}</h2><div class="table-box"><table class="table table-queues" aria-label=${title}>
    <thead><tr><th scope="col">Queue</th><th scope="col">Function</th><th scope="col" class="col-number">Messages</th><th scope="col" class="col-number">Visible</th><th scope="col" class="col-number">Hidden</th><th scope="col" class="col-time">Oldest</th></tr></thead>
    <tbody>${queues.map((queue) => html`<tr key=${`${queue.connection} ${queue.name}`} data-row=${queue.name} class=${isShown(queue, current, query) ? 'is-selected' : ''}>
      <td><a class="line" href=${queueLink(queue, query.instance)} title=${queue.name} aria-current=${isShown(queue, current, query) ? 'true' : undefined}>${queue.name}</a></td>
      <td>${queue.poisonOf ? html`<span class="line muted" title=${queue.poisonOf}>of ${queue.poisonOf}</span>` : queue.function ? html`<${Line} text=${queue.function} />` : html`<span class="muted">–</span>`}</td>
      <td class="col-number ${queue.role === 'poison' && queue.total ? 'bad-text' : ''}">${queue.role === 'poison' && queue.total ? html`<${Icon} name="alert" size=${12} /> ` : ''}${count(queue.total)}</td>
      <td class="col-number">${count(queue.visible)}${queue.invisible === null ? '+' : ''}</td><td class="col-number">${count(queue.invisible)}</td><td class="col-time"><${Time} at=${queue.oldest} isRelative now=${now} /></td></tr>`)}</tbody>
  </table></div></section>`;
}
