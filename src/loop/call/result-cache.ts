/**
 * Results of `read` tools that declare `cache`, in this process.
 *
 * I1. A result is given only to calls of the same tool object, tenant, principal (unless `shared`), context and arguments.
 * I2. A result older than the newest effect of the principal, or than `ttl`, is not given.
 * I3. Entries and their size are bounded; the least recently used leave first.
 */
import { canonical } from '../../journal/canonical.ts';
import type { CallId } from '../../journal/entries/entries.ts';
import { type Json, sizeOf } from '../../json.ts';
import type { Principal } from '../../ports/principal.ts';
import type { Observed } from './observed.ts';

export interface Cached {
  /** Masked and bounded, before the policy and the guardrails are asked about it. */
  readonly seen: Observed;
  /** The call that got it, and when it was made, epoch milliseconds. */
  readonly from: { readonly run: string; readonly call: CallId; readonly at: number };
}

/** What a result depends on. */
export interface Asked {
  /** Compared by identity, so a tool that is declared again shares no results. */
  tool: object;
  /** The principal of the run; undefined for a run of the application. */
  by: Principal | undefined;
  /** All principals of the tenant get the same results. */
  shared: boolean;
  /** As parsed by the tool, in JSON: another context is another question. */
  context: Json;
  input: Json;
}

/** `size` in characters. */
interface Entry extends Cached {
  readonly tick: number;
  readonly size: number;
}

const MOST = { entries: 10_000, size: 32_000_000, users: 10_000 };

/** The result of a call that is running, for others that ask the same; undefined if it failed. */
type Running = Promise<unknown>;

/** One for each engine, in the memory of its process. */
export class ResultCache {
  readonly #now: () => number;
  readonly #most: typeof MOST;
  readonly #entries = new Map<string, Entry>();
  readonly #running = new Map<string, Running>();
  /** By principal: the tick of its newest effect. A principal who is not in it is taken to have had one at `#floor`. */
  readonly #wrote = new Map<string, number>();
  readonly #ids = new WeakMap<object, number>();
  #floor = 0;
  #tick = 0;
  #size = 0;
  #tools = 0;

  constructor(o: { now?: () => number; most?: Partial<typeof MOST> } = {}) {
    this.#now = o.now ?? Date.now;
    this.#most = { ...MOST, ...o.most };
  }

  /** The name of a question: equal for calls that may share a result, and for no others. */
  key({ tool, by, shared, context, input }: Asked): string {
    let id = this.#ids.get(tool);
    if (id === undefined) {
      id = ++this.#tools;
      this.#ids.set(tool, id);
    }
    const whose = shared ? 'tenant' : [(by ?? null) as Json];
    return canonical([id, by?.tenant ?? null, whose, context, input]);
  }

  /** @param since epoch milliseconds: no older result counts. */
  get(key: string, { by, ttl, since }: { by: Principal | undefined; ttl: number; since: number }): Cached | undefined {
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    const { at } = entry.from;
    const age = this.#now() - at;
    if (age < 0 || age >= ttl) {
      this.#remove(key, entry);
      return undefined;
    }
    if (at < since || entry.tick <= (this.#wrote.get(whoOf(by)) ?? this.#floor)) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry;
  }

  /** The call of the same key that is running. */
  running(key: string): Running | undefined {
    return this.#running.get(key);
  }

  /**
   * A call begins. Others of its key may wait until `done` is called, which is to be called in any case.
   * @returns `done(seen)` with the result, or with undefined if there is none to keep.
   */
  begin(key: string, from: { run: string; call: CallId }): (seen: Observed | undefined) => void {
    const at = this.#now();
    const tick = ++this.#tick;
    let wake: (() => void) | undefined;
    const running = new Promise<void>((resolve) => {
      wake = resolve;
    });
    this.#running.set(key, running);
    return (seen) => {
      if (this.#running.get(key) === running) this.#running.delete(key);
      if (seen) this.#keep(key, { seen, from: { ...from, at }, tick, size: key.length + sizeOf([seen]) });
      wake?.();
    };
  }

  #keep(key: string, entry: Entry): void {
    const before = this.#entries.get(key);
    if (before) this.#remove(key, before);
    // one result must not push out all others
    if (entry.size > this.#most.size / 4) return;
    this.#entries.set(key, entry);
    this.#size += entry.size;
    for (const [oldest, old] of this.#entries) {
      if (this.#entries.size <= this.#most.entries && this.#size <= this.#most.size) break;
      this.#remove(oldest, old);
    }
  }

  #remove(key: string, { size }: Entry): void {
    this.#entries.delete(key);
    this.#size -= size;
  }

  /** An effect of a principal may have changed what was read before. */
  wrote(by: Principal | undefined): void {
    if (this.#entries.size === 0 && this.#running.size === 0) return;
    const who = whoOf(by);
    this.#wrote.delete(who);
    this.#wrote.set(who, ++this.#tick);
    if (this.#wrote.size <= this.#most.users) return;
    const [oldest, tick] = this.#wrote.entries().next().value as [string, number];
    this.#wrote.delete(oldest);
    this.#floor = tick;
  }

  /** Drops all results. Those of calls that run now are not given either. */
  clear(): void {
    this.#entries.clear();
    this.#size = 0;
    // what is being read now is not kept either
    this.#floor = ++this.#tick;
    this.#wrote.clear();
  }

  /** Characters of all results, and how many there are. */
  get held(): { entries: number; size: number } {
    return { entries: this.#entries.size, size: this.#size };
  }
}

const whoOf = (by: Principal | undefined): string => JSON.stringify([by?.tenant ?? null, by?.id ?? null]);
