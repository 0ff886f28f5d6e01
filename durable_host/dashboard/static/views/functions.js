// The functions of the app, and one of them beside the list: what it did, and a way to call it.
import { count, duration } from '../core/format.js';
import { useNow } from '../core/clock.js';
import { html, useRef } from '../core/html.js';
import { useResource } from '../core/resource.js';
import { link } from '../core/router.js';
import { useRows } from '../core/rows.js';
import { PageHead } from '../parts/page_head.js';
import { Empty, Shown } from '../parts/states.js';
import { Line, Time } from '../parts/values.js';
import { FunctionDetails } from './function.js';
import { startOf, triggerName } from './functions_text.js';

export default function Functions({ path: [name] }) {
  const resource = useResource('functions', { on: ['functions'] });
  const rows = useRef(null);
  const now = useNow(1000);
  useRows(rows);
  return html`
    <${PageHead} title="Functions" subtitle="What the app has, and what ran recently" />
    <${Shown} resource=${resource}>${({ functions }) => functions.length === 0
      ? html`<${Empty} icon="functions" title="No functions">This dashboard shows a task hub without a running app, or the app has no functions.<//>`
      : html`<div class=${name ? 'split has-details' : 'split'}>
        <div ref=${rows} class="table-box"><table class="table table-functions">
          <thead><tr><th scope="col">Function</th><th scope="col">Trigger</th><th scope="col">Starts with</th><th scope="col" class="col-number">Runs</th><th scope="col" class="col-number">Failed</th><th scope="col" class="col-number">Average</th><th scope="col" class="col-time">Last</th></tr></thead>
          <tbody>${functions.map((item) => html`<${Row} key=${item.name} item=${item} isCurrent=${item.name === name} now=${now} />`)}</tbody></table></div>
        ${name ? html`<${FunctionDetails} key=${name} item=${functions.find((item) => item.name === name)} name=${name} />` : ''}
      </div>`}
    <//>`;
}

function Row({ item, isCurrent, now }) {
  const { name, isDisabled, recent = {}, next } = item;
  const start = startOf(item);
  return html`<tr data-row=${name} class=${isCurrent ? 'is-selected' : ''}>
    <td><a class="line" href=${link(['functions', name])} title=${name} aria-current=${isCurrent ? 'true' : undefined}>${name}</a></td>
    <td>${triggerName(item)}${isDisabled ? html` <span class="tag">disabled</span>` : item.error ? html` <span class="tag" title=${item.error}>not served</span>` : ''}</td>
    <td>${start ? html`<${Line} text=${start} isCode />` : html`<span class="muted">–</span>`}${next ? html`<span class="muted">next <${Time} at=${next} /></span>` : ''}</td>
    ${item.durableKind === 'orchestration'
      ? html`<td class="col-number" colspan="2"><a href=${link(['instances'], { name })}>instances</a></td>`
      : html`<td class="col-number">${count(recent.count ?? 0)}</td><td class="col-number ${recent.failures ? 'bad-text' : 'muted'}">${count(recent.failures ?? 0)}</td>`}
    <td class="col-number">${recent.count ? duration(recent.averageMs) : html`<span class="muted">–</span>`}</td>
    <td class="col-time"><${Time} at=${recent.last} isRelative now=${now} /></td>
  </tr>`;
}
