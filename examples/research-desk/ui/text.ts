const WIDTH = Math.max(79, Math.min(process.stdout.columns || 100, 120));

// what moves the cursor, and what has no width, could hide what a person decides on
const UNSAFE = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;

/** Text of models, agents and documents on a terminal: characters that are not seen are shown as what they are. */
export const safe = (text: string) => text.replace(UNSAFE, (c) => `<U+${c.codePointAt(0)?.toString(16).toUpperCase().padStart(4, '0')}>`);

/** `head` and as much of a text as there is room for on one line, with `right` at its end. */
export function line(head: string, text: string, right = ''): string {
  const room = WIDTH - head.length - right.length - 1;
  const characters = [...safe(text.replace(/\s+/g, ' ').trim())];
  const fits = characters.length > room ? `${characters.slice(0, room - 1).join('')}…` : characters.join('');
  return `${head}${fits.padEnd(right ? room : 0)} ${right}`.trimEnd();
}

export const print = (text = '') => void process.stdout.write(`${text}\n`);
export const number = (n: number) => n.toLocaleString('en-US');
export const duration = (ms: number) => (ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(2)} s`);
export const dollars = (usd: number | undefined) => (usd === undefined ? '$?' : `$${usd.toFixed(5)}`);
