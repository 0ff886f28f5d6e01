// A failure with the lines of the user's source, and a single place in the source.
import { html } from '../core/html.js';
import { useShortPlace } from '../core/places.js';
import { Icon } from '../parts/icons.js';
import { Notice } from '../parts/states.js';
import { Copy } from '../parts/values.js';

export function FailureCard({ failure }) {
  return html`<section class="card card-bad" aria-label="Failure">
    <h2><${Icon} name="alert" />${failure.type}</h2>
    <${FailureBody} failure=${failure} />
  </section>`;
}

function FailureBody({ failure }) {
  const { message, frames = [], hint, inner } = failure;
  return html`
    <pre class="failure-message" tabindex="0" aria-label="Message of the failure">${message}</pre>
    ${frames.length ? html`<ol class="frames">${frames.map((frame, n) => html`<li key=${n} class=${n === frames.length - 1 ? 'is-last' : ''}><${Source} place=${frame} /></li>`)}</ol>` : ''}
    ${hint ? html`<${Notice} tone="info">${hint}<//>` : ''}
    ${inner ? html`<div class="inner"><h3>Caused by ${inner.type}</h3><${FailureBody} failure=${inner} /></div>` : ''}`;
}

/** `file:line in function`, and the text of that line. */
export function Source({ place }) {
  const { file, line, function: name, text } = place;
  const position = useShortPlace()(`${file}:${line}`);
  return html`<div class="source">
    <p class="source-place"><span class="line code" title=${position}>${position}</span>${name ? html`<span class="muted">in</span> <span class="code line">${name}</span>` : ''}
      <${Copy} text=${position} label="Copy the position ${position}" /></p>
    ${text ? html`<pre class="source-line" tabindex="0" aria-label="Source line ${line}"><span class="source-number">${line}</span>${text}</pre>` : ''}
  </div>`;
}
