/** What is known without a model: what was said, sentence by sentence. */
import type { Found, Talk } from './types.ts';

/** Most characters of a record. */
export const LONGEST_TEXT = 16_000;
/** Most records of one event. */
export const MOST_FOUND = 100;

const splitter = new Intl.Segmenter(undefined, { granularity: 'sentence' });
const ASKED = /[?？؟]["'”’)\]]*$/u;

/** Each sentence that is not a question. */
export function sentencesOf(text: string): string[] {
  const found: string[] = [];
  for (const { segment } of splitter.segment(text)) {
    const sentence = segment.replace(/\s+/g, ' ').trim().slice(0, LONGEST_TEXT);
    if (/[\p{L}\p{N}]/u.test(sentence) && !ASKED.test(sentence)) found.push(sentence);
  }
  return found;
}

export const saidFacts = ({ lines }: Talk): Found[] =>
  lines
    .flatMap(({ text }) => sentencesOf(text))
    .slice(0, MOST_FOUND)
    .map((text) => ({ text: text.toWellFormed() }));

/** A text for comparison: letters and digits only, in lower case. */
export const plainOf = (text: string): string =>
  (
    text
      .normalize('NFKC')
      .toLowerCase()
      .match(/[\p{L}\p{N}\p{M}]+/gu) ?? [text]
  ).join(' ');
