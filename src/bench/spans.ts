/** Spans of time, [start, end], in milliseconds. */
export type Span = readonly [start: number, end: number];

/** How much of a window is covered by at least one span. */
export function covered(spans: readonly Span[], [from, to]: Span): number {
  let total = 0;
  let reached = from;
  for (const [start, end] of [...spans].sort((a, b) => a[0] - b[0])) {
    const begin = Math.max(start, reached);
    const last = Math.min(end, to);
    if (last <= begin) continue;
    total += last - begin;
    reached = last;
  }
  return total;
}

/** Microseconds are the finest that the clock and a reader can tell apart. */
export const round = (ms: number) => Math.round(Math.max(0, ms) * 1_000) / 1_000;
