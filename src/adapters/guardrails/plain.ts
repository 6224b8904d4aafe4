/**
 * A text as its reader takes it: letters with their accents in one, other scripts' digits, wide letters, odd spaces and dashes as their plain
 * forms, and nothing invisible.
 */

export interface Plain {
  readonly text: string;
  /** Where a part of the plain text is in the original. */
  from(start: number): number;
  to(end: number): number;
}

const same = (at: number) => at;
const NOT_ASCII = /[\u0080-\u{10ffff}]/u;
/** A character with the accents that stand behind it, as macOS writes names of files. */
const CHARACTER = /\P{M}\p{M}*|\p{M}+/gsu;
const MARK = /\p{M}/u;
/** More accents on one character are left out: putting them in order takes time that grows with the square of their number. */
const MOST_MARKS = 8;
const DIGIT = /^\p{Nd}$/u;
const LETTER = /^\p{L}/u;
const INVISIBLE = /[\p{Cf}\p{Variation_Selector}\u115f\u1160\u3164\uffa0]|\u034f/gu;
const DASH = /^[\p{Pd}\u2212]/u;
const SPACE = /^\p{Zs}/u;

const known = new Map<string, string>();
/** Units of a character whose form is remembered. */
const LONGEST_KNOWN = 8;

export function plain(original: string): Plain {
  if (!NOT_ASCII.test(original)) return { text: original, from: same, to: same };
  let text = '';
  // of each unit of the plain text, where its character begins and ends
  const starts: number[] = [];
  const ends: number[] = [];
  let at = 0;
  for (const [character] of original.matchAll(CHARACTER)) {
    const told = character.length === 1 && character <= '\x7f' ? character : formOf(character);
    for (let i = 0; i < told.length; i++) {
      starts.push(at);
      ends.push(at + character.length);
    }
    text += told;
    at += character.length;
  }
  return { text, from: (start) => starts[start] ?? at, to: (end) => (end === 0 ? 0 : (ends[end - 1] ?? at)) };
}

function formOf(character: string): string {
  if (character.length > LONGEST_KNOWN) return made(character);
  let form = known.get(character);
  if (form === undefined) {
    form = made(character);
    if (known.size < 10_000) known.set(character, form);
  }
  return form;
}

function made(character: string): string {
  const visible = [...character.replace(INVISIBLE, '')];
  const [base] = visible;
  if (base === undefined) return '';
  if (DASH.test(base)) return '-';
  if (SPACE.test(base)) return ' ';
  const form = visible
    .slice(0, MOST_MARKS + 1)
    .join('')
    .normalize('NFKC');
  // an accent is a part of a letter, and only hides anything else
  if (LETTER.test(form) || MARK.test(base)) return form;
  const alone = base.normalize('NFKC');
  if (!DIGIT.test(alone) || alone <= '\x7f') return alone;
  // the digits of a script follow each other, from zero on
  const code = alone.codePointAt(0) as number;
  let zero = code;
  while (code - zero < 9 && DIGIT.test(String.fromCodePoint(zero - 1))) zero--;
  return String(code - zero);
}
