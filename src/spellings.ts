/**
 * The encodings in which a text may be repeated: JSON escapes, nested and in any style (`\u00fc`, `\/`, `\u003c`), percent encoding of
 * some or all characters, in either case and repeated, HTML entities, hex, and base64 at any offset, with line breaks.
 */

/** Shorter texts are not searched in base64 and hex, because so few characters would match by chance. */
const SHORTEST_ENCODED = 6;

/** The source of a regular expression that matches every encoding of a non-empty text. */
export function spellings(text: string): string {
  const bytes = Buffer.from(text);
  const ways = [characters(text)];
  if (bytes.length >= SHORTEST_ENCODED) ways.push(hex(bytes), ...[0, 1, 2].map((offset) => base64(bytes, offset)));
  return ways.map((way) => `(?:${way})`).join('|');
}

/** Encodings as plain strings, to find out whether the end of a text may be the start of one. */
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

/** The encodings of one character. Encoders leave ASCII letters and digits unchanged. */
function ways(c: string): string[] {
  const code = c.codePointAt(0) as number;
  const units = Array.from({ length: c.length }, (_, i) => `${ESCAPED}u${digits(c.charCodeAt(i).toString(16).padStart(4, '0'))}`);
  const found = [units.join(''), percent(c), `&#x0*${digits(code.toString(16))};`, `&#0*${code};`];
  if (code < 256) found.push(`${ESCAPED}x${digits(code.toString(16).padStart(2, '0'))}`);
  if (CONTROL[c]) found.push(`${ESCAPED}${CONTROL[c]}`);
  if (ENTITY[c]) found.push(`&${ENTITY[c]};`);
  if (c === ' ') found.push('\\+');
  // a URL parser turns a backslash into a slash
  if (c === '\\') found.push(ESCAPED, '\\/');
  else found.push(code < 128 ? `\\\\*${literal(c)}` : literal(c));
  return found;
}

/** Percent encoding, also repeated: `%2F`, `%252f`. A lone surrogate is encoded as U+FFFD. */
const percent = (c: string) => [...Buffer.from(c)].map((byte) => `%(?:25)*${digits(byte.toString(16).padStart(2, '0'))}`).join('');

/** Hexadecimal bytes, with optional separators as in dumps and fingerprints. */
const hex = (bytes: Buffer) =>
  run(
    [...bytes].map((byte) => digits(byte.toString(16).padStart(2, '0'))),
    '[\\s:-]?',
    '[0-9a-fA-F]{2}',
  );

/** Line breaks in encoded text, raw or escaped. */
const BREAK = '(?:[\\r\\n]|\\\\+[rn])*';
const PLUS = `(?:[+-]|%(?:25)*2[bB]|${ESCAPED}u002[bB])`;
const SLASH = `(?:\\\\*[/_]|%(?:25)*2[fF]|${ESCAPED}u002[fF])`;

const base64 = (bytes: Buffer, offset: number) =>
  run(
    [...core(bytes, offset)].map((c) => (c === '+' ? PLUS : c === '/' ? SLASH : c)),
    BREAK,
    `(?:[a-zA-Z0-9]|${PLUS}|${SLASH})`,
  );

/** Units at each end of a long run that are matched one by one. */
const END = 24;

/** A pattern for consecutive units. For a long run only both ends are exact, because a pattern of all units is slow to compile. */
function run(units: readonly string[], between: string, any: string): string {
  const middle = units.length - 2 * END;
  if (middle <= END) return units.join(between);
  return `${units.slice(0, END).join(between)}${between}(?:${any}${between}){${middle}}${units.slice(-END).join(between)}`;
}

/** The base64 characters that depend on these bytes only, if `offset` other bytes precede them in a group of three. */
function core(bytes: Buffer, offset: number): string {
  const text = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64');
  return text.slice(Math.ceil((offset * 8) / 6), Math.floor(((offset + bytes.length) * 8) / 6));
}
