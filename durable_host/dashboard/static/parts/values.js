// How single values are shown: payloads, times, names, and a button that copies.
import { ago, isJson, prettyJson, shortTime, time } from '../core/format.js';
import { html, useEffect, useRef, useState } from '../core/html.js';
import { Icon } from './icons.js';

/** JSON of which an SDK has made a string, as the 1.x SDK does with the input of a client; null for anything else. */
function inside(text) {
  if (!/^\s*"\s*[{[]/.test(text)) {
    return null;
  }
  try {
    const inner = JSON.parse(text);
    return isJson(inner) ? inner : null;
  } catch {
    return null;
  }
}

/** A payload of user code, formatted as JSON, always as text. `onFull` loads what was cut. */
export function Payload({ label, text, isTruncated = false, onFull }) {
  if (text === null || text === undefined) {
    return html`<div class="payload payload-none muted">No ${label.toLowerCase()}</div>`;
  }
  const inner = isTruncated ? null : inside(text);
  return html`<div class="payload">
    <div class="payload-tools"><${Copy} text=${text} label=${`Copy ${label.toLowerCase()}`} /></div>
    <pre tabindex="0" aria-label=${label}>${isTruncated ? text : prettyJson(inner ?? text)}</pre>
    ${inner === null ? '' : html`<p class="payload-cut">This JSON is stored inside a string.</p>`}
    ${isTruncated
      ? html`<p class="payload-cut">Only the beginning is shown.
          ${onFull ? html` <button type="button" class="link" onClick=${onFull}>Show all</button>` : ''}</p>`
      : ''}
  </div>`;
}

export function Copy({ text, label = 'Copy' }) {
  const [isDone, setDone] = useState(false);
  const timer = useRef(null);
  useEffect(() => () => clearTimeout(timer.current), []);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setDone(true);
    timer.current = setTimeout(() => setDone(false), 1500);
  };
  return html`<button type="button" class="icon-button" aria-label=${isDone ? 'Copied' : label} title=${isDone ? 'Copied' : label}
    onClick=${copy}><${Icon} name=${isDone ? 'check' : 'copy'} size=${14} /></button>`;
}

/** A time: of today as a clock, older ones with the date. The exact one is in the tooltip. */
export function Time({ at, isRelative = false, now }) {
  if (!at) {
    return html`<span class="muted">–</span>`;
  }
  return html`<time datetime=${at} title=${time(at, { isExact: true })}>${isRelative ? ago(at, now) : shortTime(at)}</time>`;
}

/** Text on one line, cut with an ellipsis. The whole text is in the tooltip. */
export function Line({ text, isCode = false, className = '' }) {
  return html`<span class="line ${isCode ? 'code' : ''} ${className}" title=${text}>${text}</span>`;
}
