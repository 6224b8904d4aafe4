/**
 * How a text may be spelled by what repeats it: JSON escapes at any depth and of any writer (`\u00fc`, `\/`, `\u003c`), percent encoding of
 * some characters or all, in either case and more than once, HTML entities, hex, and base64 at any offset, broken into lines.
 */

/** Shorter texts are not looked for in base64 and hex, where so few letters could be anything. */
const SHORTEST_ENCODED = 6;

/** A regular expression source that matches every spelling of `text`, which is not empty. */
export function spellings(text: string): string {
  const bytes = Buffer.from(text);
  const ways = [characters(text)];
  if (bytes.length >= SHORTEST_ENCODED) ways.push(hex(bytes), ...[0, 1, 2].map((offset) => base64(bytes, offset)));
  return ways.map((way) => `(?:${way})`).join('|');
}

/** Literal spellings, for a reader that must tell whether the end of a text may be the beginning of one. */
export function plainSpellings(text: string): string[] {
  const bytes = Buffer.from(text);
  const forms = new Set([text, JSON.stringify(text).slice(1, -1), encodeURIComponent(bytes.toString())]);
  if (bytes.length >= SHORTEST_ENCODED) {
    forms.add(bytes.toString('hex'));
    for (const offset of [0, 1, 2]) forms.add(core(bytes, offset)).add(core(bytes, offset).replaceAll('+', '-').replaceAll('/', '_'));
  }
  return [...forms];
}

export const literal = (text: string) => text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
/** Hexadecimal digits in either case. */
const digits = (hexadecimal: string) =>
  [...hexadecimal].map((d) => (/[a-f]/i.test(d) ? `[${d.toLowerCase()}${d.toUpperCase()}]` : d)).join('');
/** One or more backslashes: JSON in JSON doubles them. */
const ESCAPED = '\\\\+';
const CONTROL: { readonly [c: string]: string } = { '\n': 'n', '\r': 'r', '\t': 't', '\b': 'b', '\f': 'f' };
const ENTITY: { readonly [c: string]: string } = { '&': 'amp', '<': 'lt', '>': 'gt', '"': 'quot', "'": '(?:apos|#0*39)' };

function characters(text: string): string {
  let source = '';
  for (const c of text) source += /^[a-zA-Z0-9]$/.test(c) ? c : `(?:${ways(c).join('|')})`;
  return source;
}

/** The spellings of one character; the letters and digits of ASCII are written as they are by every encoder in use. */
function ways(c: string): string[] {
  const code = c.codePointAt(0) as number;
  const units = Array.from({ length: c.length }, (_, i) => `${ESCAPED}u${digits(c.charCodeAt(i).toString(16).padStart(4, '0'))}`);
  const found = [units.join(''), percent(c), `&#x0*${digits(code.toString(16))};`, `&#0*${code};`];
  if (code < 256) found.push(`${ESCAPED}x${digits(code.toString(16).padStart(2, '0'))}`);
  if (CONTROL[c]) found.push(`${ESCAPED}${CONTROL[c]}`);
  if (ENTITY[c]) found.push(`&${ENTITY[c]};`);
  if (c === ' ') found.push('\\+');
  // a URL's path takes a backslash for a slash
  if (c === '\\') found.push(ESCAPED, '\\/');
  else found.push(code < 128 ? `\\\\*${literal(c)}` : literal(c));
  return found;
}

/** Percent encoding, of a percent sign too: `%2F`, `%252f`. A lone surrogate has none: it becomes U+FFFD. */
const percent = (c: string) => [...Buffer.from(c)].map((byte) => `%(?:25)*${digits(byte.toString(16).padStart(2, '0'))}`).join('');

/** Bytes may stand apart, as in dumps and fingerprints. */
const hex = (bytes: Buffer) =>
  run(
    [...bytes].map((byte) => digits(byte.toString(16).padStart(2, '0'))),
    '[\\s:-]?',
    '[0-9a-fA-F]{2}',
  );

/** Line breaks of encoded text, as they are or escaped. */
const BREAK = '(?:[\\r\\n]|\\\\+[rn])*';
const PLUS = `(?:[+-]|%(?:25)*2[bB]|${ESCAPED}u002[bB])`;
const SLASH = `(?:\\\\*[/_]|%(?:25)*2[fF]|${ESCAPED}u002[fF])`;

const base64 = (bytes: Buffer, offset: number) =>
  run(
    [...core(bytes, offset)].map((c) => (c === '+' ? PLUS : c === '/' ? SLASH : c)),
    BREAK,
    `(?:[a-zA-Z0-9]|${PLUS}|${SLASH})`,
  );

/** Units of an end of a long run that are compared each by itself. */
const END = 24;

/** Units one behind another. Of a long run only both ends are spelled out: an expression of every unit takes long to compile. */
function run(units: readonly string[], between: string, any: string): string {
  const middle = units.length - 2 * END;
  if (middle <= END) return units.join(between);
  return `${units.slice(0, END).join(between)}${between}(?:${any}${between}){${middle}}${units.slice(-END).join(between)}`;
}

/** The letters of base64 that the bytes alone decide, where `offset` other bytes stand before them in a group of three. */
function core(bytes: Buffer, offset: number): string {
  const text = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64');
  return text.slice(Math.ceil((offset * 8) / 6), Math.floor(((offset + bytes.length) * 8) / 6));
}
