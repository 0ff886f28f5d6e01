// The table of instances with sortable columns and check boxes.
import { duration } from '../core/format.js';
import { html } from '../core/html.js';
import { instanceLink, setQuery } from '../core/router.js';
import { Icon } from '../parts/icons.js';
import { Status } from '../parts/status.js';
import { Line, Time } from '../parts/values.js';

const COLUMNS = [
  { id: 'status', label: 'Status', className: 'col-status' },
  { id: 'name', label: 'Orchestrator', className: 'col-name' },
  { id: 'id', label: 'Instance ID', className: 'col-id' },
  { id: 'created', label: 'Created', className: 'col-time' },
  { id: 'updated', label: 'Updated', className: 'col-time' },
  { id: 'duration', label: 'Duration', className: 'col-number' },
  { id: null, label: 'Custom status', className: 'col-custom' },
];

export function InstanceTable({ instances, sort, selected, onToggle, onSelectAll, now }) {
  const all = instances.length > 0 && instances.every(({ id }) => selected.has(id));
  const some = !all && instances.some(({ id }) => selected.has(id));
  return html`<div class="table-box"><table class="table table-instances">
    <thead><tr>
      <th class="col-check" scope="col"><input type="checkbox" aria-label="Select all instances on this page" checked=${all}
        ref=${(box) => box && (box.indeterminate = some)} onChange=${() => onSelectAll(all ? [] : instances.map(({ id }) => id))} /></th>
      ${COLUMNS.map((column) => html`<${Head} key=${column.label} column=${column} sort=${sort} />`)}
    </tr></thead>
    <tbody>${instances.map((instance) => html`<${Row} key=${instance.id} instance=${instance} isSelected=${selected.has(instance.id)} onToggle=${onToggle} now=${now} />`)}</tbody>
  </table></div>`;
}

function Head({ column: { id, label, className }, sort }) {
  if (!id) {
    return html`<th scope="col" class=${className}>${label}</th>`;
  }
  const isSorted = sort.replace('-', '') === id;
  const isDown = sort.startsWith('-');
  const isTimeOrNumber = ['created', 'updated', 'duration'].includes(id);
  const next = isSorted ? (isDown ? id : `-${id}`) : (isTimeOrNumber ? `-${id}` : id);
  return html`<th scope="col" class=${className} aria-sort=${isSorted ? (isDown ? 'descending' : 'ascending') : undefined}>
    <button type="button" class="sort" onClick=${() => setQuery({ sort: next === '-created' ? '' : next, cursor: '', page: '' })}>
      ${label}${isSorted ? html`<${Icon} name=${isDown ? 'down' : 'up'} size=${10} />` : ''}</button></th>`;
}

function Row({ instance, isSelected, onToggle, now }) {
  const { id, name, status, created, updated, completed, durationMs, customStatus, failure } = instance;
  const lasted = completed ? durationMs : now - Date.parse(created);
  return html`<tr data-row=${id} class=${isSelected ? 'is-selected' : ''}>
    <td class="col-check"><input type="checkbox" aria-label="Select ${id}" checked=${isSelected} onChange=${() => onToggle(id)} /></td>
    <td class="col-status"><${Status} status=${status} /></td>
    <td class="col-name"><${Line} text=${name} /></td>
    <td class="col-id"><a class="line code" href=${instanceLink(id)} title=${id}>${id}</a></td>
    <td class="col-time"><${Time} at=${created} /></td>
    <td class="col-time"><${Time} at=${updated} /></td>
    <td class="col-number">${duration(lasted)}</td>
    <td class="col-custom">${failure
      ? html`<span class="line bad-text" title="${failure.type}: ${failure.message}">${failure.message}</span>`
      : customStatus ? html`<${Line} text=${customStatus} isCode />` : html`<span class="muted">–</span>`}</td>
  </tr>`;
}
