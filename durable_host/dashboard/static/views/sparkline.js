// A small line chart of the last values.
import { html } from '../core/html.js';

const WIDTH = 480;
const HEIGHT = 56;
const POINTS = 120;

export function Sparkline({ values, label }) {
  const highest = Math.max(1, ...values);
  const first = POINTS - values.length;
  const x = (n) => ((first + n) / (POINTS - 1)) * WIDTH;
  const y = (value) => HEIGHT - 3 - (value / highest) * (HEIGHT - 8);
  const line = values.map((value, n) => `${n ? 'L' : 'M'}${x(n).toFixed(1)} ${y(value).toFixed(1)}`).join('');
  return html`<div class="sparkline"><svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label="${label}: highest ${highest.toFixed(1)}">
    ${values.length > 1 ? html`<path class="spark-area" d="${line}L${x(values.length - 1)} ${HEIGHT}L${x(0)} ${HEIGHT}z" /><path class="spark-line" d=${line} />` : html`<line class="grid" x1="0" x2=${WIDTH} y1=${HEIGHT - 3} y2=${HEIGHT - 3} />`}
  </svg><span class="muted num">peak ${highest.toFixed(0)}/s</span></div>`;
}
