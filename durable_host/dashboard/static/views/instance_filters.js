// The filters of the list of instances. They are in the address: status, name, prefix, from, to, text.
import { html, useEffect, useRef, useState } from '../core/html.js';
import { useKeys } from '../core/keys.js';
import { setQuery } from '../core/router.js';
import { Icon } from '../parts/icons.js';

const NAMES = ['status', 'name', 'prefix', 'from', 'to', 'text'];
const TYPING_PAUSE = 250;
const RANGES = [['', 'Any time'], ['15m', 'Last 15 minutes'], ['1h', 'Last hour'], ['24h', 'Last 24 hours'], ['7d', 'Last 7 days'], ['custom', 'From … to …']];
const UNITS = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** The filters as the API has them. A range such as `1h` becomes a time, rounded so that the address of the request is stable. */
export function filtersOf(query) {
  const filters = Object.fromEntries(NAMES.map((name) => [name, query[name] ?? '']));
  const match = /^(\d+)([mhd])$/.exec(query.range ?? '');
  if (match) {
    const start = Date.now() - Number(match[1]) * UNITS[match[2]];
    filters.from = new Date(Math.floor(start / 60_000) * 60_000).toISOString();
  }
  return filters;
}

export function InstanceFilters() {
  const query = Object.fromEntries(new URLSearchParams(location.search));
  const search = useRef(null);
  useKeys({ '/': () => search.current?.querySelector('input').focus() });
  const isCustom = Boolean(query.from || query.to) || query.range === 'custom';
  const hasFilters = [...NAMES, 'range'].some((name) => query[name]);
  return html`<div class="filters" role="search" aria-label="Filter the instances">
    <div class="filter-search" ref=${search}><${Icon} name="search" size=${14} />
      <${Typed} name="prefix" label="ID begins with" value=${query.prefix ?? ''} /><kbd>/</kbd></div>
    <${Typed} name="name" label="Orchestrator name" value=${query.name ?? ''} />
    <${Typed} name="text" label="Text in input, output or error" value=${query.text ?? ''} />
    <select aria-label="Time of creation" value=${isCustom ? 'custom' : (query.range ?? '')}
      onChange=${(event) => setQuery({ range: event.target.value, from: '', to: '', cursor: '', page: '' })}>
      ${RANGES.map(([value, label]) => html`<option key=${value} value=${value}>${label}</option>`)}
    </select>
    ${isCustom ? html`<${Moment} name="from" label="Created after" value=${query.from} /><${Moment} name="to" label="Created before" value=${query.to} />` : ''}
    ${hasFilters ? html`<button type="button" class="button button-quiet" onClick=${() => setQuery(Object.fromEntries([...NAMES, 'range', 'cursor', 'page'].map((name) => [name, ''])))}>Clear</button>` : ''}
  </div>`;
}

/** A text filter that takes effect when the reader pauses. */
function Typed({ name, label, value }) {
  const [text, setText] = useState(value);
  const timer = useRef(null);
  useEffect(() => setText(value), [value]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const apply = (now) => {
    clearTimeout(timer.current);
    setQuery({ [name]: now, cursor: '', page: '' });
  };
  return html`<input type="search" aria-label=${label} placeholder=${label} value=${text} autocomplete="off" spellcheck=${false}
    onInput=${(event) => {
      const now = event.target.value;
      setText(now);
      clearTimeout(timer.current);
      timer.current = setTimeout(() => apply(now), TYPING_PAUSE);
    }}
    onKeyDown=${(event) => {
      if (event.key === 'Enter') {
        apply(event.target.value);
      } else if (event.key === 'Escape') {
        event.target.blur();
      }
    }} />`;
}

function Moment({ name, label, value }) {
  return html`<input type="datetime-local" aria-label=${label} title=${label} step="1" value=${local(value)}
    onChange=${(event) => setQuery({
      [name]: event.target.value ? new Date(event.target.value).toISOString() : '', range: 'custom', cursor: '', page: '',
    })} />`;
}

/** A time in UTC as the value of a local date field. */
function local(text) {
  if (!text || Number.isNaN(Date.parse(text))) {
    return '';
  }
  const date = new Date(text);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}
