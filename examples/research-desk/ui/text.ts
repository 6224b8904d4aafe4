import { paragraphs, wholeWords } from '../../kit/safe.ts';

export { number } from '../../kit/screen.ts';

/** Columns of a terminal, or of a file. */
export const width = (columns = process.stdout.columns) => Math.max(60, Math.min(columns || 100, 120));

/** Prose is broken on a terminal; a file gets whole lines. */
export const proseWidth = () => (process.stdout.isTTY ? width() : Number.POSITIVE_INFINITY);

/** `head` and as much of a text as there is room for on one line, with `right` at its end. */
export function line(head: string, text: string, right = '', columns = width()): string {
  const room = columns - head.length - right.length - 1;
  return `${head}${wholeWords(text, room).padEnd(right ? room : 0)} ${right}`.trimEnd();
}

export const print = (text = '') => void process.stdout.write(`${text}\n`);
/** Prose: its lines are broken between words. */
export function tell(text: string): void {
  for (const line of paragraphs(text, proseWidth())) print(line);
}

export const duration = (ms: number) => (ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(2)} s`);
export const dollars = (usd: number | undefined) => (usd === undefined ? '$?' : `$${usd.toFixed(5)}`);
