/** Keys, tokens and passwords: by how providers begin them, by what names them, and by how random they look. */
import type { Match } from './match.ts';

/** Of a whole word of letters, digits, `_`, `-`, `.` and `+`. Each has one repeated class behind a fixed beginning. */
const KNOWN: readonly RegExp[] = [
  /^(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}$/,
  /^gh[pousr]_[A-Za-z0-9]{36,}$/,
  /^github_pat_\w{22,}$/,
  /^gl(?:pat|dt|rt|cbt|ptt)-[\w-]{20,}$/,
  /^(?:sk|rk|pk)[-_][\w-]{20,}$/,
  /^xox[abeoprs]-[A-Za-z0-9-]{10,}$/,
  /^xapp-[A-Za-z0-9-]{10,}$/,
  /^AIza[\w-]{35}$/,
  /^ya29\.[\w-]{20,}$/,
  /^npm_[A-Za-z0-9]{36}$/,
  /^pypi-[\w-]{50,}$/,
  /^hf_[A-Za-z0-9]{30,}$/,
  /^SG\.[\w-]{22}\.[\w-]{43}$/,
  /^whsec_\w{24,}$/,
  /^dop_v1_[0-9a-f]{64}$/,
  /^eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*$/,
];
const WORD = /[A-Za-z0-9_.+-]{16,}/g;
const BASE64 = /[A-Za-z0-9+/_=-]{32,}/g;
/** A name such as `password` or `api_key`, and what is assigned to it. */
const NAMED =
  /(?:pass(?:word|wd|phrase)?|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|bearer)["']?[ \t]{0,3}[:= ][ \t]{0,3}["']?([^\s"',;<>]{8,512})/gi;
const IN_URL = /:\/\/[^\s:@/]{0,128}:([^\s@/]{1,256})@/g;
const BEGIN = '-----BEGIN ';
const ENTROPY = 4.2;
/** Characters in which a value lies that is named before the text: quotes and spaces, and what `NAMED` takes of it. */
const LONGEST = 520;

export function keys(text: string): Match[] {
  const found: Match[] = blocks(text);
  for (const { 0: word, index } of text.matchAll(WORD)) {
    const end = word.replace(/[.+-]+$/, '').length;
    if (KNOWN.some((known) => known.test(word.slice(0, end)))) found.push({ start: index, end: index + end });
  }
  for (const { 0: word, index } of text.matchAll(BASE64)) if (isRandom(word)) found.push({ start: index, end: index + word.length });
  return [...found, ...assigned(text, NAMED), ...assigned(text, IN_URL)];
}

function assigned(text: string, pattern: RegExp): Match[] {
  const found: Match[] = [];
  for (const { 0: all, 1: value = '', index } of text.matchAll(pattern)) {
    // in prose, a word follows: `token holders`
    if (pattern === NAMED && !/[\d!@#$%^&*+=/_-]/.test(value)) continue;
    const start = index + all.lastIndexOf(value);
    found.push({ start, end: start + value.length });
  }
  return found;
}

/** What the name of a field says to be a secret, in the text that is its value: `keys` finds what the text says by itself. */
export function namedKeys(field: string, text: string): Match[] {
  // the end is enough, and a list of many texts has one name
  const name = `${field.slice(-40)}: `;
  const lead = name.length;
  return assigned(name + text.slice(0, LONGEST), NAMED).flatMap(({ start, end }) =>
    end > lead ? [{ start: Math.max(0, start - lead), end: end - lead }] : [],
  );
}

/** Private keys in PEM. One whose end is missing goes on to the end of the text. */
function blocks(text: string): Match[] {
  const found: Match[] = [];
  for (let at = text.indexOf(BEGIN); at >= 0; ) {
    if (!/PRIVATE KEY(?: BLOCK)?-----/.test(text.slice(at, at + 60))) {
      at = text.indexOf(BEGIN, at + 1);
      continue;
    }
    const close = text.indexOf('-----END ', at);
    const line = close < 0 ? -1 : text.indexOf('-----', close + 9);
    const end = line < 0 ? text.length : line + 5;
    found.push({ start: at, end });
    at = text.indexOf(BEGIN, end);
  }
  return found;
}

/** Letters of both cases and digits, mixed so that few of them repeat. Hashes in hex, paths and words are not so. */
function isRandom(word: string): boolean {
  if (!/[a-z]/.test(word) || !/[A-Z]/.test(word) || !/\d/.test(word)) return false;
  const counts = new Map<string, number>();
  // the beginning is enough
  const head = word.slice(0, 512);
  for (const c of head) counts.set(c, (counts.get(c) ?? 0) + 1);
  let entropy = 0;
  for (const count of counts.values()) entropy -= (count / head.length) * Math.log2(count / head.length);
  return entropy >= ENTROPY && !/[a-z]{8,}/.test(head);
}
