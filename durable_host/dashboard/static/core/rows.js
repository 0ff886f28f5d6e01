// Keyboard in lists: j and k move the focus between the rows' links, so that Enter opens what has the focus.
import { useKeys } from './keys.js';

/** `container` is a ref to the element with the rows; a row is an element with `data-row`. */
export function useRows(container, { onSelect } = {}) {
  const rows = () => [...(container.current?.querySelectorAll('[data-row]') ?? [])];
  const at = () => rows().findIndex((row) => row.contains(document.activeElement));
  const focus = (index) => {
    const all = rows();
    const row = all[Math.min(all.length - 1, Math.max(0, index))];
    const target = row?.querySelector('a[href], button:not([disabled])') ?? row;
    target?.focus();
    row?.scrollIntoView({ block: 'nearest' });
  };
  useKeys({
    j: () => focus(at() + 1),
    k: () => focus(at() < 0 ? 0 : at() - 1),
    ...(onSelect ? { x: () => at() >= 0 && onSelect(rows()[at()].dataset.row) } : {}),
  });
}
