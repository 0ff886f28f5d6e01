// The sequence diagram of an instance: who sent what to whom, in order.
import { path } from '../core/api.js';
import { plural, shortTime, time } from '../core/format.js';
import { html, useMemo, useRef, useState } from '../core/html.js';
import { useResource } from '../core/resource.js';
import { useWidth } from '../core/width.js';
import { Empty, Shown } from '../parts/states.js';

const ROW = 30;
const TIMES = 96;
const SHORTEST_LANE = 150;
const PAGE = 200;
const MOST_LANES = 7;
const SHORTEST_JOINED = 6;

export function SequenceTab({ instance }) {
  const resource = useResource(path`instances/${instance.id}/timeline`, { on: ['instances'], concerns: (data) => !data || data.isAll || data.ids.includes(instance.id) });
  return html`<${Shown} resource=${resource} rows=${8}>${({ messages }) => messages.length === 0
    ? html`<${Empty} icon="send" title="No messages yet">The instance has not been started or called anything.<//>`
    : html`<${Sequence} messages=${messages} />`}
  <//>`;
}

function Sequence({ messages }) {
  const [isGrouped, setGrouped] = useState(true);
  const [limit, setLimit] = useState(PAGE);
  const box = useRef(null);
  const outside = useWidth(box);
  const rows = useMemo(() => (isGrouped ? joined(withFewLanes(messages)) : messages.map((message) => ({ ...message, number: 1 }))), [messages, isGrouped]);
  const shown = rows.slice(0, limit);
  const lanes = useMemo(() => [...new Set(rows.flatMap(({ from, to }) => [from, to]))], [rows]);
  const width = Math.max(outside, TIMES + lanes.length * SHORTEST_LANE);
  const lane = (width - TIMES) / lanes.length;
  const x = (name) => TIMES + lanes.indexOf(name) * lane + lane / 2;
  const height = shown.length * ROW + 8;
  return html`<div class="sequence">
    <div class="toolbar">
      <label class="check"><input type="checkbox" checked=${isGrouped} onChange=${(event) => setGrouped(event.target.checked)} />Join equal messages</label>
      <span class="muted">${plural(messages.length, 'message')} between ${plural(lanes.length, 'participant')}</span>
    </div>
    <div class="sequence-box" tabindex="0" role="group" aria-label="Sequence diagram"><div class="sequence-measure" ref=${box}></div>
      <svg class="sequence-head" width=${width} height="36" aria-hidden="true">
        ${lanes.map((name) => html`<g key=${name}><title>${name}</title><rect class="lane-box" x=${x(name) - lane / 2 + 6} y="4" width=${lane - 12} height="26" rx="5" />
          <text class="lane-name" x=${x(name)} y="21" text-anchor="middle">${fitted(name.replace(/^activity /, ''), lane - 24)}</text></g>`)}
      </svg>
      <svg class="sequence-body" width=${width} height=${height} role="img" aria-label=${`Messages: ${shown.slice(0, 30).map(({ from, to, label }) => `${from} to ${to}: ${label}`).join('; ')}`}>
        <defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse"><path d="M0 0L8 4L0 8z" class="arrow-head" /></marker></defs>
        ${lanes.map((name) => html`<line key=${name} class="life" x1=${x(name)} x2=${x(name)} y1="0" y2=${height} />`)}
        ${shown.map((message, n) => html`<${Arrow} key=${n} message=${message} n=${n} x=${x} lane=${lane} width=${width} />`)}
      </svg>
    </div>
    ${rows.length > shown.length ? html`<button type="button" class="button" onClick=${() => setLimit(limit + PAGE)}>Show ${Math.min(PAGE, rows.length - shown.length)} more of ${rows.length}</button>` : ''}
  </div>`;
}

function Arrow({ message, n, x, lane, width }) {
  const y = n * ROW + 22;
  const [a, b] = [x(message.from), x(message.to)];
  const label = message.label.replace(/^due (\S+Z)$/, (_, at) => `due ${shortTime(at)}`);
  const text = message.number > 1 ? `${label} × ${message.number}` : label;
  const isSelf = a === b;
  const room = isSelf ? Math.min(lane, width - a) - 34 : Math.abs(b - a) - 16;
  const tone = message.kind === 'failure' || (message.kind === 'end' && message.label === 'failed') ? 'is-bad' : '';
  return html`<g class="arrow ${tone} ${['result', 'failure'].includes(message.kind) || message.label === 'fired' ? 'is-answer' : ''}">
    <title>${time(message.time, { isExact: true })} ${message.from} → ${message.to}: ${text}</title>
    <text class="arrow-time" x="4" y=${y - 1}>${time(message.time, { isExact: true }).slice(11)}</text>
    ${isSelf
      ? html`<path class="arrow-line" d="M${a} ${y - 10}h20v12h-16" marker-end="url(#arrow)" /><text class="arrow-text" x=${a + 26} y=${y}>${fitted(text, room)}</text>`
      : html`<line class="arrow-line" x1=${a} y1=${y} x2=${b + (b > a ? -1 : 1)} y2=${y} marker-end="url(#arrow)" />
          <text class="arrow-text" x=${(a + b) / 2} y=${y - 5} text-anchor="middle">${fitted(text, room)}</text>`}
  </g>`;
}

/** Many children of one name, or entities of one name, share a lane. */
function withFewLanes(messages) {
  const participants = new Set(messages.flatMap(({ from, to }) => [from, to]));
  if (participants.size <= MOST_LANES) {
    return messages;
  }
  const names = new Map();
  for (const { to, label } of messages) {
    if (to.startsWith('child ') && !names.has(to)) {
      names.set(to, `children ${label}`);
    } else if (to.startsWith('entity @')) {
      names.set(to, `entities ${to.split('@')[1]}`);
    }
  }
  const lane = (name) => names.get(name) ?? name;
  return messages.map((message) => ({ ...message, from: lane(message.from), to: lane(message.to) }));
}

/**
 * Where two exchange many messages and nobody else sends anything in between, those of one label become one row. So the calls and
 * results of a fan-out are two rows, although some results arrive before the last call.
 */
function joined(messages) {
  const runs = [];
  for (const message of messages) {
    const pair = [message.from, message.to].sort().join('\n');
    if (runs.at(-1)?.pair !== pair) {
      runs.push({ pair, messages: [] });
    }
    runs.at(-1).messages.push(message);
  }
  return runs.flatMap((run) => (run.messages.length < SHORTEST_JOINED ? run.messages.map((message) => ({ ...message, number: 1 })) : counted(run.messages)));
}

function counted(messages) {
  const rows = new Map();
  for (const message of messages) {
    const key = `${message.from}\n${message.label}`;
    rows.set(key, { ...message, time: rows.get(key)?.time ?? message.time, number: (rows.get(key)?.number ?? 0) + 1 });
  }
  return [...rows.values()];
}

/** Text cut to a width in pixels; letters of the diagram are at most about 7 pixels wide. */
function fitted(text, width) {
  const room = Math.max(3, Math.floor(width / 6.6));
  return text.length <= room ? text : `${text.slice(0, room - 1)}…`;
}
