// What an instance waits for now: events with a form to raise them, timers that count down, work in progress.
import { post, path } from '../core/api.js';
import { useNow } from '../core/clock.js';
import { countdown, duration, plural } from '../core/format.js';
import { html, useState } from '../core/html.js';
import { useShortPlace } from '../core/places.js';
import { instanceLink, link } from '../core/router.js';
import { useSession } from '../core/session.js';
import { FINAL } from '../parts/status.js';
import { Icon } from '../parts/icons.js';
import { toast } from '../parts/toasts.js';
import { Time } from '../parts/values.js';
import { RaiseEventForm } from './raise_event.js';

const KINDS = {
  event: ['event', 'External event'], timer: ['clock', 'Timer'], activity: ['functions', 'Activity'], child: ['child', 'Sub-orchestration'],
  entity: ['entities', 'Entity'], lock: ['lock', 'Lock'],
};
/** More waits of one kind and name are shown as one line. */
const GROUP_FROM = 6;

export function Waits({ instance }) {
  const { waits, status, waitsAreKnown = true } = instance;
  const session = useSession();
  const now = useNow(1000);
  const events = waits.filter(({ kind }) => kind === 'event');
  const firstTimer = waits.filter(({ kind, due }) => kind === 'timer' && due).sort((a, b) => a.due.localeCompare(b.due))[0];
  if (status === 'Suspended') {
    return html`<section class="card card-waits"><h2>Suspended</h2><p>It takes no event and no result until it is resumed.</p>
      <${WaitList} waits=${waits} now=${now} /></section>`;
  }
  return html`<section class="card card-waits" aria-label="What it waits for now">
    <h2>Waits for now</h2>
    ${waits.length === 0
      ? html`<p class="muted">${nothingShown(status, waitsAreKnown)}</p>`
      : html`<${WaitList} waits=${waits} now=${now} timer=${session.canFireTimers ? firstTimer : null} id=${instance.id} />`}
    ${waitsAreKnown || status === 'Pending' ? '' : html`<p class="muted">Waits for external events are not listed: only the app's code knows them, and it could not be replayed.</p>`}
    ${(events.length || !waitsAreKnown) && !session.isReadOnly && !FINAL.has(status) ? html`<div class="raise-inline">
      <h3>Raise event</h3>
      <${RaiseEventForm} key=${events.map(({ name }) => name).join(' ')} instance=${instance} />
      <p class="hint">Or <a href=${link(['queues'], { instance: instance.id })}>put a message on a queue</a> with the instance ID.</p>
    </div>` : ''}
  </section>`;
}

function nothingShown(status, waitsAreKnown) {
  if (status === 'Pending') return 'It is in the queue and has not begun.';
  return waitsAreKnown
    ? 'Nothing: its code runs at the moment, or its next message is on the way.'
    : 'No timer, activity or sub-orchestration: it waits for an external event, or its code runs at the moment.';
}

function WaitList({ waits, now, timer, id }) {
  return html`<ul class="waits">${grouped(waits).map((group) => html`<${Wait} key=${group[0].taskId + group[0].kind + group[0].name} group=${group} now=${now} isNextTimer=${group.includes(timer)} id=${id} />`)}</ul>`;
}

function grouped(waits) {
  const groups = new Map();
  for (const wait of waits) {
    const key = `${wait.kind} ${wait.name}`;
    groups.set(key, [...(groups.get(key) ?? []), wait]);
  }
  return [...groups.values()].flatMap((group) => (group.length >= GROUP_FROM ? [group] : group.map((wait) => [wait])));
}

function Wait({ group, now, isNextTimer, id }) {
  const [wait] = group;
  const [icon, word] = KINDS[wait.kind] ?? ['dot', wait.kind];
  const [isBusy, setBusy] = useState(false);
  const fire = async () => {
    setBusy(true);
    try {
      await post(path`instances/${id}/fire-timer`);
      toast('The timer fires now.');
    } catch (error) {
      toast(error.message, { isBad: true });
    }
    setBusy(false);
  };
  const shortPlace = useShortPlace();
  const isPlainTimer = wait.kind === 'timer' && (!wait.name || wait.name === 'timer');
  const name = isPlainTimer ? 'Timer' : wait.name;
  const what = isPlainTimer && group.length === 1 ? 'Durable timer' : word;
  return html`<li class="wait wait-${wait.kind}">
    <span class="wait-icon"><${Icon} name=${icon} /></span>
    <span class="wait-text">
      <span class="wait-name line" title=${name}>${wait.instanceId && wait.kind === 'child' ? html`<a href=${instanceLink(wait.instanceId)}>${name}</a>` : name}</span>
      <span class="muted">${group.length > 1 ? plural(group.length, word.toLowerCase(), wait.kind === 'activity' ? 'activities' : `${word.toLowerCase()}s`) : what}${wait.attempt > 1 ? `, attempt ${wait.attempt}` : ''}${wait.place ? html` at <span class="code">${shortPlace(wait.place)}</span>` : ''}</span>
    </span>
    <span class="wait-side">
      ${wait.due
        ? html`<strong class="num" title="Due"><span class="sr">Time left </span>${countdown(Date.parse(wait.due) - now)}</strong><span class="muted">due <${Time} at=${wait.due} /></span>`
        : html`<span class="num">${duration(now - Date.parse(wait.since))}</span><span class="muted">since <${Time} at=${wait.since} /></span>`}
    </span>
    ${isNextTimer ? html`<button type="button" class="button" disabled=${isBusy} onClick=${fire}>Fire now</button>` : ''}
  </li>`;
}
