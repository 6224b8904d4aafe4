import type { Tool } from '../../ports/tool.ts';
import type { Embedder } from '../ranking/embedder.ts';
import { Ranking, unheld } from '../ranking/tools.ts';
import { ToolVectors } from './tool-vectors.ts';

/** Ranks the tools of a gateway by words, and by vectors where there is an embedder. */
export class ToolSearch {
  readonly #vectors: ToolVectors | undefined;
  readonly #shown = new WeakMap<readonly Tool[], readonly Tool[]>();
  readonly #rankings = new WeakMap<readonly Tool[], Ranking>();

  constructor(embedder?: Embedder) {
    this.#vectors = embedder && new ToolVectors(embedder);
  }

  /** Begins to make the vectors of these tools, until it is closed. */
  prepare(tools: readonly Tool[], closed: AbortSignal): void {
    this.#vectors?.prepare(this.#unheld(tools), closed);
  }

  /** The best, best first. `tools` is the same list while nothing has changed. */
  async best(tools: readonly Tool[], query: string, limit: number): Promise<readonly Tool[]> {
    const shown = this.#unheld(tools);
    const nearness = await this.#vectors?.nearness(shown, query);
    const ranking = kept(this.#rankings, shown, () => new Ranking(shown));
    return nearness ? ranking.nearest(query, nearness, limit) : ranking.best(query, limit);
  }

  #unheld(tools: readonly Tool[]): readonly Tool[] {
    return kept(this.#shown, tools, () => unheld(tools));
  }
}

function kept<V>(map: WeakMap<readonly Tool[], V>, key: readonly Tool[], make: () => V): V {
  const value = map.get(key) ?? make();
  map.set(key, value);
  return value;
}
