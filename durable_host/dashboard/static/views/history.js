// The history of an instance as a table. Only the visible rows are in the document, so 5,000 events stay quick.
import { get, path, withQuery } from '../core/api.js';
import { onChange } from '../core/changes.js';
import { duration, plural, time } from '../core/format.js';
import { html, useEffect, useMemo, useRef, useState } from '../core/html.js';
import { useKeys } from '../core/keys.js';
import { setQuery } from '../core/router.js';
import { Empty, Failure, Loading } from '../parts/states.js';
import { Line, Payload } from '../parts/values.js';
import { VirtualRows } from '../parts/virtual_rows.js';

const PAGE = 1000;
const KNOWN = new Set(['ordinal', 'type', 'time', 'taskId', 'name']);
const COLUMNS = [
  { label: '#', className: 'h-number' }, { label: 'Time', className: 'h-time' }, { label: 'After', className: 'h-after' },
  { label: 'Event', className: 'h-type' }, { label: 'Name', className: 'h-name' }, { label: 'Task', className: 'h-task' }, { label: 'Details', className: 'h-details' },
];

export function HistoryTab({ instance, query }) {
  const { events, error, isLoading, reload } = useHistory(instance.id);
  const [filter, setFilter] = useState('');
  const search = useRef(null);
  useKeys({ '/': () => search.current?.focus() });
  const shown = useMemo(() => {
    const wanted = filter.trim().toLowerCase();
    return wanted ? events.filter((event) => textOf(event).includes(wanted)) : events;
  }, [events, filter]);
  const selected = query.event === undefined ? null : shown.findIndex(({ ordinal }) => String(ordinal) === query.event);
  const select = (index) => setQuery({ event: shown[index].ordinal });
  useKeys({
    j: () => shown.length && select(Math.min(shown.length - 1, (selected ?? -1) + 1)),
    k: () => shown.length && select(Math.max(0, (selected ?? 1) - 1)),
  });
  if (!events.length) {
    return error ? html`<${Failure} error=${error} onRetry=${reload} />` : isLoading ? html`<${Loading} rows=${10} />`
      : html`<${Empty} icon="clock" title="No history yet">The instance has not begun.<//>`;
  }
  const event = selected === null || selected < 0 ? null : shown[selected];
  return html`<div class="history">
    <div class="toolbar">
      <input type="search" ref=${search} aria-label="Search in the history" placeholder="Search in the history" value=${filter} onInput=${(input) => setFilter(input.target.value)} />
      <span class="muted">${filter ? `${plural(shown.length, 'event')} of ${events.length}` : plural(events.length, 'event')}${isLoading ? ', loading more' : ''}</span>
    </div>
    ${error ? html`<${Failure} error=${error} onRetry=${reload} />` : ''}
    <div class=${event ? 'history-split has-details' : 'history-split'}>
      <${VirtualRows} label="History" columns=${COLUMNS} count=${shown.length} selected=${selected} onSelect=${select} cells=${(index) => cells(shown, index)} rowClass=${(index) => tone(shown[index].type)} />
      ${event ? html`<${Details} event=${event} onClose=${() => setQuery({ event: '' })} />` : ''}
    </div>
  </div>`;
}

/** All events of the history, loaded in pages; new ones are added while it grows. */
function useHistory(id) {
  const [state, setState] = useState({ events: [], error: null, isLoading: true });
  const loader = useRef({});
  useEffect(() => {
    const abort = new AbortController();
    let events = [];
    let isBusy = false;
    let isDirty = false;
    async function load() {
      if (isBusy) {
        isDirty = true;
        return;
      }
      isBusy = true;
      try {
        do {
          isDirty = false;
          let next = events.at(-1)?.ordinal ?? null;
          do {
            const page = await get(withQuery(path`instances/${id}/history`, { after: next, top: PAGE }), abort.signal);
            events = [...events, ...page.events];
            next = page.next;
            setState({ events, error: null, isLoading: next !== null });
          } while (next !== null);
        } while (isDirty);
      } catch (error) {
        if (!abort.signal.aborted) {
          setState({ events, error, isLoading: false });
        }
      }
      isBusy = false;
    }
    const reset = () => { events = []; load(); };
    loader.current.reload = reset;
    load();
    const stop = onChange((event, data) => {
      if (event === 'resync') {
        reset();
      } else if (event === 'instances' && (!data || data.isAll || data.ids.includes(id))) {
        load();
      }
    });
    return () => { stop(); abort.abort(); };
  }, [id]);
  return { ...state, reload: () => loader.current.reload() };
}

const rest = (event) => Object.fromEntries(Object.entries(event).filter(([name, value]) => !KNOWN.has(name) && value !== null));
const summary = (event) => Object.entries(rest(event)).map(([name, value]) => `${name}: ${typeof value === 'object' ? JSON.stringify(value) : value}`).join('  ');
const textOf = (event) => `${event.type} ${event.name ?? ''} ${event.taskId ?? ''} ${summary(event)}`.toLowerCase();
const tone = (type) => (/Failed|Terminated/.test(type) ? 'tone-failed' : /Completed|Fired|Raised/.test(type) ? 'tone-completed' : '');

function cells(events, index) {
  const event = events[index];
  const before = index ? Date.parse(event.time) - Date.parse(events[index - 1].time) : null;
  return [
    event.ordinal, time(event.time, { isExact: true }).slice(11), before === null ? '' : `+${duration(before)}`,
    html`<${Line} text=${event.type} />`, event.name ? html`<${Line} text=${event.name} />` : '', event.taskId ?? '', html`<${Line} text=${summary(event).slice(0, 400)} isCode className="muted" />`,
  ];
}

function Details({ event, onClose }) {
  const others = Object.entries(rest(event));
  return html`<aside class="details" aria-label="Details of event ${event.ordinal}">
    <header><h2>${event.type} <span class="muted num">#${event.ordinal}</span></h2>
      <button type="button" class="button button-quiet" onClick=${onClose}>Close</button></header>
    <dl class="pairs">
      <div><dt>Time</dt><dd class="num">${time(event.time, { isExact: true })}</dd></div>
      ${event.name ? html`<div><dt>Name</dt><dd>${event.name}</dd></div>` : ''}
      ${event.taskId === null || event.taskId === undefined ? '' : html`<div><dt>Task</dt><dd class="num">${event.taskId}</dd></div>`}
    </dl>
    ${others.map(([name, value]) => html`<section key=${name}><h3>${name}</h3><${Payload} label=${name} text=${typeof value === 'string' ? value : JSON.stringify(value)} /></section>`)}
  </aside>`;
}
