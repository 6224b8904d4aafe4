import type { Tool } from '../../ports/tool.ts';
import type { Embedder } from '../ranking/embedder.ts';
import { Ranking } from '../ranking/tools.ts';
import { ToolVectors } from './tool-vectors.ts';

/** Ranks the tools of a gateway by words, and by vectors where there is an embedder. */
export class ToolSearch {
  readonly #vectors: ToolVectors | undefined;
  readonly #rankings = new WeakMap<readonly Tool[], Ranking>();

  constructor(embedder?: Embedder) {
    this.#vectors = embedder && new ToolVectors(embedder);
  }

  /** Begins to make the vectors of these tools, until it is closed. */
  prepare(tools: readonly Tool[], closed: AbortSignal): void {
    this.#vectors?.prepare(this.#ranking(tools).tools, closed);
  }

  /** The best, best first. `tools` is the same list while nothing has changed. */
  async best(tools: readonly Tool[], query: string, limit: number): Promise<readonly Tool[]> {
    const ranking = this.#ranking(tools);
    const nearness = await this.#vectors?.nearness(ranking.tools, query);
    return nearness ? ranking.nearest(query, nearness, limit) : ranking.best(query, limit);
  }

  #ranking(tools: readonly Tool[]): Ranking {
    let ranking = this.#rankings.get(tools);
    if (!ranking) {
      ranking = new Ranking(tools);
      this.#rankings.set(tools, ranking);
    }
    return ranking;
  }
}
