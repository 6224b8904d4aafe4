/**
 * Ranks tools by the words of a query: BM25 over names, descriptions and parameters. It is written here because a library
 * (minisearch is a good one) would be one more package for each user to install, and would still need the splitting of names below.
 */
import { definition } from '../../loop/tool.ts';
import type { Tool } from '../../ports/tool.ts';

/** The usual constants: how fast a repeated word counts less, and how much a long text counts less. */
const K = 1.2;
const B = 0.75;
/** How much a word counts, by where it is. */
const WEIGHT = { name: 3, description: 1, parameters: 0.5, beginning: 0.5 };
/** More words of a query, or of a tool, are not looked at. */
const MOST = { query: 64, tool: 500 };

export class Ranking {
  readonly #tools: readonly Tool[];
  /** By word: the weighted count in each tool that has it, by the index of the tool. */
  readonly #words = new Map<string, Map<number, number>>();
  readonly #lengths: number[] = [];
  #average = 1;

  constructor(tools: readonly Tool[]) {
    this.#tools = tools.filter((tool) => definition(tool).held === undefined);
    for (const [i, tool] of this.#tools.entries()) {
      this.#add(i, tool.name, WEIGHT.name);
      this.#add(i, tool.description, WEIGHT.description);
      for (const [name, value] of Object.entries(definition(tool).spec.input.properties ?? {})) {
        const { description } = (value ?? {}) as { description?: unknown };
        this.#add(i, typeof description === 'string' ? `${name} ${description}` : name, WEIGHT.parameters);
      }
    }
    const sum = this.#lengths.reduce((a, b) => a + b, 0);
    if (sum > 0) this.#average = sum / this.#lengths.length;
  }

  /** The tools that have a word of the query, best first; equally good ones in the order of the list. */
  best(query: string, limit: number): readonly Tool[] {
    const scores = new Map<number, number>();
    for (const word of new Set(wordsOf(query, MOST.query)))
      for (const [tool, score] of this.#scoresOf(word)) scores.set(tool, (scores.get(tool) ?? 0) + score);
    return [...scores]
      .toSorted(([i, a], [j, b]) => b - a || i - j)
      .slice(0, limit)
      .map(([i]) => this.#tools[i] as Tool);
  }

  /** Of each tool for one word: the best of the word itself and of words that begin with it. */
  #scoresOf(word: string): Map<number, number> {
    const scores = new Map<number, number>();
    for (const [other, counts] of this.#words) {
      const alike = other === word ? 1 : word.length > 2 && other.startsWith(word) ? WEIGHT.beginning : 0;
      if (alike === 0) continue;
      const rarity = Math.log(1 + (this.#tools.length - counts.size + 0.5) / (counts.size + 0.5));
      for (const [tool, count] of counts) {
        const long = 1 - B + (B * (this.#lengths[tool] as number)) / this.#average;
        const score = (alike * rarity * count * (K + 1)) / (count + K * long);
        scores.set(tool, Math.max(scores.get(tool) ?? 0, score));
      }
    }
    return scores;
  }

  #add(tool: number, text: string, weight: number): void {
    for (const word of wordsOf(text, MOST.tool)) {
      let counts = this.#words.get(word);
      if (!counts) {
        counts = new Map();
        this.#words.set(word, counts);
      }
      counts.set(tool, (counts.get(tool) ?? 0) + weight);
      this.#lengths[tool] = (this.#lengths[tool] ?? 0) + weight;
    }
    this.#lengths[tool] ??= 0;
  }
}

/** In lower case and the singular; `createPullRequest` and `create_pull_request` are three words each. */
function wordsOf(text: string, most: number): string[] {
  const split = text.slice(0, most * 16).replace(/(\p{Ll}|\p{N})(\p{Lu})/gu, '$1 $2');
  const words = split.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  return words.slice(0, most).map(singular);
}

function singular(word: string): string {
  if (word.length > 4 && word.endsWith('ies')) return `${word.slice(0, -3)}y`;
  return word.length > 3 && word.endsWith('s') && !word.endsWith('ss') ? word.slice(0, -1) : word;
}
