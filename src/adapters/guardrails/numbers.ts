/**
 * Cards, phone numbers and social security numbers: digits in groups. A text is read once for its runs of digits, and each group begins a
 * bounded number of candidates, so the work is proportional to the text.
 */
import { cardLengths, isLuhn } from './checksums.ts';
import type { Match } from './match.ts';

interface Group {
  digits: string;
  start: number;
  end: number;
  /** What stands between the group before and this one. */
  before: string;
}
/** Groups of digits with at most three separators between two of them. */
export type Run = readonly Group[];

const SEPARATORS = ' -./()';
const MOST_SEPARATORS = 3;
const isDigit = (code: number) => code >= 48 && code <= 57;

export function runsOf(text: string): Run[] {
  const runs: Group[][] = [];
  let end = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < text.length; i++) {
    if (!isDigit(text.charCodeAt(i))) continue;
    const start = i;
    while (isDigit(text.charCodeAt(i + 1))) i++;
    const group = { digits: text.slice(start, i + 1), start, end: i + 1, before: '' };
    const between = start - end <= MOST_SEPARATORS ? text.slice(end, start) : undefined;
    const run = runs.at(-1);
    if (run && between !== undefined && [...between].every((c) => SEPARATORS.includes(c))) run.push({ ...group, before: between });
    else runs.push([group]);
    end = group.end;
  }
  return runs;
}

/** Neighbouring groups whose digits are at most so many, with those digits. */
function* windows(run: Run, from: number, most: number): Generator<{ digits: string; last: number }> {
  let digits = '';
  for (let last = from; last < run.length; last++) {
    digits += (run[last] as Group).digits;
    if (digits.length > most) return;
    yield { digits, last };
  }
}

const between = (run: Run, first: number, last: number): Match => ({ start: (run[first] as Group).start, end: (run[last] as Group).end });

export function cards(_: string, runs: readonly Run[]): Match[] {
  const found: Match[] = [];
  for (const run of runs) {
    const digits = run.map((group) => group.digits).join('');
    let from = 0;
    for (let first = 0; first < run.length; first++) {
      const last = lastOfCard(run, first, digits, from);
      const end = last ?? first;
      for (let i = first; i <= end; i++) from += (run[i] as Group).digits.length;
      if (last !== undefined) found.push(between(run, first, last));
      first = end;
    }
  }
  return found;
}

/** The last group of the longest card that begins with a group. It is written with one sign between its groups. */
function lastOfCard(run: Run, first: number, digits: string, from: number): number | undefined {
  const lengths = cardLengths(digits.slice(from, from + 4));
  if (lengths.size === 0) return undefined;
  let longest: number | undefined;
  let length = 0;
  for (let last = first; last < run.length; last++) {
    const group = run[last] as Group;
    length += group.digits.length;
    if (length > 19 || (last > first && group.before.length !== 1)) break;
    if (lengths.has(length) && isLuhn(digits.slice(from, from + length))) longest = last;
  }
  return longest;
}

/** Nine digits in groups of 3, 2 and 4 that the US has given, or may give, to a person. */
export function socialSecurity(_: string, runs: readonly Run[]): Match[] {
  const found: Match[] = [];
  for (const run of runs)
    for (let i = 0; i + 2 < run.length; i++) {
      const [area, group, serial] = [run[i], run[i + 1], run[i + 2]] as [Group, Group, Group];
      if (area.digits.length !== 3 || group.digits.length !== 2 || serial.digits.length !== 4) continue;
      if (group.before !== serial.before || (group.before !== '-' && group.before !== ' ')) continue;
      if (/^(000|666|9..)$/.test(area.digits) || group.digits === '00' || serial.digits === '0000') continue;
      found.push(between(run, i, i + 2));
    }
  return found;
}

/** International numbers with + or 00; national ones that begin with 0, or are written as in North America, with signs between groups. */
export function phones(text: string, runs: readonly Run[]): Match[] {
  return runs.flatMap((run) => {
    const found: Match[] = [];
    // a number begins the run, or stands behind another one
    let next = 0;
    for (let i = 0; i < run.length; i++) {
      const phone = international(text, run, i, i === next) ?? northAmerican(run, i) ?? national(text, run, i);
      if (!phone) continue;
      const open = text[phone.first.start - 1] === '(' || text[phone.first.start - 1] === '+' ? 1 : 0;
      found.push({ start: phone.first.start - open, end: (run[phone.last] as Group).end });
      i = phone.last;
      next = i + 1;
    }
    return found;
  });
}

const standsAlone = (text: string, { start }: Group) => !/[\p{L}_]/u.test(text[start - 1] ?? ' ');

interface Phone {
  first: Group;
  last: number;
}

function international(text: string, run: Run, i: number, begins: boolean): Phone | undefined {
  const first = run[i] as Group;
  const plus = text[first.start - 1] === '+';
  if (!plus && !(begins && /^00(?!0)/.test(first.digits) && standsAlone(text, first))) return undefined;
  const prefix = plus ? 0 : 2;
  let last: number | undefined;
  for (const one of windows(run, i, 15 + prefix)) if (one.digits.length >= 8 + prefix && one.digits[prefix] !== '0') last = one.last;
  return last === undefined ? undefined : { first, last };
}

function northAmerican(run: Run, i: number): Phone | undefined {
  const country = (run[i] as Group).digits === '1' ? 1 : 0;
  const [area, exchange, line] = [run[i + country], run[i + country + 1], run[i + country + 2]];
  if (!area || !exchange || !line) return undefined;
  const fits = /^[2-9]\d\d$/.test(area.digits) && /^[2-9]\d\d$/.test(exchange.digits) && line.digits.length === 4;
  return fits ? { first: run[i] as Group, last: i + country + 2 } : undefined;
}

/** Only a whole run: a longer list of numbers is none. */
function national(text: string, run: Run, i: number): Phone | undefined {
  const first = run[0] as Group;
  if (i > 0 || run.length < 2 || !/^0[1-9]/.test(first.digits) || !standsAlone(text, first)) return undefined;
  let count = 0;
  for (const { digits } of run) count += digits.length;
  // a date has eight digits at most
  return count >= 9 && count <= 12 ? { first, last: run.length - 1 } : undefined;
}
