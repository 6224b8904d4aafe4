import type { ToolDefinition } from '../../loop/types.ts';
import type { ChangedList } from '../../ports/materials.ts';
import type { OpenedSource, Tool } from '../../ports/tool.ts';
import { bounded } from '../../reliability/classify.ts';
import { type Catalogue, catalogue } from './catalogue.ts';
import { GatewayMaterials } from './materials.ts';
import { beginningIn, nameIn } from './names.ts';
import type { GatewayTool, Offered } from './offered.ts';
import type { Offers, Shown } from './offers.ts';
import type { ToolSearch } from './search.ts';
import type { Offer, Target } from './target.ts';

/** Tools that are looked at to find one by what a shortened name still has of its name. */
const MOST_ALIKE = 100;

/** Found tools that a policy is asked about at once. */
const ASKED = 50;

/** How the gateway itself searches, once it has more tools than `above`. */
interface Search {
  above: number;
  ranks: ToolSearch;
}

interface OpenedTarget {
  readonly offered: Offered;
  readonly target: Target;
  /** Its tools that agents answer, as the target itself has them. */
  readonly agents: readonly ToolDefinition[];
}

/** The targets of a gateway, opened for all callers or for one. */
export class OpenedTargets implements OpenedSource {
  readonly #where: string;
  readonly #targets: readonly OpenedTarget[];
  readonly #search: Search | undefined;
  readonly #offers: Shown;
  readonly #hides: boolean;
  /** Decided once: a choice that changed with the number of tools would change every request. */
  #searches = false;
  readonly #closed = new AbortController();
  /** Present if a target passes resources or prompts. */
  readonly materials?: GatewayMaterials;
  #listener: ((list?: ChangedList) => void) | undefined;
  #known: { offers: readonly Offer[]; catalogue: Catalogue } | undefined;
  #warned = new Set<string>();

  constructor(o: {
    where: string;
    search?: Search | undefined;
    offers?: Offers | undefined;
    open: (onChanged: (list?: ChangedList) => void) => readonly (OpenedTarget & { passes: boolean })[];
    patience: number;
  }) {
    this.#where = o.where;
    this.#search = o.search;
    this.#hides = o.offers !== undefined;
    const all: Shown = async (tools) => tools;
    this.#offers = o.offers?.tools ?? all;
    const targets = o.open((list) => this.#listener?.(list));
    this.#targets = targets;
    const passing = targets.filter(({ passes }) => passes);
    if (passing.length > 0) this.materials = new GatewayMaterials(passing, o.offers?.readers ?? all, o.patience);
  }

  async list(): Promise<readonly Tool[]> {
    const { tools, offered } = await this.#catalogue();
    this.#searches ||= this.#search !== undefined && tools.length > this.#search.above;
    if (this.#searches) this.#search?.ranks.prepare(offered, this.#closed.signal);
    return this.#searches ? [] : (await this.#offers(tools)).map(({ tool }) => tool);
  }

  async all(): Promise<readonly GatewayTool[]> {
    const { tools } = await this.#catalogue();
    return this.#offers([...(await this.#shownAgents()), ...tools]);
  }

  async agents(): Promise<readonly Tool[]> {
    return (await this.#offers(await this.#shownAgents())).map(({ tool }) => tool);
  }

  async listAll(): Promise<readonly Tool[]> {
    return (await this.#offers((await this.#catalogue()).tools)).map(({ tool }) => tool);
  }

  left(): Catalogue['left'] {
    return this.#known?.catalogue.left ?? [];
  }

  /** Present while tools are searched for that are not listed: those of the gateway, or of a target. */
  get search(): OpenedSource['search'] {
    return this.#searches || this.#known?.catalogue.searchable.length ? (query, o) => this.#found(query, o) : undefined;
  }

  async count(): Promise<number> {
    const { searchable, offered } = await this.#catalogue();
    const counts = await Promise.allSettled(searchable.map(async ({ opened }) => opened.count?.()));
    const known = counts.map((count) => (count.status === 'fulfilled' && Number(count.value)) || 0);
    return known.reduce((sum, count) => sum + count, this.#searches ? offered.length : 0);
  }

  async find(name: string, o: { signal: AbortSignal }): Promise<Tool | undefined> {
    const found = await this.resolve(name, o);
    return found?.tool.name === name ? found.tool : undefined;
  }

  async resolve(name: string, { signal }: { signal: AbortSignal }): Promise<GatewayTool | undefined> {
    const reader = await this.materials?.find(name);
    if (reader) return reader;
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

  changed(listener: (list?: ChangedList) => void): () => void {
    this.#listener = listener;
    return () => {
      this.#listener = undefined;
    };
  }

  async close(): Promise<void> {
    this.#closed.abort();
    await Promise.all(this.#targets.map(({ target }) => target.close()));
  }

  /** The first result of every search, then the second of every search, and so on. */
  async #found(query: string, { limit, signal }: { limit: number; signal: AbortSignal }): Promise<readonly Tool[]> {
    const { searchable, offered: listed } = await this.#catalogue();
    // of both lists, more than are asked for: some may not be shown
    const most = this.#hides ? Number.POSITIVE_INFINITY : limit;
    const answers = await Promise.allSettled([
      ...(this.#searches && this.#search ? [this.#search.ranks.best(listed, query, most)] : []),
      ...searchable.map(async ({ offered, opened }) =>
        offered.all((await opened.search?.(query, { limit, signal })) ?? [], []).map(({ tool }) => tool),
      ),
    ]);
    const lists = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
    const failed = answers.find((answer) => answer.status === 'rejected');
    if (failed && lists.length === 0) throw failed.reason;
    const longest = Math.max(0, ...lists.map((list) => list.length));
    const mixed = Array.from({ length: longest }, (_, rank) => lists.flatMap((list) => list[rank] ?? [])).flat();
    return this.#shown([...new Set(mixed)], limit);
  }

  /** The first of these that the caller may be shown. */
  async #shown(tools: readonly Tool[], limit: number): Promise<readonly Tool[]> {
    if (!this.#hides) return tools.slice(0, limit);
    const shown: Tool[] = [];
    for (let i = 0; i < tools.length && shown.length < limit; i += ASKED) {
      const some = tools.slice(i, i + ASKED).flatMap((tool) => this.#madeOf(tool) ?? []);
      shown.push(...(await this.#offers(some)).map(({ tool }) => tool));
    }
    return shown.slice(0, limit);
  }

  /** The tools that agents answer. A target that is a gateway itself may offer this caller only some of its own. */
  async #shownAgents(): Promise<readonly GatewayTool[]> {
    const all = await Promise.all(
      this.#targets.map(async ({ offered, target, agents }) => {
        const shown = agents.length === 0 ? undefined : await target.agents();
        return (shown ? agents.filter((one) => shown.includes(one)) : agents).map((one) => offered.of(one));
      }),
    );
    return all.flat();
  }

  #madeOf(tool: Tool): GatewayTool | undefined {
    for (const { offered } of this.#targets) {
      const made = offered.made(tool);
      if (made) return made;
    }
    return undefined;
  }

  async #catalogue(): Promise<Catalogue> {
    const offers = await Promise.all(this.#targets.map(({ target }) => target.offer()));
    const known = this.#known;
    if (known && offers.every((offer, i) => isSame(offer, known.offers[i]))) return known.catalogue;
    const made = catalogue(
      this.#targets.map(({ offered }, i) => ({ offered, offer: offers[i] as Offer })),
      this.#targets.flatMap(({ offered, agents }) => agents.map((one) => offered.of(one))),
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
