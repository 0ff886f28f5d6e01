// The drawn part of a timeline: its axis and its bars, in SVG.
import { duration } from '../core/format.js';
import { html, useMemo, useRef, useState } from '../core/html.js';
import { position, ticks } from '../core/scale.js';

export const ROW = 26;
const BAR = 12;
const DRAGGED = 5;
export const KINDS = {
  activity: { label: 'Activity', icon: 'functions' }, timer: { label: 'Timer', icon: 'clock' }, event: { label: 'Wait for event', icon: 'event' },
  retry: { label: 'Pause before retry', icon: 'retry' }, child: { label: 'Sub-orchestration', icon: 'child' },
  entity: { label: 'Entity', icon: 'entities' }, lock: { label: 'Lock', icon: 'lock' },
};

export function Axis({ view, width, origin }) {
  return html`<svg class="axis" width=${width} height=${ROW} aria-hidden="true">
    ${ticks({ ...view, width, origin }).map((at) => {
      const x = position(at, view, width);
      const isLast = x > width - 60;
      return html`<text key=${at} x=${isLast ? x - 4 : x + 4} y="17" text-anchor=${isLast ? 'end' : 'start'}>${mark(at - origin)}</text>`;
    })}
  </svg>`;
}

export function Bars({ rows, view, width, whole, suspended, now, selected, onSelect, onZoom, onWheelZoom }) {
  const [drag, setDrag] = useState(null);
  const svg = useRef(null);
  const timeAt = (event) => view.from + ((event.clientX - svg.current.getBoundingClientRect().left) / width) * (view.to - view.from);
  const xAt = (event) => Math.min(width, Math.max(0, event.clientX - svg.current.getBoundingClientRect().left));
  const end = () => {
    if (drag && Math.abs(drag.to - drag.from) > DRAGGED) {
      const [a, b] = [drag.from, drag.to].sort((x, y) => x - y).map((x) => view.from + (x / width) * (view.to - view.from));
      onZoom({ from: a, to: Math.max(b, a + 1) });
    }
    setDrag(null);
  };
  const marks = useMemo(() => ticks({ ...view, width, origin: whole.from }), [view.from, view.to, width, whole.from]);
  const height = rows.length * ROW;
  return html`<svg ref=${svg} class="bars" width=${width} height=${height} role="img" aria-label="Bars of the steps; the list beside them names each"
      onPointerDown=${(event) => event.button === 0 && setDrag({ from: xAt(event), to: xAt(event) })} onPointerMove=${(event) => drag && setDrag({ ...drag, to: xAt(event) })}
      onPointerUp=${end} onPointerLeave=${() => setDrag(null)}
      onWheel=${(event) => { if (event.ctrlKey) { event.preventDefault(); onWheelZoom(event.deltaY > 0 ? 1.25 : 0.8, timeAt(event)); } }}>
    <defs><pattern id="running" width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="4" height="8" class="stripe" /></pattern></defs>
    ${suspended.map((time) => {
      const span = spanOf(time, view, width, now);
      return html`<rect key=${time.start} class="fill-suspended" x=${span.x} width=${span.width} y="0" height=${height}><title>Suspended${time.reason ? `: ${time.reason}` : ''}</title></rect>`;
    })}
    ${marks.map((at) => html`<line key=${at} class="grid" x1=${position(at, view, width)} x2=${position(at, view, width)} y1="0" y2=${height} />`)}
    ${rows.map((row, n) => html`<g key=${row.key} transform="translate(0 ${n * ROW})">
      <line class="grid" x1="0" x2=${width} y1=${ROW - 0.5} y2=${ROW - 0.5} />
      ${row.bars ? html`<${GroupBar} row=${row} view=${view} width=${width} now=${now} />`
        : html`<${Bar} bar=${row.bar} view=${view} width=${width} now=${now} isSelected=${selected === row.bar.id} onSelect=${onSelect} />`}</g>`)}
    ${drag ? html`<rect class="drag" x=${Math.min(drag.from, drag.to)} width=${Math.abs(drag.to - drag.from)} y="0" height=${height} />` : ''}
  </svg>`;
}

/** The text of a mark: `0`, `+90 ms`, `+2 s`, `+1 m`, `+1 h 30 m`. */
function mark(offset) {
  return offset === 0 ? '0' : `+${duration(offset).replace(/\.0(?= s)| 00 [sm]$| 0 h$/, '')}`;
}

function spanOf({ start, end }, view, width, now) {
  const from = position(Date.parse(start), view, width);
  const to = position(end ? Date.parse(end) : Math.max(now, Date.parse(start)), view, width);
  const x = Math.max(-4, from);
  return { x, width: Math.max(3, Math.min(width + 4, to) - x), isVisible: to >= -4 && from <= width + 4, right: to };
}

function Bar({ bar, view, width, now, isSelected, onSelect }) {
  const span = spanOf(bar, view, width, now);
  if (!span.isVisible) {
    return null;
  }
  const lasted = duration((bar.end ? Date.parse(bar.end) : now) - Date.parse(bar.start));
  const y = (ROW - BAR) / 2;
  const isOutside = span.right + 70 < width;
  const isBefore = !isOutside && span.x > 70;
  const tone = bar.status === 'Failed' ? 'fill-failed' : `fill-${bar.kind}`;
  const attempts = bar.attempts ?? [];
  return html`<g class="bar ${isSelected ? 'is-selected' : ''}" onClick=${() => onSelect(bar.id)}>
    <title>${bar.name}: ${bar.status}, ${lasted}</title>
    <rect class="hit" x="0" y="0" width=${width} height=${ROW - 1} />
    <rect class="${attempts.length > 1 ? 'fill-retry' : tone} ${bar.status === 'Canceled' ? 'is-canceled' : ''}" x=${span.x} y=${y} width=${span.width} height=${BAR} rx="3" />
    ${bar.end ? '' : html`<rect fill="url(#running)" x=${span.x} y=${y} width=${span.width} height=${BAR} rx="3" />`}
    ${attempts.length > 1 ? attempts.map((attempt, n) => {
      const part = spanOf(attempt, view, width, now);
      return part.isVisible ? html`<rect key=${n} class=${attempt.error ? 'fill-failed' : `fill-${bar.kind}`} x=${part.x} y=${y} width=${part.width} height=${BAR} rx="2" />` : '';
    }) : ''}
    ${isOutside || isBefore ? html`<text class="bar-text" x=${isBefore ? span.x - 6 : Math.max(span.x + span.width, 0) + 6} y=${ROW / 2 + 4} text-anchor=${isBefore ? 'end' : 'start'}>${lasted}</text>` : ''}
  </g>`;
}

/** All bars of a group in the height of one row, one below the other, so that its shape can be seen. */
function GroupBar({ row, view, width, now }) {
  const inner = ROW - 6;
  const each = inner / row.bars.length;
  return html`<g>${row.bars.map((bar, n) => {
    const span = spanOf(bar, view, width, now);
    return span.isVisible ? html`<rect key=${bar.id} class=${bar.status === 'Failed' ? 'fill-failed' : `fill-${bar.kind}`} x=${span.x} y=${3 + n * each} width=${span.width} height=${Math.max(0.8, Math.min(3, each))} />` : '';
  })}</g>`;
}
