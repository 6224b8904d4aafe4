/**
 * Untrusted text (tickets, tools, models) on a terminal. Control characters could move the cursor and rewrite the screen; invisible ones
 * could hide words from the person who approves. Each is shown by its code, such as `<U+200B>`.
 */
export function safe(text: string): string {
  return text.replace(UNSAFE, (c) => NAMES[c] ?? `<U+${(c.codePointAt(0) as number).toString(16).toUpperCase().padStart(4, '0')}>`);
}

/** The same on one line, at most `width` characters. */
export function oneLine(text: string, width: number): string {
  const characters = [...safe(text.replace(/\s+/g, ' ').trim())];
  return characters.length <= width ? characters.join('') : `${characters.slice(0, Math.max(width - 1, 0)).join('')}…`;
}

/** The same, cut after a whole word where that can be. */
export function wholeWords(text: string, width: number): string {
  const line = oneLine(text, width);
  if (!line.endsWith('…') || text.trimEnd().endsWith('…')) return line;
  const at = line.lastIndexOf(' ');
  return at > width / 3 ? `${line.slice(0, at)} …` : line;
}

/** A text with its own line breaks, on as many lines of `width` as it takes. */
export const paragraphs = (text: string, width: number): string[] =>
  safeLines(text).flatMap((line) => {
    const indent = /^ */.exec(line)?.[0] ?? '';
    return line.length <= width ? line : wrapped(line, width - indent.length, line.length).map((part) => indent + part);
  });

/** The same on at most `lines` lines of `width` characters, broken between words where that can be. */
export function wrapped(text: string, width: number, lines: number): string[] {
  const out: string[] = [];
  let rest = oneLine(text, width * lines);
  while (rest.length > width && out.length < lines - 1) {
    const at = rest.lastIndexOf(' ', width);
    const end = at > width / 2 ? at : width;
    out.push(rest.slice(0, end));
    rest = rest.slice(end).trimStart();
  }
  return [...out, rest.length > width ? `${rest.slice(0, width - 1)}…` : rest];
}

/** The same, keeping line breaks and tabs, as lines. */
export const safeLines = (text: string): string[] => text.split(/\r?\n/).map((line) => safe(line.replaceAll('\t', '  ')));

// controls, formats, surrogates, private and unassigned; separators of lines; everything without a width; blank letters
const UNSAFE = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]/gu;
const NAMES: Readonly<Record<string, string>> = {
  '\u001b': '<ESC>',
  '\u0007': '<BEL>',
  '\u0008': '<BS>',
  '\r': '<CR>',
  '\n': '<LF>',
  '\t': '<TAB>',
};
