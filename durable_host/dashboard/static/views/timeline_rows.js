// The rows of a timeline: many steps of one name, such as a fan-out, become one row that can be opened.

const GROUP_FROM = 8;

/** The pauses of a step with several attempts are drawn in its own bar, so they need no row. */
function withoutPauses(bars) {
  const retried = new Set(bars.filter(({ attempts }) => attempts?.length > 1).map(({ name }) => name));
  return bars.filter(({ kind, name }) => kind !== 'retry' || !retried.has(name));
}

/** `open` holds the keys of opened groups. A row is `{key, bar}` or `{key, name, bars, isOpen}`. */
export function rowsOf(all, open) {
  const bars = withoutPauses(all);
  const groups = new Map();
  for (const bar of bars) {
    const key = `${bar.kind} ${bar.name}`;
    if (!groups.has(key)) {
      groups.set(key, []);
    }
    groups.get(key).push(bar);
  }
  const rows = [];
  const shown = new Set();
  for (const bar of [...bars].sort((a, b) => a.start.localeCompare(b.start))) {
    const key = `${bar.kind} ${bar.name}`;
    const group = groups.get(key);
    if (group.length < GROUP_FROM) {
      rows.push({ key: `bar ${bar.id}`, bar });
    } else if (!shown.has(key)) {
      shown.add(key);
      const isOpen = open.has(key);
      rows.push({ key, name: bar.name || bar.kind, bars: group, isOpen });
      if (isOpen) {
        rows.push(...group.map((inside) => ({ key: `bar ${inside.id}`, bar: inside, isInside: true })));
      }
    }
  }
  return rows;
}
