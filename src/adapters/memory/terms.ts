/** The words of a text, for the full-text index. */
import { COMMON } from '../ranking/stems.ts';

/**
 * Scripts that are written without spaces, or that join particles to words: a run of them is indexed by its characters and its pairs of
 * characters, as SQLite would take it for one word.
 */
const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}ー]+/gu;
const WORD = /[\p{L}\p{N}\p{M}\p{Co}]+/gu;
/** Most different words of a query. More would make a search slow, and no better. */
const MOST = 64;

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
  // a query of common words alone is searched for as it is
  const telling = all.filter((word) => !COMMON.has(word));
  return (telling.length > 0 ? telling : all).slice(0, MOST);
}

/** The namespace of a record, as a word of its row in the index. */
export const placeOf = (namespace: number): string => `n${namespace}`;
