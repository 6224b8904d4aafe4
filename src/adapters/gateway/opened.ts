import type { OpenedSource, Tool } from '../../ports/tool.ts';
import { bounded } from '../../reliability/classify.ts';
import { type Catalogue, catalogue } from './catalogue.ts';
import { beginningIn, nameIn } from './names.ts';
import type { GatewayTool, Offered } from './offered.ts';
import type { Offer, Target } from './target.ts';

/** Tools that are looked at to find one by what a shortened name still has of its name. */
const MOST_ALIKE = 100;

/** The targets of a gateway, opened for all callers or for one. */
export class OpenedTargets implements OpenedSource {
  readonly #where: string;
  readonly #agents: readonly GatewayTool[];
  readonly #targets: readonly { offered: Offered; target: Target }[];
  #listener: (() => void) | undefined;
  #known: { offers: readonly Offer[]; catalogue: Catalogue } | undefined;
  #warned = new Set<string>();

  constructor(o: {
    where: string;
    agents: readonly GatewayTool[];
    open: (onChanged: () => void) => readonly { offered: Offered; target: Target }[];
  }) {
    this.#where = o.where;
    this.#agents = o.agents;
    this.#targets = o.open(() => this.#listener?.());
  }

  async list(): Promise<readonly Tool[]> {
    return (await this.#catalogue()).tools.map(({ tool }) => tool);
  }

  async all(): Promise<readonly GatewayTool[]> {
    return [...this.#agents, ...(await this.#catalogue()).tools];
  }

  left(): Catalogue['left'] {
    return this.#known?.catalogue.left ?? [];
  }

  /** Present while a target has more tools than it lists. */
  get search(): OpenedSource['search'] {
    return this.#known?.catalogue.searchable.length ? (query, o) => this.#search(query, o) : undefined;
  }

  async find(name: string, o: { signal: AbortSignal }): Promise<Tool | undefined> {
    const found = await this.resolve(name, o);
    return found?.tool.name === name ? found.tool : undefined;
  }

  async resolve(name: string, { signal }: { signal: AbortSignal }): Promise<GatewayTool | undefined> {
    const { named, searchable } = await this.#catalogue();
    const listed = named.get(name);
    if (listed) return listed;
    for (const { offered, opened } of searchable) {
      const inTarget = nameIn(offered.target, name);
      const tool = inTarget === undefined ? undefined : await opened.find?.(inTarget, { signal });
      const one = tool && offered.one(tool, []);
      if (one) return one;
      const alike = beginningIn(offered.target, name);
      const found = alike === undefined ? [] : ((await opened.search?.(alike, { limit: MOST_ALIKE, signal })) ?? []);
      const same = offered.all(found, []).find((each) => each.tool.name === name);
      if (same) return same;
    }
    return undefined;
  }

  changed(listener: () => void): () => void {
    this.#listener = listener;
    return () => {
      this.#listener = undefined;
    };
  }

  async close(): Promise<void> {
    await Promise.all(this.#targets.map(({ target }) => target.close()));
  }

  /** The first result of every target, then the second of every target, and so on. */
  async #search(query: string, { limit, signal }: { limit: number; signal: AbortSignal }): Promise<readonly Tool[]> {
    const { searchable } = await this.#catalogue();
    const answers = await Promise.allSettled(
      searchable.map(async ({ offered, opened }) => offered.all((await opened.search?.(query, { limit, signal })) ?? [], [])),
    );
    const lists = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
    const failed = answers.find((answer) => answer.status === 'rejected');
    if (failed && lists.length === 0) throw failed.reason;
    const longest = Math.max(0, ...lists.map((list) => list.length));
    const mixed = Array.from({ length: longest }, (_, rank) => lists.flatMap((list) => list[rank]?.tool ?? [])).flat();
    return mixed.slice(0, limit);
  }

  async #catalogue(): Promise<Catalogue> {
    const offers = await Promise.all(this.#targets.map(({ target }) => target.offer()));
    const known = this.#known;
    if (known && offers.every((offer, i) => isSame(offer, known.offers[i]))) return known.catalogue;
    const made = catalogue(
      this.#targets.map(({ offered }, i) => ({ offered, offer: offers[i] as Offer })),
      this.#agents,
    );
    this.#known = { offers, catalogue: made };
    this.#warn(made.left);
    return made;
  }

  /** Warns of what is left out, once while it is. */
  #warn(left: Catalogue['left']): void {
    const told = new Set(left.map(({ target, reason }) => `${this.#where}: the target "${target}" is not whole. ${reason}`));
    for (const text of told) if (!this.#warned.has(text)) process.emitWarning(bounded(text), 'RondoWarning');
    this.#warned = told;
  }
}

const isSame = (now: Offer, before: Offer | undefined): boolean =>
  before !== undefined &&
  ('missing' in now
    ? 'missing' in before && now.missing === before.missing
    : !('missing' in before) && now.tools === before.tools && now.opened === before.opened);
