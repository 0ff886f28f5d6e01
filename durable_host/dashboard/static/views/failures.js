// Failed instances, grouped by their exception.
import { withQuery } from '../core/api.js';
import { count, plural } from '../core/format.js';
import { html, useState } from '../core/html.js';
import { useResource } from '../core/resource.js';
import { instanceLink } from '../core/router.js';
import { Icon } from '../parts/icons.js';
import { Empty, Shown } from '../parts/states.js';
import { Line, Time } from '../parts/values.js';

export function Failures({ filters }) {
  const { status, ...rest } = filters;
  const resource = useResource(withQuery('failures', rest), { on: ['instances'] });
  return html`<${Shown} resource=${resource}>${({ groups, isComplete }) => groups.length === 0
    ? html`<${Empty} icon="check" title="No failures">No instance that matches the filters has failed.<//>`
    : html`<ul class="groups">${groups.map((group) => html`<${Group} key=${`${group.type} ${group.message}`} group=${group} />`)}</ul>${isComplete === false ? html`<p class="hint">There are more failures than are grouped here. Filter by name or time.</p>` : ''}`}
  <//>`;
}

function Group({ group }) {
  const { type, message, count: number, names, latest, instanceIds } = group;
  const [isOpen, setOpen] = useState(false);
  return html`<li class="group">
    <button type="button" class="group-head" aria-expanded=${String(isOpen)} data-row=${type} onClick=${() => setOpen(!isOpen)}>
      <${Icon} name=${isOpen ? 'down' : 'right'} size=${12} />
      <span class="group-count">${count(number)}</span>
      <span class="group-text"><strong class="line">${type}</strong><${Line} text=${message} className="muted" /></span>
      <span class="group-side"><${Line} text=${names.join(', ')} /><span class="muted"><${Time} at=${latest} isRelative /></span></span>
    </button>
    ${isOpen ? html`<ul class="group-ids">
      ${instanceIds.map((id) => html`<li key=${id}><a class="line code" href=${instanceLink(id)} title=${id}>${id}</a></li>`)}
      ${number > instanceIds.length ? html`<li class="muted">and ${plural(number - instanceIds.length, 'more', 'more')}</li>` : ''}
    </ul>` : ''}
  </li>`;
}
