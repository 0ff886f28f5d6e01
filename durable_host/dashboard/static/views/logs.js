// The log lines of an instance's invocations.
import { path } from '../core/api.js';
import { plural, time } from '../core/format.js';
import { html, useMemo, useState } from '../core/html.js';
import { useResource } from '../core/resource.js';
import { Empty, Notice, Shown } from '../parts/states.js';

const LEVELS = ['Trace', 'Debug', 'Information', 'Warning', 'Error', 'Critical'];

export function LogsTab({ instance }) {
  const resource = useResource(path`instances/${instance.id}/logs`, { on: ['instances'], concerns: (data) => !data || data.isAll || data.ids.includes(instance.id) });
  const [form, setForm] = useState({ text: '', level: 'Trace' });
  return html`<${Shown} resource=${resource}>${({ lines, isComplete }) => html`<${Lines} lines=${lines} isComplete=${isComplete} form=${form} setForm=${setForm} />`}<//>`;
}

function Lines({ lines, isComplete, form, setForm }) {
  const shown = useMemo(() => lines.filter((line) => rank(line.level) >= rank(form.level) && line.text.toLowerCase().includes(form.text.toLowerCase())), [lines, form]);
  if (!lines.length) {
    return html`<${Empty} icon="file" title="No log lines">The host keeps the lines of recent invocations in memory. What ran before it started is not here.<//>`;
  }
  return html`<div class="toolbar">
      <input type="search" aria-label="Search in the logs" placeholder="Search in the logs" value=${form.text} onInput=${(event) => setForm({ ...form, text: event.target.value })} />
      <select aria-label="Lowest level" value=${form.level} onChange=${(event) => setForm({ ...form, level: event.target.value })}>${LEVELS.map((level) => html`<option key=${level} value=${level}>${level === 'Trace' ? 'All levels' : `${level} and above`}</option>`)}</select>
      <span class="muted">${plural(shown.length, 'line')}</span></div>
    ${isComplete ? '' : html`<${Notice} tone="info">Older lines are no longer kept.<//>`}
    <div class="logs" tabindex="0" role="log" aria-label="Log lines">${shown.map((line, n) => html`<div key=${n} class="log log-${line.level.toLowerCase()}">
      <time class="num muted" datetime=${line.time}>${time(line.time, { isExact: true }).slice(11)}</time><span class="log-level">${line.level}</span>
      <span class="log-function line" title="${line.function ?? line.category} ${line.invocationId ?? ''}">${line.function ?? line.category}</span><span class="log-text">${line.text}</span></div>`)}</div>`;
}

const rank = (level) => Math.max(0, LEVELS.indexOf(level));
