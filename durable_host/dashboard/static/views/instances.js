// The list of instances: filters, pages, selection. The address keeps the filters, so a list can be linked to.
import { withQuery } from '../core/api.js';
import { useNow } from '../core/clock.js';
import { count, plural } from '../core/format.js';
import { html, useEffect, useMemo, useRef, useState } from '../core/html.js';
import { useKeys } from '../core/keys.js';
import { useResource } from '../core/resource.js';
import { navigate, setQuery } from '../core/router.js';
import { useRows } from '../core/rows.js';
import { useSession } from '../core/session.js';
import { Icon } from '../parts/icons.js';
import { PageHead } from '../parts/page_head.js';
import { Empty, Shown } from '../parts/states.js';
import { STATUSES, StatusChip } from '../parts/status.js';
import { Tabs, TabPanel } from '../parts/tabs.js';
import { BatchBar } from './batch_bar.js';
import { Failures } from './failures.js';
import { filtersOf, InstanceFilters } from './instance_filters.js';
import { InstanceTable } from './instance_table.js';
import { StartForm } from './start_form.js';

const PAGE = 50;

export function Instances({ query }) {
  const session = useSession();
  const filters = filtersOf(query);
  const sort = query.sort ?? '-created';
  const tab = query.view === 'failures' ? 'failures' : 'list';
  const address = withQuery('instances', { ...filters, sort, top: PAGE, cursor: query.cursor });
  const resource = useResource(address, { on: ['instances'] });
  const [selected, setSelected] = useState(() => new Set());
  const [isStarting, setStarting] = useState(false);
  const key = JSON.stringify(filters);
  useEffect(() => setSelected(new Set()), [key]);

  const toggle = (id) => setSelected((old) => {
    const now = new Set(old);
    if (!now.delete(id)) {
      now.add(id);
    }
    return now;
  });
  const counts = resource.data?.counts ?? {};
  return html`
    <${PageHead} title="Instances" subtitle=${subtitle(resource.data)}>
      <button type="button" class="button button-primary" disabled=${session.isReadOnly} onClick=${() => setStarting(true)}>
        <${Icon} name="plus" size=${14} />Start orchestration</button>
    <//>
    <${Chips} counts=${counts} status=${filters.status} />
    <${InstanceFilters} filters=${filters} />
    <${Tabs} label="Ways to see the instances" current=${tab} onSelect=${(id) => setQuery({ view: id === 'list' ? '' : id, cursor: '', page: '' })}
      tabs=${[{ id: 'list', label: 'List' }, { id: 'failures', label: 'Failures', count: counts.Failed ? count(counts.Failed) : null }]} />
    <${TabPanel} id=${tab}>
      ${tab === 'failures'
        ? html`<${Failures} filters=${filters} />`
        : html`<${List} resource=${resource} query=${query} sort=${sort} selected=${selected} onToggle=${toggle}
            onSelectAll=${(ids) => setSelected(new Set(ids))} hasFilters=${Object.values(filters).some(Boolean)} onStart=${() => setStarting(true)} />`}
    <//>
    ${tab === 'list' && selected.size ? html`<${BatchBar} ids=${[...selected]} onClear=${() => setSelected(new Set())} onDone=${resource.reload} />` : ''}
    ${isStarting ? html`<${StartForm} onClose=${() => setStarting(false)} />` : ''}`;
}

function subtitle(data) {
  if (!data) {
    return null;
  }
  return data.total === null || data.total === undefined ? null : plural(data.total, 'instance');
}

function Chips({ counts, status }) {
  const chosen = new Set((status ?? '').split(',').filter(Boolean));
  const toggle = (name) => {
    const now = new Set(chosen);
    if (!now.delete(name)) {
      now.add(name);
    }
    setQuery({ status: [...now].join(','), cursor: '', page: '' });
  };
  const names = [...STATUSES, ...Object.keys(counts).filter((name) => !STATUSES.includes(name))];
  return html`<div class="chips" role="group" aria-label="Filter by status">
    ${names.filter((name) => name !== 'Canceled' || counts[name] || chosen.has(name)).map((name) => html`
      <${StatusChip} key=${name} status=${name} count=${count(counts[name] ?? 0)} isOn=${chosen.has(name)} onToggle=${() => toggle(name)} />`)}
  </div>`;
}

function List({ resource, query, sort, selected, onToggle, onSelectAll, hasFilters, onStart }) {
  const container = useRef(null);
  const data = resource.data;
  const page = Number(query.page ?? 1) || 1;
  const isRunning = useMemo(() => data?.instances.some((instance) => !instance.completed) ?? false, [data]);
  const now = useNow(isRunning ? 1000 : 30_000);
  const cursors = useRef(new Map());
  const show = (number, at) => {
    cursors.current.set(number, at);
    setQuery({ cursor: at, page: number > 1 ? number : '' }, {});
  };
  const next = () => data?.cursor && show(page + 1, data.cursor);
  // A page that was opened by its address knows only the way to the first one.
  const previous = () => page > 1 && (cursors.current.has(page - 1) ? show(page - 1, cursors.current.get(page - 1)) : show(1, ''));
  useRows(container, { onSelect: onToggle });
  useKeys({ n: next, p: previous });
  return html`<${Shown} resource=${resource} rows=${10}>${({ instances, cursor, total, scanned, isComplete }) => html`
    <div ref=${container} class=${resource.isStale ? 'is-stale' : ''}>
      ${instances.length === 0
        ? html`<${NoInstances} hasFilters=${hasFilters} isComplete=${isComplete} scanned=${scanned} onStart=${onStart} />`
        : html`<${InstanceTable} instances=${instances} sort=${sort} selected=${selected} onToggle=${onToggle} onSelectAll=${onSelectAll} now=${now} />`}
    </div>
    <footer class="pager">
      <span class="muted">${instances.length ? `${count((page - 1) * PAGE + 1)}–${count((page - 1) * PAGE + instances.length)}${total ? ` of ${count(total)}` : ''}` : ''}
        ${isComplete === false ? html` · searched ${plural(scanned, 'instance')} so far` : ''}</span>
      <button type="button" class="button" disabled=${page < 2} onClick=${previous}><${Icon} name="left" size=${12} />Previous</button>
      <button type="button" class="button" disabled=${!cursor} onClick=${next}>${isComplete === false && instances.length === 0 ? 'Search on' : 'Next'}<${Icon} name="right" size=${12} /></button>
    </footer>`}
  <//>`;
}

function NoInstances({ hasFilters, isComplete, scanned, onStart }) {
  if (isComplete === false) {
    return html`<${Empty} icon="search" title="Nothing found so far">The first ${plural(scanned, 'instance')} do not match. Search on for more.<//>`;
  }
  if (hasFilters) {
    return html`<${Empty} icon="search" title="No instance matches">
      <p>Change the filters, or <button type="button" class="link" onClick=${() => navigate(location.pathname)}>clear all</button>.</p><//>`;
  }
  return html`<${Empty} icon="instances" title="No orchestrations yet">
    <p>An instance appears here as soon as your app starts one. You can also
    <button type="button" class="link" onClick=${onStart}>start one now</button>.</p><//>`;
}
