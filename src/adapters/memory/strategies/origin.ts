/** Who said what a strategy reads. */
import type { EventItem, Origin } from '../../../ports/memory-store.ts';
import type { Line, Strategy } from './types.ts';

/** The least trusted first: what a tool answered may come from anyone. */
const TRUST: readonly Origin[] = ['tool', 'assistant', 'application', 'user'];
/** Most characters of one line, and of all lines of an event, that a strategy reads. */
const LONGEST = { line: 32_000, all: 200_000 };

/** The origin of a strategy's records. It is the same for each of them, so that an update never makes words of a tool those of a user. */
export const originOf = ({ origins }: Pick<Strategy, 'origins'>): Origin => TRUST.find((one) => origins.includes(one)) ?? 'application';

const saidBy = (item: EventItem): Origin | undefined => {
  if (item.kind === 'blob') return undefined;
  if (item.kind === 'json') return 'tool';
  return item.role === 'other' ? 'application' : item.role;
};

/** The positions of the items that a strategy reads. */
export const readOf = (items: readonly EventItem[], { origins }: Pick<Strategy, 'origins'>): number[] =>
  items.flatMap((item, i) => {
    const origin = saidBy(item);
    return origin && origins.includes(origin) ? [i] : [];
  });

/** The items at these positions, as lines. What is longer is cut. */
export function linesOf(items: readonly EventItem[], positions: readonly number[]): Line[] {
  let left = LONGEST.all;
  return positions.flatMap((position) => {
    const item = items[position];
    const origin = item && saidBy(item);
    if (!item || !origin || item.kind === 'blob' || left <= 0) return [];
    const text = (item.kind === 'text' ? item.text : JSON.stringify(item.value)).slice(0, Math.min(LONGEST.line, left)).toWellFormed();
    left -= text.length;
    return [{ origin, text }];
  });
}
