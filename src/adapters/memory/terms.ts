/** The words of a text, for the full-text index. */

/**
 * Scripts that are written without spaces, or that join particles to words: a run of them is indexed by its characters and its pairs of
 * characters, as SQLite would take it for one word.
 */
const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}ー]+/gu;
const WORD = /[\p{L}\p{N}\p{M}\p{Co}]+/gu;
/** Most different words of a query. More would make a search slow, and no better. */
const MOST = 64;

/** English words that are in most texts: they make a search slow, and find nothing. A query of these alone is searched for as it is. */
const COMMON = new Set(
  `a about after all am an and any are as at be because been before but by can could did do does for from had has have he her him his how i if in into is it
  its just me my no not of on or our out she should so some than that the their them then there these they this to us was we were what when where which who
  whom whose why will with would you your s t d ll m re ve`.split(/\s+/),
);

const plain = (text: string) => text.normalize('NFKC').toLowerCase();

function pairs(run: string): string[] {
  const chars = [...run];
  return chars.slice(1).map((char, i) => `${chars[i]}${char}`);
}

/** What is indexed of a text. */
export const indexed = (text: string): string => plain(text).replace(UNSPACED, (run) => ` ${[...run, ...pairs(run)].join(' ')} `);

/** The different words to look for. */
export function wordsOf(text: string): string[] {
  const said = plain(text).replace(UNSPACED, (run) => ` ${[...run].length === 1 ? run : pairs(run).join(' ')} `);
  const all = [...new Set(said.match(WORD))];
  const telling = all.filter((word) => !COMMON.has(word));
  return (telling.length > 0 ? telling : all).slice(0, MOST);
}

/** The namespace of a record, as a word of its row in the index. */
export const placeOf = (namespace: number): string => `n${namespace}`;
