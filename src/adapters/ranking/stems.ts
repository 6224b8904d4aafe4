/** English words that are in most texts: they make a search slow, and find nothing. */
export const COMMON: ReadonlySet<string> = new Set(
  `a about after all am an and any are as at be because been before but by can could did do does for from had has have he her him his how i if in into is it
  its just me my no not of on or our out she should so some than that the their them then there these they this to us was we were what when where which who whom
  whose why will with would you your s t d ll m re ve`.split(/\s+/),
);

/** Endings of English words, the longest first, and how many letters must be left without one. */
const ENDINGS: readonly (readonly [ending: string, left: number])[] = [
  ['ization', 3],
  ['ations', 4],
  ['ation', 4],
  ['ments', 3],
  ['ional', 4],
  ['ingly', 4],
  ['ment', 4],
  ['ing', 3],
  ['ers', 4],
  ['ion', 4],
  ['ive', 4],
  ['ed', 3],
  ['er', 4],
  ['ly', 4],
  ['al', 5],
];

/** What the forms of an English word have in common, roughly: `payments` and `payment`, `translate` and `translation`. */
export function stem(word: string): string {
  const one = singular(word);
  const ending = ENDINGS.find(([end, left]) => one.endsWith(end) && one.length - end.length >= left)?.[0] ?? '';
  let rest = ending === '' ? one : one.slice(0, -ending.length);
  // shipped, running
  if (rest.length > 3 && rest.at(-1) === rest.at(-2) && /[bdgmnprt]$/.test(rest)) rest = rest.slice(0, -1);
  if (rest.length > 4 && rest.endsWith('e')) rest = rest.slice(0, -1);
  return rest.length > 3 && rest.endsWith('y') ? `${rest.slice(0, -1)}i` : rest;
}

function singular(word: string): string {
  if (word.length > 4 && word.endsWith('ies')) return `${word.slice(0, -3)}y`;
  return word.length > 3 && word.endsWith('s') && !/[sui]s$/.test(word) ? word.slice(0, -1) : word;
}
