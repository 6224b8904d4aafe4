/** Finds personal data and secrets in a plain text (`plain.ts`). Each takes time proportional to the text, whatever it is. */
import { isIP, isIPv6 } from 'node:net';
import { ibanLength, isIban } from './checksums.ts';
import { keys, namedKeys } from './keys.ts';
import type { Match } from './match.ts';
import { cards, phones, type Run, runsOf, socialSecurity } from './numbers.ts';

export interface Found extends Match {
  category: Category;
}

type Recogniser = (text: string, runs: readonly Run[]) => Match[];

/** By category, those that say more about a text first: where two overlap, the first names it. */
const RECOGNISERS = {
  key: keys,
  iban: ibans,
  email: emails,
  card: cards,
  ssn: socialSecurity,
  mac: macs,
  ip: addresses,
  phone: phones,
  birthDate: birthDates,
} satisfies Record<string, Recogniser>;

export type Category = keyof typeof RECOGNISERS;
export const CATEGORIES = Object.keys(RECOGNISERS) as readonly Category[];

/**
 * What is in a text, in its order, without overlaps. Where two overlap, all that either covers is one.
 * @param field the name of what the text is the value of: a secret may be one by its name alone.
 */
export function recognised(text: string, categories: ReadonlySet<Category>, field?: string): Found[] {
  const numbers = categories.has('card') || categories.has('phone') || categories.has('ssn') ? runsOf(text) : [];
  const all = CATEGORIES.flatMap((category, rank) =>
    categories.has(category)
      ? [
          ...(RECOGNISERS[category] as Recogniser)(text, numbers),
          ...(category === 'key' && field !== undefined ? namedKeys(field, text) : []),
        ].map((match) => ({ ...match, category, rank }))
      : [],
  );
  all.sort((a, b) => a.start - b.start || b.end - a.end);
  const found: (Found & { rank: number })[] = [];
  for (const one of all) {
    const last = found.at(-1);
    if (!last || one.start >= last.end) {
      found.push(one);
      continue;
    }
    last.end = Math.max(last.end, one.end);
    if (one.rank < last.rank) Object.assign(last, { category: one.category, rank: one.rank });
  }
  return found;
}

const LOCAL = /[\p{L}\p{M}\p{N}.!#$%&'*+/=?^_`{|}~-]/u;
const DOMAIN = /^(?:[\p{L}\p{N}](?:[\p{L}\p{M}\p{N}-]{0,61}[\p{L}\p{M}\p{N}])?\.){1,126}(?:\p{L}[\p{L}\p{M}]{1,23}|xn--[a-z0-9-]{2,59})/iu;

function emails(text: string): Match[] {
  const found: Match[] = [];
  for (let at = text.indexOf('@'); at >= 0; at = text.indexOf('@', at + 1)) {
    let start = at;
    while (start > 0 && at - start < 64 && LOCAL.test(text[start - 1] as string)) start--;
    while (start < at && (text[start] === '.' || text[start] === "'")) start++;
    const domain = start < at && DOMAIN.exec(text.slice(at + 1, at + 1 + 255))?.[0];
    if (domain) found.push({ start, end: at + 1 + domain.length });
  }
  return found;
}

const COUNTRY = /(?<![A-Za-z0-9])[A-Za-z]{2}[ .-]?\d[ .-]?\d(?=[ .-]?[A-Za-z0-9])/g;

function ibans(text: string): Match[] {
  return [...text.matchAll(COUNTRY)].flatMap(({ index }) => {
    const length = ibanLength(text.slice(index, index + 2).toUpperCase());
    if (length === undefined) return [];
    let compact = '';
    let at = index;
    for (; compact.length < length; at++) {
      const c = text[at] ?? '';
      if (/[A-Za-z0-9]/.test(c)) compact += c.toUpperCase();
      else if (!/[ .-]/.test(c) || !/[A-Za-z0-9]/.test(text[at + 1] ?? '')) return [];
    }
    return !/[A-Za-z0-9]/.test(text[at] ?? '') && isIban(compact) ? [{ start: index, end: at }] : [];
  });
}

const MAC = /(?<![0-9A-Fa-f:-])[0-9A-Fa-f]{2}([:-])(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}(?![0-9A-Fa-f]|[:-][0-9A-Fa-f])/g;
const CISCO = /(?<![0-9A-Za-z.])[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}(?![0-9A-Za-z]|\.[0-9A-Za-z])/g;

function macs(text: string): Match[] {
  return [MAC, CISCO].flatMap((pattern) =>
    [...text.matchAll(pattern)].map(({ 0: mac, index }) => ({ start: index, end: index + mac.length })),
  );
}

const QUAD = /(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?!\.?\d)/g;
const HEX = /[0-9A-Fa-f:.]{3,}/g;
const LONGEST_IPV6 = 45;

function addresses(text: string): Match[] {
  const found: Match[] = [];
  for (const { 0: quad, index } of text.matchAll(QUAD)) if (isIP(quad) === 4) found.push({ start: index, end: index + quad.length });
  for (const { 0: run, index } of text.matchAll(HEX)) {
    // the end of a sentence
    const lead = /^:(?!:)/.test(run) ? 1 : 0;
    const address = run.slice(lead).replace(/[.:]$/, (end) => (run.endsWith('::') ? end : ''));
    const start = index + lead;
    const end = start + address.length;
    if (address.length > LONGEST_IPV6 || !isIPv6(address) || /\w/.test(text[start - 1] ?? ' ') || /\w/.test(text[end] ?? ' ')) continue;
    // `a::b` is more often code than an address
    if (address.replaceAll(':', '').length >= 4) found.push({ start, end });
  }
  return found;
}

const BORN = /(?<!\p{L})(?:born|birth(?:day|date)?|dob|d\.o\.b|geb|geboren|geburtsdatum|née?|nacimiento|nascita)(?!\p{L})/giu;
const DATE =
  /(?<!\d)(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/. ]{1,2}(?:\d{1,2}|[A-Za-z]{3,9})[-/., ]{1,2}(?:\d{4}|\d{2})|[A-Za-z]{3,9} \d{1,2},? \d{4})(?!\d)/;

/** A date close behind a word for birth: other dates are not about a person. */
function birthDates(text: string): Match[] {
  return [...text.matchAll(BORN)].flatMap(({ 0: word, index }) => {
    const from = index + word.length;
    const date = DATE.exec(text.slice(from, from + 40));
    return date ? [{ start: from + date.index, end: from + date.index + date[0].length }] : [];
  });
}
