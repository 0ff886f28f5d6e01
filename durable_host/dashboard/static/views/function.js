// One function: where it is, its bindings, a form to call it, and its recent invocations.
import { path, post } from '../core/api.js';
import { duration } from '../core/format.js';
import { html, useState } from '../core/html.js';
import { useShortPlace } from '../core/places.js';
import { useResource } from '../core/resource.js';
import { instanceLink, link, navigate } from '../core/router.js';
import { useSession } from '../core/session.js';
import { ActionForm } from '../parts/dialog.js';
import { Field } from '../parts/fields.js';
import { Icon } from '../parts/icons.js';
import { Empty, Notice, Shown } from '../parts/states.js';
import { Copy, Payload, Time } from '../parts/values.js';
import { pathOf } from './functions_text.js';
import { TryIt } from './try_it.js';

export function FunctionDetails({ item, name }) {
  const shortPlace = useShortPlace();
  const close = html`<button type="button" class="button button-quiet" onClick=${() => navigate(link(['functions']))}>Close</button>`;
  if (!item) {
    return html`<aside class="details" aria-label="Function ${name}"><header><h2>${name}</h2>${close}</header><${Empty} icon="functions" title="The app has no such function">It may have been renamed.<//></aside>`;
  }
  const position = item.file ? shortPlace(`${item.file}${item.line ? `:${item.line}` : ''}`) : null;
  return html`<aside class="details" aria-label="Function ${name}">
    <header><h2 class="line" title=${name}>${name}</h2>${close}</header>
    ${position ? html`<p class="source-place"><span class="line code" title=${position}>${position}</span><${Copy} text=${position} label="Copy the position" /></p>` : ''}
    ${item.error ? html`<${Notice} tone="warn" icon="alert">Not served: ${item.error}<//>` : ''}
    ${item.bindings?.length ? html`<ul class="bindings">${item.bindings.map((binding) => html`<li key=${`${binding.name} ${binding.direction}`}><span class="tag">${binding.direction}</span> <span class="code">${binding.name}</span> <span class="muted">${binding.type}</span></li>`)}</ul>` : ''}
    ${pathOf(item) !== null && !item.isDisabled ? html`<${TryIt} item=${item} route=${pathOf(item)} />` : item.canRun ? html`<${RunNow} item=${item} />` : ''}
    <${Invocations} name=${name} />
  </aside>`;
}

function RunNow({ item }) {
  const { isReadOnly } = useSession();
  const [input, setInput] = useState('');
  const [result, setResult] = useState(null);
  if (isReadOnly) {
    return '';
  }
  const isTimer = item.trigger === 'timerTrigger';
  const send = () => post(path`functions/${item.name}/run`, input === '' ? {} : { input });
  return html`<h3>Run now</h3><${ActionForm} action="Run now" onSend=${send} onDone=${setResult}>
      ${isTimer ? '' : html`<${Field} label="Input" hint="What the trigger brings: the text of a message, or JSON.">${(id) => html`<textarea id=${id} class="code" rows="3" spellcheck=${false} value=${input} onInput=${(event) => setInput(event.target.value)}></textarea>`}<//>`}<//>
    ${result ? html`<div role="status"><${Notice} tone=${result.ok ? 'good' : 'bad'} icon=${result.ok ? 'check' : 'alert'}>${result.ok ? 'Succeeded' : `Failed: ${result.error}`} in ${duration(result.durationMs)}<//>
      ${result.ok && result.result !== null && result.result !== undefined ? html`<${Payload} label="Result" text=${result.result} isTruncated=${result.resultIsTruncated} />` : ''}</div>` : ''}`;
}

function Invocations({ name }) {
  const resource = useResource(path`functions/${name}/invocations`, { on: ['functions'] });
  return html`<h3>Recent invocations</h3><${Shown} resource=${resource} rows=${3}>${({ invocations }) => invocations.length === 0
    ? html`<p class="muted">It has not run since the host started.</p>`
    : html`<ul class="invocations">${invocations.map((run) => html`<li key=${run.id}>
        <span class="fate fate-${run.ok ? 'good' : 'bad'}"><${Icon} name=${run.ok ? 'check' : 'close'} size=${12} />${run.ok ? 'Succeeded' : 'Failed'}</span>
        <${Time} at=${run.started} /><span class="num">${duration(run.durationMs)}</span>
        ${run.instanceId ? html`<a class="line code" href=${instanceLink(run.instanceId)} title=${run.instanceId}>${run.instanceId}</a>` : html`<span class="muted line" title=${run.reason}>${run.reason}</span>`}
        ${run.error ? html`<p class="bad-text line" title=${run.error}>${run.error}</p>` : ''}</li>`)}</ul>`}
  <//>`;
}
