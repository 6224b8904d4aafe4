/**
 * Stores growing texts as differences. A channel such as `messages` is written again at every step, and its JSON is mostly that of the
 * step before. Stored whole each time, storage would grow with the square of the conversation's length.
 */

/** A stored value: whole, or a change to an earlier one. */
export interface Piece {
  /** Length of the whole text, in UTF-16 units. */
  readonly length: number;
  /** The whole text, or the part between those of the base. */
  readonly own: string;
  /** The lengths of the base's start and end that belong to it. */
  readonly base?: { readonly of: Piece; readonly head: number; readonly tail: number };
  /** The whole text, cached while it is likely to be read again. */
  text?: string;
}

/** A shorter common end is not worth a look-up. */
const LEAST_TAIL = 64;
/** A text that is mostly new is stored whole. */
const MOST_NEW = 0.7;
const BLOCK = 4_096;

/** The lengths of the start and the end that a text shares with another; undefined if it is better stored whole. */
export function common(base: string, text: string): { head: number; tail: number } | undefined {
  const most = Math.min(base.length, text.length);
  let head = 0;
  while (head + BLOCK <= most && base.slice(head, head + BLOCK) === text.slice(head, head + BLOCK)) head += BLOCK;
  while (head < most && base.charCodeAt(head) === text.charCodeAt(head)) head++;
  // half a surrogate pair is not valid text
  if (head > 0 && (text.charCodeAt(head - 1) & 0xfc00) === 0xd800) head--;
  let tail = 0;
  const left = most - head;
  while (tail < left && base.charCodeAt(base.length - 1 - tail) === text.charCodeAt(text.length - 1 - tail)) tail++;
  if (tail > 0 && (text.charCodeAt(text.length - tail) & 0xfc00) === 0xdc00) tail--;
  if (tail < LEAST_TAIL) tail = 0;
  return text.length - head - tail > MOST_NEW * text.length ? undefined : { head, tail };
}

interface Range {
  start: number;
  end: number;
  /** Its position in the result. */
  at: number;
}

/** The whole text. Walks the changes once, whatever their number, and copies each character once. */
export function textOf(piece: Piece): string {
  const found: { at: number; text: string }[] = [];
  let wanted: Range[] = [{ start: 0, end: piece.length, at: 0 }];
  for (let p: Piece | undefined = piece; p && wanted.length > 0; p = p.base?.of) {
    const { own, base, text, length } = p;
    if (text !== undefined || !base) {
      for (const { start, end, at } of wanted) found.push({ at, text: (text ?? own).slice(start, end) });
      break;
    }
    const shift = base.of.length - length;
    const next: Range[] = [];
    for (const { start, end, at } of wanted) {
      const ownEnd = length - base.tail;
      if (start < base.head) next.push({ start, end: Math.min(end, base.head), at });
      const from = Math.max(start, base.head);
      const to = Math.min(end, ownEnd);
      if (from < to) found.push({ at: at + from - start, text: own.slice(from - base.head, to - base.head) });
      const rest = Math.max(start, ownEnd);
      if (rest < end) next.push({ start: rest + shift, end: end + shift, at: at + rest - start });
    }
    wanted = next;
  }
  found.sort((a, b) => a.at - b.at);
  return found.map(({ text }) => text).join('');
}
