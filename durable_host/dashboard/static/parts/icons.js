// Line icons, 16 by 16, in the colour of the text beside them. They are decoration: the text says the same.
import { html } from '../core/html.js';

const SHAPES = {
  instances: ['M3 4h10', 'M3 8h10', 'M3 12h6'],
  entities: ['M8 2l5 2.8v6.4L8 14l-5-2.8V4.8z', 'M3 4.8L8 7.6l5-2.8', 'M8 7.6V14'],
  queues: ['M8 2l6 3-6 3-6-3z', 'M2 8l6 3 6-3', 'M2 11l6 3 6-3'],
  functions: ['M9 2L4 9h4l-1 5 5-7H8z'],
  hub: ['M3 3h10v4H3z', 'M3 9h10v4H3z', 'M5.5 5h.01', 'M5.5 11h.01'],
  sun: ['M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6z', 'M8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M13 3l-1 1M4 12l-1 1'],
  moon: ['M13.5 9.5A5.8 5.8 0 0 1 6.5 2.5a5.8 5.8 0 1 0 7 7z'],
  help: ['M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8z', 'M6.2 6.2a1.8 1.8 0 1 1 2.6 1.7c-.6.3-.8.7-.8 1.3', 'M8 11.5h.01'],
  search: ['M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9z', 'M10.3 10.3L14 14'],
  close: ['M4 4l8 8', 'M12 4l-8 8'],
  right: ['M6 3.5L10.5 8 6 12.5'],
  down: ['M3.5 6L8 10.5 12.5 6'],
  up: ['M3.5 10L8 5.5l4.5 4.5'],
  left: ['M10 3.5L5.5 8l4.5 4.5'],
  play: ['M5 3l8 5-8 5z'],
  pause: ['M5.5 3v10', 'M10.5 3v10'],
  stop: ['M4 4h8v8H4z'],
  rewind: ['M8 3.5L3 8l5 4.5z', 'M13.5 3.5L8.5 8l5 4.5z'],
  restart: ['M13 8a5 5 0 1 1-1.6-3.7', 'M13.5 2v3h-3'],
  trash: ['M2.5 4h11', 'M6 4V2.5h4V4', 'M4 4l.7 9.5h6.6L12 4'],
  send: ['M14 2L7.5 8.5', 'M14 2l-4 12-2.5-5.5L2 6z'],
  clock: ['M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8z', 'M8 4.5V8l2.3 1.5'],
  copy: ['M5.5 5.5h8v8h-8z', 'M10.5 5.5v-3h-8v8h3'],
  check: ['M3 8.5L6.5 12 13 4.5'],
  alert: ['M8 2l6.5 11.5h-13z', 'M8 6.5v3', 'M8 11.5h.01'],
  download: ['M8 2v8', 'M4.5 7L8 10.5 11.5 7', 'M2.5 13.5h11'],
  compare: ['M2.5 3h4v10h-4z', 'M9.5 3h4v10h-4z'],
  plus: ['M8 3v10', 'M3 8h10'],
  minus: ['M3 8h10'],
  dots: ['M3.5 8h.01', 'M8 8h.01', 'M12.5 8h.01'],
  child: ['M4 2.5v6a3 3 0 0 0 3 3h5.5', 'M10 9l2.5 2.5L10 14'],
  lock: ['M3.5 7h9v6.5h-9z', 'M5.5 7V5a2.5 2.5 0 0 1 5 0v2'],
  event: ['M2 3.5h12v9H2z', 'M2.5 4L8 8.5 13.5 4'],
  retry: ['M3 8a5 5 0 0 1 8.6-3.5L13 6', 'M13 2.8V6H9.8', 'M13 8a5 5 0 0 1-8.6 3.5L3 10', 'M3 13.2V10h3.2'],
  dot: ['M8 6a2 2 0 1 0 0 4 2 2 0 0 0 0-4z'],
  flask: ['M6 2h4', 'M6.8 2v4L3 13.5h10L9.2 6V2'],
  file: ['M4 1.8h5.5L13 5.2v9H4z', 'M9.5 1.8v3.5H13'],
};

export function Icon({ name, size = 16 }) {
  return html`<svg class="icon" width=${size} height=${size} viewBox="0 0 16 16" fill="none" stroke="currentColor"
    stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">
    ${(SHAPES[name] ?? SHAPES.dot).map((d) => html`<path key=${d} d=${d} />`)}
  </svg>`;
}
