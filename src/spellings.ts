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

/**
 * The backslashes before a character. A text of nothing but backslashes must not be gone through again from each of them, so at the start of a pattern
 * they begin where a run of them begins, and behind a backslash of the secret, which takes all that there are, there are none.
 */
interface Lead {
  /** One or more, and any number. */
  readonly some: string;
  readonly any: string;
}
const FIRST: Lead = { some: `(?<!\\\\)${ESCAPED}`, any: '(?:(?<!\\\\)\\\\*)?' };
const INNER: Lead = { some: ESCAPED, any: '\\\\*' };
const BEHIND: Lead = { some: '', any: '' };

function characters(text: string): string {
  let source = '';
  let lead = FIRST;
  // backslashes that follow each other are one unit, with what comes behind them
  for (const [unit, run, behind] of text.matchAll(/(\\+)([^\\a-zA-Z0-9])?|[^\\]/gu)) {
    if (run === undefined) source += character(unit, lead);
    else {
      const { raw, other } = backslashes(run.length, lead);
      source +=
        behind === undefined ? `(?:${raw}|${other})` : `(?:${raw}${character(behind, BEHIND)}|(?:${other})${character(behind, INNER)})`;
    }
    lead = INNER;
  }
  return source;
}

const character = (c: string, lead: Lead) =>
  /^[a-zA-Z0-9]$/.test(c) ? c : `(?:${[...ways(c, lead), `${lead.any}${literal(c)}`].join('|')})`;

/** A run of backslashes: as it is, which JSON makes longer, and in other encodings. A URL parser turns each into a slash. */
function backslashes(length: number, lead: Lead): { raw: string; other: string } {
  const other = ['\\/', ...ways('\\', lead)].map((way) => `(?:${way}){${length}}`).join('|');
  return { raw: `${lead === FIRST ? '(?<!\\\\)' : ''}\\\\{${length},}`, other };
}

/** The encodings of one character, but itself. Encoders leave ASCII letters and digits unchanged. */
function ways(c: string, { some }: Lead): string[] {
  const code = c.codePointAt(0) as number;
  const units = Array.from({ length: c.length }, (_, i) => `u${digits(c.charCodeAt(i).toString(16).padStart(4, '0'))}`);
  const found = [some + units.join(ESCAPED), percent(c), `&#x0*${digits(code.toString(16))};`, `&#0*${code};`];
  if (code < 256) found.push(`${some}x${digits(code.toString(16).padStart(2, '0'))}`);
  if (CONTROL[c]) found.push(`${some}${CONTROL[c]}`);
  if (ENTITY[c]) found.push(`&${ENTITY[c]};`);
  if (c === ' ') found.push('\\+');
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

/** Line breaks in encoded text, raw or escaped. A few: a text of nothing else must not be gone through again from each of them. */
const BREAK = '(?:[\\r\\n]|\\\\+[rn]){0,8}';
const plus = ({ some }: Lead) => `(?:[+-]|%(?:25)*2[bB]|${some}u002[bB])`;
const slash = ({ some, any }: Lead) => `(?:${any}[/_]|%(?:25)*2[fF]|${some}u002[fF])`;

const base64 = (bytes: Buffer, offset: number) =>
  run(
    [...core(bytes, offset)].map((c, i) => (c === '+' ? plus : c === '/' ? slash : () => c)(i === 0 ? FIRST : INNER)),
    BREAK,
    `(?:[a-zA-Z0-9]|${plus(INNER)}|${slash(INNER)})`,
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
