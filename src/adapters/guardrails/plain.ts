/** A text as its reader takes it: other scripts' digits, wide letters, odd spaces and dashes as their plain forms, and nothing invisible. */

export interface Plain {
  readonly text: string;
  /** Where a part of the plain text is in the original. */
  from(start: number): number;
  to(end: number): number;
}

const same = (at: number) => at;
const NOT_ASCII = /[\u0080-\u{10ffff}]/u;
const DIGIT = /^\p{Nd}$/u;
const INVISIBLE = /^(?:[\p{Cf}\p{Variation_Selector}\u115f\u1160\u3164\uffa0]|\u034f)$/u;
const DASH = /^[\p{Pd}\u2212]$/u;
const SPACE = /^\p{Zs}$/u;

const known = new Map<string, string>();

export function plain(original: string): Plain {
  if (!NOT_ASCII.test(original)) return { text: original, from: same, to: same };
  let text = '';
  // of each unit of the plain text, where its character begins and ends
  const starts: number[] = [];
  const ends: number[] = [];
  let at = 0;
  for (const character of original) {
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
  let form = known.get(character);
  if (form === undefined) {
    form = made(character);
    if (known.size < 10_000) known.set(character, form);
  }
  return form;
}

function made(character: string): string {
  if (INVISIBLE.test(character)) return '';
  if (DASH.test(character)) return '-';
  if (SPACE.test(character)) return ' ';
  const form = character.normalize('NFKC');
  if (!DIGIT.test(form) || form <= '\x7f') return form;
  // the digits of a script follow each other, from zero on
  const code = form.codePointAt(0) as number;
  let zero = code;
  while (code - zero < 9 && DIGIT.test(String.fromCodePoint(zero - 1))) zero--;
  return String(code - zero);
}
