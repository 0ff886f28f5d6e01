// The timeline of an instance: a Gantt chart of activities, timers, waits, retries and children.
import { path } from '../core/api.js';
import { useNow } from '../core/clock.js';
import { duration, plural } from '../core/format.js';
import { html, useMemo, useRef, useState } from '../core/html.js';
import { useResource } from '../core/resource.js';
import { moved, zoomed } from '../core/scale.js';
import { useWidth } from '../core/width.js';
import { Icon } from '../parts/icons.js';
import { Empty, Shown } from '../parts/states.js';
import { Axis, Bars, KINDS, ROW } from './timeline_bars.js';
import { BarDetails } from './timeline_details.js';
import { rowsOf } from './timeline_rows.js';

export function TimelineTab({ instance }) {
  const resource = useResource(path`instances/${instance.id}/timeline`, { on: ['instances'], concerns: (data) => !data || data.isAll || data.ids.includes(instance.id) });
  return html`<${Shown} resource=${resource} rows=${8}>${(timeline) => timeline.bars.length === 0
    ? html`<${Empty} icon="clock" title="Nothing to show yet">The instance has called no activity, timer, event or child.<//>`
    : html`<${Timeline} timeline=${timeline} id=${instance.id} />`}
  <//>`;
}

function Timeline({ timeline, id }) {
  const { bars } = timeline;
  const isRunning = !timeline.end || bars.some(({ end }) => !end);
  const now = useNow(isRunning && !timeline.end ? 1000 : 0);
  const whole = useMemo(() => wholeOf(timeline, now), [timeline, now]);
  const [zoom, setZoom] = useState(null);
  const [open, setOpen] = useState(() => new Set());
  const [selected, setSelected] = useState(null);
  const chart = useRef(null);
  const width = useWidth(chart);
  const rows = useMemo(() => rowsOf(bars, open), [bars, open]);
  const view = zoom ?? whole;
  const bar = bars.find((candidate) => candidate.id === selected);
  const change = (factor, centre = (view.from + view.to) / 2) => setZoom(zoomed(view, factor, centre, whole));
  const toggle = (key) => setOpen((old) => {
    const next = new Set(old);
    if (!next.delete(key)) {
      next.add(key);
    }
    return next;
  });
  const keys = (event) => {
    const step = (view.to - view.from) / 5;
    const action = {
      ArrowLeft: () => setZoom(moved(view, -step, whole)), ArrowRight: () => setZoom(moved(view, step, whole)),
      '+': () => change(0.5), '=': () => change(0.5), '-': () => change(2), 0: () => setZoom(null),
    }[event.key];
    if (action) {
      event.preventDefault();
      event.stopPropagation();
      action();
    }
  };
  const isSuspended = (timeline.suspended ?? []).length > 0;
  const used = Object.keys(KINDS).filter((kind) => bars.some((candidate) => candidate.kind === kind));
  return html`<div class="timeline">
    <div class="toolbar">
      <ul class="legend">${used.map((kind) => html`<li key=${kind}><span class="swatch fill-${kind}"></span>${KINDS[kind].label}</li>`)}
        ${bars.some(({ status }) => status === 'Failed') ? html`<li><span class="swatch fill-failed"></span>Failed</li>` : ''}
        ${isSuspended ? html`<li><span class="swatch fill-suspended"></span>Suspended</li>` : ''}</ul>
      <span class="muted">${plural(bars.length, 'step')}, ${duration(whole.to - whole.from)}</span>
      <div class="button-group" role="group" aria-label="Zoom">
        <button type="button" class="icon-button" aria-label="Zoom in" title="Zoom in (+)" onClick=${() => change(0.5)}><${Icon} name="plus" size=${14} /></button>
        <button type="button" class="icon-button" aria-label="Zoom out" title="Zoom out (-)" onClick=${() => change(2)}><${Icon} name="minus" size=${14} /></button>
        <button type="button" class="button button-quiet" disabled=${!zoom} onClick=${() => setZoom(null)}>Fit</button>
      </div>
    </div>
    <div class=${bar ? 'timeline-split has-details' : 'timeline-split'}>
      <div class="gantt" tabindex="0" role="group" aria-label="Timeline. Arrow keys move it, plus and minus zoom." onKeyDown=${keys}>
        <div class="gantt-head"><span class="gantt-corner muted">Step</span><${Axis} view=${view} width=${width} origin=${whole.from} /></div>
        <div class="gantt-body">
          <ul class="gantt-labels">${rows.map((row) => html`<${Label} key=${row.key} row=${row} selected=${selected} onSelect=${setSelected} onToggle=${toggle} />`)}</ul>
          <div class="gantt-chart" ref=${chart}>
            <${Bars} rows=${rows} view=${view} width=${width} whole=${whole} suspended=${timeline.suspended ?? []} now=${whole.now} selected=${selected} onSelect=${setSelected} onZoom=${setZoom} onWheelZoom=${change} />
          </div>
        </div>
      </div>
      ${bar ? html`<${BarDetails} bar=${bar} id=${id} now=${whole.now} onClose=${() => setSelected(null)} />` : ''}
    </div>
    <p class="hint">Drag across the chart to zoom in. Hold Ctrl and turn the wheel to zoom around the pointer.</p>
  </div>`;
}

function Label({ row, selected, onSelect, onToggle }) {
  if (row.bars) {
    const failed = row.bars.filter(({ status }) => status === 'Failed').length;
    const running = row.bars.filter(({ status }) => status === 'Running').length;
    return html`<li class="gantt-label" ref=${(item) => item && (item.style.height = `${ROW}px`)}>
      <button type="button" aria-expanded=${String(row.isOpen)} onClick=${() => onToggle(row.key)} title="${row.name} × ${row.bars.length}">
        <${Icon} name=${row.isOpen ? 'down' : 'right'} size=${10} /><span class="line">${row.name}</span><span class="gantt-count">× ${row.bars.length}</span>
        ${failed ? html`<span class="bad-text">${failed} failed</span>` : ''}${running ? html`<span class="muted">${running} running</span>` : ''}</button></li>`;
  }
  const { bar } = row;
  return html`<li class="gantt-label ${row.isInside ? 'is-inside' : ''} ${selected === bar.id ? 'is-selected' : ''}" ref=${(item) => item && (item.style.height = `${ROW}px`)}>
    <button type="button" onClick=${() => onSelect(bar.id)} title="${bar.name} (${KINDS[bar.kind]?.label ?? bar.kind}, ${bar.status})">
      <${Icon} name=${bar.status === 'Failed' ? 'close' : KINDS[bar.kind]?.icon ?? 'dot'} size=${12} /><span class="line">${bar.name && bar.name !== 'timer' ? bar.name : KINDS[bar.kind]?.label}</span>
      ${bar.attempts?.length > 1 ? html`<span class="gantt-count">${bar.attempts.length} attempts</span>` : ''}
      <span class="sr">${bar.status}</span></button></li>`;
}

/** The time that all bars cover. A running instance reaches until now. */
function wholeOf({ start, end, bars }, now) {
  const from = Math.min(start ? Date.parse(start) : Infinity, ...bars.map((bar) => Date.parse(bar.start)));
  const last = Math.max(end ? Date.parse(end) : now, ...bars.map((bar) => (bar.end ? Date.parse(bar.end) : 0)));
  return { from, to: Math.max(last, from + 1), now: end ? last : Math.max(now, from) };
}
