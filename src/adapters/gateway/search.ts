import { joining } from '../../flight.ts';
import { definition } from '../../loop/tool.ts';
import type { Tool } from '../../ports/tool.ts';
import { inTime } from '../../reliability/patience.ts';
import { BATCH, type Embedder, product, vectorsOf } from '../ranking/embedder.ts';
import { fused } from '../ranking/fusion.ts';
import { Ranking } from '../ranking/tools.ts';

/** How many tools each ranking gives to the fusion. */
const DEPTH = 50;
/** Milliseconds that a search waits for vectors. Without them, words decide. */
const PATIENCE = 5_000;
/** Milliseconds for the vectors of one batch of tools. A model that never answers is asked again by a later search. */
const LONGEST = 60_000;
const HALF = 1;

/** Ranks the tools of a gateway by words, and by vectors where there is an embedder. */
export class ToolSearch {
  readonly #embedder: Embedder | undefined;
  readonly #words = new WeakMap<readonly Tool[], Ranking>();
  /** By the tool, which stays the same while its declaration does. */
  readonly #vectors = new WeakMap<Tool, Float32Array>();
  readonly #join = joining<undefined, void>();
  #warned = false;

  constructor(embedder?: Embedder) {
    this.#embedder = embedder;
  }

  /** The best, best first. `tools` is the same list while nothing has changed. */
  async best(tools: readonly Tool[], query: string, limit: number): Promise<readonly Tool[]> {
    let words = this.#words.get(tools);
    if (!words) {
      words = new Ranking(tools);
      this.#words.set(tools, words);
    }
    if (!this.#embedder) return words.best(query, limit);
    const near = await this.#nearest(this.#embedder, tools, query);
    if (!near) return words.best(query, limit);
    const byWords = words.best(query, DEPTH);
    return [...new Set([...byWords, ...near])]
      .map((tool) => ({ tool, score: fused([placed(byWords, tool), placed(near, tool)]) }))
      .toSorted((a, b) => b.score - a.score)
      .slice(0, limit)
      .map(({ tool }) => tool);
  }

  /** The tools nearest to the query; undefined, with a warning, if the model failed or took too long. */
  async #nearest(embedder: Embedder, tools: readonly Tool[], query: string): Promise<readonly Tool[] | undefined> {
    try {
      const made = async () => {
        const working = this.#join(undefined, () => this.#catchUp(embedder, tools));
        const [[vector]] = await Promise.all([vectorsOf(embedder, [query]), working]);
        return vector as Float32Array;
      };
      const asked = await inTime(made(), PATIENCE, `the embedder ${embedder.name}`);
      const near = tools.flatMap((tool) => {
        const own = this.#vectors.get(tool);
        return own?.length === asked.length ? [{ tool, cosine: product(own, 0, asked, 0, asked.length) }] : [];
      });
      return near
        .toSorted((a, b) => b.cosine - a.cosine)
        .slice(0, DEPTH)
        .map(({ tool }) => tool);
    } catch (error) {
      if (!this.#warned)
        process.emitWarning(
          `The embedder ${embedder.name} failed: ${error instanceof Error ? error.message : String(error)}. Tools are found by their words until it works again.`,
          'RondoWarning',
        );
      this.#warned = true;
      return undefined;
    }
  }

  async #catchUp(embedder: Embedder, tools: readonly Tool[]): Promise<void> {
    const fresh = tools.filter((tool) => !this.#vectors.has(tool) && definition(tool).held === undefined);
    for (let i = 0; i < fresh.length; i += BATCH) {
      const some = fresh.slice(i, i + BATCH);
      const vectors = await inTime(vectorsOf(embedder, some.map(textOf)), LONGEST, `the embedder ${embedder.name}`);
      for (const [k, tool] of some.entries()) this.#vectors.set(tool, vectors[k] as Float32Array);
    }
  }
}

const placed = (list: readonly Tool[], tool: Tool) => {
  const place = list.indexOf(tool);
  return { weight: HALF, place: place < 0 ? undefined : place + 1 };
};

/** What is known of a tool, as a text for a model. */
function textOf(tool: Tool): string {
  const parameters = Object.keys(definition(tool).spec.input.properties ?? {});
  return `${tool.name.replaceAll('_', ' ')}. ${tool.description.slice(0, 2_000)}${parameters.length > 0 ? ` (${parameters.join(', ')})` : ''}`;
}
