/**
 * Ranks things by the words of a query: BM25 over their texts, some of which count more. It is written here because a library (minisearch is a good
 * one) would be one more package for each user to install, and would still need the splitting of names below.
 */

import { COMMON, stem } from './stems.ts';

/** The usual constants: how fast a repeated word counts less, and how much a long text counts less. */
const K = 1.2;
const B = 0.75;
/** How much a word counts that only begins with that of the query, or that it begins with. */
const ALIKE = 0.5;
/** Letters that such a beginning has at least. */
const BEGINNING = { ofQuery: 3, ofItem: 4 };
/** More words of a query are not looked at. */
const MOST_QUERY = 64;

/** A text of something, and how much its words count. */
export type Weighed = readonly [text: string, weight: number];

export class Words<T> {
  readonly #items: readonly T[];
  /** More words of one text are not looked at. */
  readonly #most: number;
  /** By word: the weighted count in each item that has it, by its index. */
  readonly #words = new Map<string, Map<number, number>>();
  readonly #lengths: number[] = [];
  #average = 1;

  constructor(items: readonly T[], textsOf: (item: T) => readonly Weighed[], most: number) {
    this.#items = items;
    this.#most = most;
    for (const [i, item] of items.entries()) for (const [text, weight] of textsOf(item)) this.#add(i, text, weight);
    const sum = this.#lengths.reduce((a, b) => a + b, 0);
    if (sum > 0) this.#average = sum / this.#lengths.length;
  }

  /** Those that have a word of the query, best first; equally good ones in the order of the list. */
  best(query: string, limit: number): readonly T[] {
    return this.scored(query)
      .slice(0, limit)
      .map(([item]) => item);
  }

  /** As `best`, all of them with their scores. */
  protected scored(query: string): readonly (readonly [item: T, score: number])[] {
    const scores = new Map<number, number>();
    for (const word of askedOf(query)) for (const [item, score] of this.#scoresOf(word)) scores.set(item, (scores.get(item) ?? 0) + score);
    return [...scores].toSorted(([i, a], [j, b]) => b - a || i - j).map(([i, score]) => [this.#items[i] as T, score]);
  }

  /** Of each item for one word: the best of the word itself, of words that begin with it, and of those it begins with. */
  #scoresOf(word: string): Map<number, number> {
    const scores = new Map<number, number>();
    for (const [other, counts] of this.#words) {
      const alike = other === word ? 1 : begins(word, other) ? ALIKE : 0;
      if (alike === 0) continue;
      const rarity = Math.log(1 + (this.#items.length - counts.size + 0.5) / (counts.size + 0.5));
      for (const [item, count] of counts) {
        const long = 1 - B + (B * (this.#lengths[item] as number)) / this.#average;
        const score = (alike * rarity * count * (K + 1)) / (count + K * long);
        scores.set(item, Math.max(scores.get(item) ?? 0, score));
      }
    }
    return scores;
  }

  #add(item: number, text: string, weight: number): void {
    for (const word of wordsOf(text, this.#most).map(stem)) {
      let counts = this.#words.get(word);
      if (!counts) {
        counts = new Map();
        this.#words.set(word, counts);
      }
      counts.set(item, (counts.get(item) ?? 0) + weight);
      this.#lengths[item] = (this.#lengths[item] ?? 0) + weight;
    }
    this.#lengths[item] ??= 0;
  }
}

const begins = (word: string, other: string) =>
  (word.length >= BEGINNING.ofQuery && other.startsWith(word)) || (other.length >= BEGINNING.ofItem && word.startsWith(other));

/** The different words of a query that say what is looked for. A query of common words alone is searched for as it is. */
function askedOf(query: string): readonly string[] {
  const all = wordsOf(query, MOST_QUERY);
  const telling = all.filter((word) => !COMMON.has(word));
  return [...new Set((telling.length > 0 ? telling : all).map(stem))];
}

/** In lower case; `createPullRequest` and `create_pull_request` are three words each. */
export function wordsOf(text: string, most: number): string[] {
  const split = text.slice(0, most * 16).replace(/(\p{Ll}|\p{N})(\p{Lu})/gu, '$1 $2');
  return (split.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []).slice(0, most);
}
