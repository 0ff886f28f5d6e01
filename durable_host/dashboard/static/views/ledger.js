// The event ledger: what happened to each external event of an instance.
import { path } from '../core/api.js';
import { html } from '../core/html.js';
import { useShortPlace } from '../core/places.js';
import { useResource } from '../core/resource.js';
import { instanceLink, link } from '../core/router.js';
import { Icon } from '../parts/icons.js';
import { Empty, Shown } from '../parts/states.js';
import { Line, Time } from '../parts/values.js';

const FATES = {
  taken: ['Taken', 'check', 'good'], waiting: ['On the way', 'clock', 'info'], buffered: ['Buffered', 'queues', 'info'],
  takenTwice: ['Taken twice', 'alert', 'warn'], dropped: ['Dropped', 'close', 'bad'], neverTaken: ['Never taken', 'alert', 'warn'],
  caseDiffers: ['Case differs', 'alert', 'warn'], unknown: ['Not known', 'help', 'info'],
};

export function LedgerTab({ instance }) {
  const resource = useResource(path`instances/${instance.id}/ledger`, { on: ['instances'], concerns: (data) => !data || data.isAll || data.ids.includes(instance.id) });
  return html`<${Shown} resource=${resource}>${({ events }) => events.length === 0
    ? html`<${Empty} icon="event" title="No external events">Nobody has raised an event on this instance, and it has not waited for one.<//>`
    : html`<div class="table-box"><table class="table table-ledger">
      <thead><tr><th scope="col">Fate</th><th scope="col">Event</th><th scope="col">Sent</th><th scope="col">Taken by</th><th scope="col">Data</th><th scope="col">Note</th></tr></thead>
      <tbody>${events.map((event, n) => html`<${Row} key=${n} event=${event} id=${instance.id} />`)}</tbody></table></div>`}
  <//>`;
}

function Row({ event, id }) {
  const { name, sent, data, from, fate, wait, note, ordinal } = event;
  const shortPlace = useShortPlace();
  const [label, icon, tone] = FATES[fate] ?? [fate, 'dot', 'info'];
  return html`<tr data-row=${name}>
    <td><span class="fate fate-${tone}"><${Icon} name=${icon} size=${12} />${label}</span></td>
    <td><${Line} text=${name} />${ordinal === null || ordinal === undefined ? '' : html`<a class="muted num" href=${link(['instances', id, 'history'], { event: ordinal })}>#${ordinal}</a>`}</td>
    <td><${Time} at=${sent} />${from ? html`<br /><a class="line" href=${instanceLink(from)} title=${from}>from ${from}</a>` : ''}</td>
    <td>${wait ? html`<span class="line" title=${wait.name}>${wait.name}</span>${wait.place ? html`<span class="line code muted" title=${wait.place}>${shortPlace(wait.place)}</span>` : ''}<span class="muted">since <${Time} at=${wait.since} /></span>` : html`<span class="muted">–</span>`}</td>
    <td>${data === null ? html`<span class="muted">–</span>` : html`<${Line} text=${data} isCode />`}</td>
    <td class="note">${note}</td>
  </tr>`;
}
