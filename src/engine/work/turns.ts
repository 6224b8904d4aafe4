import { dueOrder } from '../../journal/due.ts';
import type { DueFilter, Journal, RunHead } from '../../journal/port.ts';

/** Tenants, and queued runs of one tenant, read at a time. Few, because another process may take them first. */
const PAGE = { tenants: 100, runs: 20 };

/** What is left of the list of one tenant. */
interface List {
  heads: RunHead[];
  /** The last head that was read. */
  after?: RunHead | undefined;
  /** All of it was read. */
  end: boolean;
}

/** Picks queued runs: one tenant after another, first in, first out within each. */
export class Turns {
  readonly #journal: Journal;
  readonly #lists = new Map<string, List>();
  /** The first runs of the tenants whose turn comes. */
  #round: RunHead[] = [];
  /** All tenants, if they were read in one page; and for how many more picks they are not read again. */
  #all: RunHead[] = [];
  #fresh = 0;
  /** The tenant that had its turn last. */
  #last: RunHead | undefined;

  constructor(journal: Journal) {
    this.#journal = journal;
  }

  /**
   * The next run that may be driven; undefined if there is none.
   * @param full whether a tenant must wait, however many runs it has.
   */
  async next(may: (head: RunHead) => boolean, full: (tenant: string | undefined) => boolean): Promise<RunHead | undefined> {
    if (this.#round.length === 0 && this.#fresh > 0) this.#round = [...this.#all];
    // the tenants behind the last one, and then all of them
    for (let rounds = 0; rounds < 2; ) {
      const first = this.#round.shift();
      if (first) {
        this.#last = first;
        const found = full(first.tenant) ? undefined : await this.#of(first.tenant, may);
        this.#fresh--;
        if (found) return found;
        continue;
      }
      this.#round = await queued(this.#journal, { limit: PAGE.tenants, firsts: true, after: this.#last });
      const whole = !this.#last && this.#round.length < PAGE.tenants;
      this.#all = whole ? [...this.#round] : [];
      this.#fresh = whole ? PAGE.runs : 0;
      if (this.#round.length > 0) continue;
      if (!this.#last) return undefined;
      this.#last = undefined;
      rounds++;
    }
    return undefined;
  }

  /** Starts again with the oldest run of a tenant: one that had to wait may be driven now, or another process took some. */
  restart(tenant: string | undefined): void {
    this.#lists.delete(tenant ?? '');
  }

  async #of(tenant: string | undefined, may: (head: RunHead) => boolean): Promise<RunHead | undefined> {
    const key = tenant ?? '';
    const known = this.#lists.get(key);
    const list = known ?? { heads: [], end: false };
    this.#lists.set(key, list);
    for (;;) {
      for (let head = list.heads.shift(); head; head = list.heads.shift()) if (may(head)) return head;
      if (list.end) {
        this.#lists.delete(key);
        // some may have come since the end was read
        return known && this.#of(tenant, may);
      }
      list.heads = await queued(this.#journal, { limit: PAGE.runs, tenant: tenant ?? null, after: list.after });
      list.end = list.heads.length < PAGE.runs;
      list.after = list.heads.at(-1) ?? list.after;
    }
  }
}

/** A page of queued runs. From a store without `due`, all queued heads are read. */
async function queued(journal: Journal, filter: Pick<DueFilter, 'limit' | 'after' | 'tenant' | 'firsts'>): Promise<RunHead[]> {
  const found: RunHead[] = [];
  if (journal.due) {
    for await (const head of journal.due({ status: 'queued', now: Number.MAX_SAFE_INTEGER, ...filter })) found.push(head);
    return found;
  }
  const { limit, after, tenant, firsts } = filter;
  for await (const head of journal.heads({ status: 'queued' }))
    if ((tenant === undefined || (head.tenant ?? null) === tenant) && (!after || isBehind(after, head, firsts))) found.push(head);
  found.sort(dueOrder);
  const listed = firsts ? found.filter((head, i) => head.tenant !== found[i - 1]?.tenant || i === 0) : found;
  return listed.slice(0, limit);
}

const isBehind = (after: RunHead, head: RunHead, firsts: boolean | undefined) =>
  firsts ? (head.tenant ?? '') > (after.tenant ?? '') : dueOrder(after, head) < 0;
