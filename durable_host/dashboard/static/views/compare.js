// Two instances step by step, side by side.
import { withQuery } from '../core/api.js';
import { duration, plural } from '../core/format.js';
import { html, useRef, useState } from '../core/html.js';
import { useResource } from '../core/resource.js';
import { instanceLink, setQuery } from '../core/router.js';
import { TextField } from '../parts/fields.js';
import { Icon } from '../parts/icons.js';
import { PageHead } from '../parts/page_head.js';
import { Empty, Notice, Shown } from '../parts/states.js';

export default function Compare({ query }) {
  const [form, setForm] = useState({ a: query.a ?? '', b: query.b ?? '' });
  const resource = useResource(query.a && query.b ? withQuery('compare', { a: query.a, b: query.b }) : null, { on: ['instances'], concerns: (data) => !data || data.isAll || data.ids.includes(query.a) || data.ids.includes(query.b) });
  return html`
    <${PageHead} title="Compare instances" subtitle="Step by step, in the order of the code" />
    <form class="compare-form" onSubmit=${(event) => { event.preventDefault(); setQuery({ a: form.a, b: form.b }, {}); }}>
      <${TextField} label="First instance" value=${form.a} onInput=${(a) => setForm({ ...form, a })} isRequired />
      <${TextField} label="Second instance" value=${form.b} onInput=${(b) => setForm({ ...form, b })} isRequired />
      <button type="submit" class="button button-primary">Compare</button>
    </form>
    ${query.a && query.b
      ? html`<${Shown} resource=${resource} rows=${8}>${(data) => html`<${Steps} data=${data} query=${query} />`}<//>`
      : html`<${Empty} icon="compare" title="Choose two instances">Enter two instance IDs, or choose "Compare with another" on an instance.<//>`}`;
}

function Steps({ data, query }) {
  const { steps, firstDifference } = data;
  const [onlyDifferent, setOnly] = useState(false);
  const body = useRef(null);
  const different = steps.filter(({ isSame }) => !isSame).length;
  const shown = steps.map((step, n) => ({ ...step, n })).filter(({ isSame }) => !onlyDifferent || !isSame);
  return html`
    ${different === 0
      ? html`<${Notice} tone="good" icon="check"><p><strong>No difference.</strong> Both took the same ${plural(steps.length, 'step')}.</p><//>`
      : html`<${Notice} tone="warn" icon="alert"><p><strong>The first difference is at step ${firstDifference + 1}.</strong> ${steps[firstDifference]?.difference ?? ''}</p>
          <p>${plural(different, 'step')} of ${steps.length} ${different === 1 ? 'differs' : 'differ'}. <button type="button" class="link" onClick=${() => body.current?.querySelector('.is-different')?.scrollIntoView({ block: 'center' })}>Go to the first</button></p><//>`}
    <label class="check"><input type="checkbox" checked=${onlyDifferent} onChange=${(event) => setOnly(event.target.checked)} />Only what differs</label>
    <div class="table-box"><table class="table table-compare" ref=${body}>
      <thead><tr><th scope="col" class="col-number">Step</th><th scope="col"><a class="line" href=${instanceLink(query.a)} title=${query.a}>${query.a}</a></th><th scope="col" class="col-sign"><span class="sr">Same</span></th>
        <th scope="col"><a class="line" href=${instanceLink(query.b)} title=${query.b}>${query.b}</a></th></tr></thead>
      <tbody>${shown.map((step) => html`<tr key=${step.n} class=${step.isSame ? '' : 'is-different'}>
        <td class="col-number">${step.n + 1}</td><td><${Side} step=${step.a} /></td>
        <td class="col-sign">${step.isSame ? html`<span class="muted" title="Same">=</span>` : html`<span class="bad-text" title=${step.difference ?? 'Different'}><${Icon} name="alert" size=${14} /><span class="sr">different</span></span>`}</td>
        <td><${Side} step=${step.b} />${!step.isSame && step.difference ? html`<p class="note">${step.difference}</p>` : ''}</td></tr>`)}</tbody>
    </table></div>`;
}

/** One step: its kind and name, then what else it has. */
function Side({ step }) {
  if (!step) {
    return html`<span class="muted">no step</span>`;
  }
  const { kind, name, status, attempts, durationMs, input, result, error } = step;
  const rest = [['input', input], ['result', result], ['error', error]].filter(([, value]) => value !== null && value !== undefined);
  return html`<div class="step"><span class="step-head"><strong class="line">${name || kind}</strong><span class="muted">${kind}${status === 'Completed' ? '' : `, ${status}`}${attempts > 1 ? `, ${attempts} attempts` : ''}</span>
      ${!durationMs ? '' : html`<span class="muted num">${duration(durationMs)}</span>`}</span>
    ${rest.length ? html`<span class="line code muted" title=${rest.map(([key, value]) => `${key}: ${value}`).join('\n')}>${rest.map(([key, value]) => `${key}: ${value}`).join('  ')}</span>` : ''}</div>`;
}
