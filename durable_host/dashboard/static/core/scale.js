// The time scale of a chart: where a time lies, and which marks the axis has. Pure functions.

const STEPS = [
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500], ...[1, 2, 5, 10, 15, 30].map((s) => s * 1000), ...[1, 2, 5, 10, 15, 30].map((m) => m * 60_000),
  ...[1, 2, 3, 6, 12].map((h) => h * 3_600_000), ...[1, 2, 7, 14, 30, 90, 365].map((d) => d * 86_400_000),
];
const SHORTEST = 2;

/** The marks of an axis from `from` to `to`, at most one each `gap` pixels: times at multiples of a round step after `origin`. */
export function ticks({ from, to, width, origin, gap = 110 }) {
  const wanted = ((to - from) * gap) / Math.max(1, width);
  const step = STEPS.find((candidate) => candidate >= wanted) ?? STEPS.at(-1);
  const first = Math.ceil((from - origin) / step) * step;
  const found = [];
  for (let offset = first; origin + offset <= to && found.length < 200; offset += step) {
    found.push(origin + offset);
  }
  return found;
}

/** A view of a part of the time: zoomed by `factor` around `centre`, inside `whole`. */
export function zoomed(view, factor, centre, whole) {
  const length = Math.max(SHORTEST, Math.min(whole.to - whole.from, (view.to - view.from) * factor));
  const share = (centre - view.from) / Math.max(1, view.to - view.from);
  return moved({ from: centre - share * length, to: centre + (1 - share) * length }, 0, whole);
}

/** A view moved by some milliseconds, inside `whole`. */
export function moved(view, by, whole) {
  const length = Math.min(view.to - view.from, whole.to - whole.from);
  const from = Math.min(Math.max(view.from + by, whole.from), whole.to - length);
  return { from, to: from + length };
}

export const position = (at, view, width) => ((at - view.from) / Math.max(1, view.to - view.from)) * width;
