// The overview of an instance: what it waits for now and where its code stands, why it failed, and its payloads.
import { html, useState } from '../core/html.js';
import { plural } from '../core/format.js';
import { useShortPlace } from '../core/places.js';
import { instanceLink, link } from '../core/router.js';
import { Notice } from '../parts/states.js';
import { FINAL, Status } from '../parts/status.js';
import { Line, Payload } from '../parts/values.js';
import { FailureCard, Source } from './failure.js';
import { Waits } from './waits.js';

const CHILDREN = 20;

export function Overview({ instance, onFull }) {
  const { status, failure, source, findings, children, id } = instance;
  const isOver = FINAL.has(status);
  return html`<div class="overview">
    <div class="overview-main">
      ${failure ? html`<${FailureCard} failure=${failure} />` : ''}
      ${isOver ? '' : html`<${Waits} instance=${instance} />`}
      ${source && !(failure?.frames?.length) ? html`<section class="card"><h2>${isOver ? 'Where the code ended' : 'Where the code stands'}</h2><${Source} place=${source} /></section>` : ''}
      ${findings?.length ? html`<${Findings} findings=${findings} id=${id} />` : ''}
      ${children?.length ? html`<${Children} children=${children} />` : ''}
    </div>
    <div class="overview-side">
      <section class="card"><h2>Input</h2><${Payload} label="Input" text=${instance.input} isTruncated=${instance.inputIsTruncated} onFull=${onFull} /></section>
      <section class="card"><h2>Output</h2><${Payload} label="Output" text=${instance.output} isTruncated=${instance.outputIsTruncated} onFull=${onFull} /></section>
      <section class="card"><h2>Custom status</h2><${Payload} label="Custom status" text=${instance.customStatus} isTruncated=${instance.customStatusIsTruncated} onFull=${onFull} /></section>
    </div>
  </div>`;
}

function Findings({ findings, id }) {
  const shortPlace = useShortPlace();
  return html`<section class="card"><h2>Findings of the host</h2>
    ${findings.map((finding, n) => html`<${Notice} key=${n} tone=${finding.severity === 'error' ? 'bad' : finding.severity === 'info' ? 'info' : 'warn'} icon="alert">
      <p>${finding.text} <code>${finding.code}</code></p>${finding.position ? html`<p class="muted code">${shortPlace(finding.position)}</p>` : ''}
    <//>`)}
    <p><a href=${link(['instances', id, 'events'])}>See what happened to each event</a></p>
  </section>`;
}

function Children({ children }) {
  const [isAll, setAll] = useState(false);
  const shown = isAll ? children : children.slice(0, CHILDREN);
  return html`<section class="card"><h2>Children <span class="muted num">${children.length}</span></h2>
    <ul class="children">${shown.map((child) => html`<li key=${`${child.id} ${child.taskId}`} class="child"><${Status} status=${child.status} />
      <a class="line" href=${instanceLink(child.id)} title="${child.name} ${child.id}">${child.name}</a><${Line} text=${child.id} isCode className="muted" /></li>`)}</ul>
    ${children.length > shown.length ? html`<button type="button" class="link" onClick=${() => setAll(true)}>Show all ${plural(children.length, 'child', 'children')}</button>` : ''}
  </section>`;
}
