// A long table of which only the visible rows are in the document. All rows have the same height.
import { html, useEffect, useRef, useState } from '../core/html.js';

const EXTRA = 8;

/**
 * `columns` is `[{label, className}]`; `cells(index)` gives the cells of a row, `isSelected(index)` whether it is marked.
 * Up, Down, Page Up, Page Down, Home and End move the selection with `onSelect(index)`.
 */
export function VirtualRows({ label, columns, count, rowHeight = 28, cells, selected, onSelect, rowClass = () => '' }) {
  const body = useRef(null);
  const [view, setView] = useState({ top: 0, height: 600 });
  useEffect(() => {
    const element = body.current;
    const measure = () => setView({ top: element.scrollTop, height: element.clientHeight });
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    element.addEventListener('scroll', measure, { passive: true });
    measure();
    return () => {
      observer.disconnect();
      element.removeEventListener('scroll', measure);
    };
  }, []);

  useEffect(() => {
    if (selected === null || selected === undefined) {
      return;
    }
    const element = body.current;
    const top = selected * rowHeight;
    const visible = element.clientHeight - rowHeight;
    if (top < element.scrollTop) {
      element.scrollTop = top;
    } else if (top + rowHeight > element.scrollTop + visible) {
      element.scrollTop = top + rowHeight - visible;
    }
  }, [selected]);

  const first = Math.max(0, Math.floor(view.top / rowHeight) - EXTRA);
  const last = Math.min(count, Math.ceil((view.top + view.height) / rowHeight) + EXTRA);
  const page = Math.max(1, Math.floor(view.height / rowHeight) - 2);
  const keys = (event) => {
    const at = selected ?? -1;
    const target = {
      ArrowDown: at + 1, ArrowUp: at - 1, j: at + 1, k: at - 1, PageDown: at + page, PageUp: at - page, Home: 0, End: count - 1,
    }[event.key];
    if (target !== undefined && count) {
      event.preventDefault();
      event.stopPropagation();
      onSelect(Math.min(count - 1, Math.max(0, target)));
    }
  };
  return html`<div class="virtual" role="table" aria-label=${label} aria-rowcount=${count + 1}>
    <div class="virtual-body" ref=${body} tabindex="0" role="rowgroup" aria-label=${label} onKeyDown=${keys}>
      <div class="virtual-row virtual-head" role="row" aria-rowindex="1">
        ${columns.map(({ label: text, className }) => html`<span key=${text} role="columnheader" class=${className}>${text}</span>`)}
      </div>
      <div class="virtual-space" role="presentation" ref=${(element) => element && (element.style.height = `${count * rowHeight}px`)}>
        ${Array.from({ length: Math.max(0, last - first) }, (_, n) => first + n).map((index) => html`
          <div key=${index} role="row" aria-rowindex=${index + 2} aria-current=${selected === index ? 'true' : undefined}
            class="virtual-row ${selected === index ? 'is-selected' : ''} ${rowClass(index)}"
            style=${{ top: `${index * rowHeight}px` }} onClick=${() => onSelect(index)}>
            ${cells(index).map((cell, n) => html`<span key=${n} role="cell" class=${columns[n].className}>${cell}</span>`)}
          </div>`)}
      </div>
    </div>
  </div>`;
}
