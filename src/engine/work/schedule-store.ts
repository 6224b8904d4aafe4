/**
 * Where schedules are kept: the store's records, one key each. The newest value is the state; a compare-and-set of the number of values
 * decides which process changes it. After some changes it moves to the key of the next generation, so that no record grows for ever.
 *
 * I1. The key of the newest generation is the only one that counts. A process that dies while a schedule moves leaves an older one, which the
 *     next reader deletes.
 * I2. A schedule that is removed leaves a mark, so that a process that read it before cannot write it back.
 */
import { RondoError } from '../../errors.ts';
import { sha256 } from '../../journal/canonical.ts';
import type { RecordChange, Records } from '../../journal/records.ts';
import { assertPlain } from '../../journal/sealed.ts';
import type { Json } from '../../json.ts';
import type { Principal } from '../../ports/principal.ts';

const NAMESPACE = 'rondo/schedules';
/** Values after which a schedule moves to its next key. */
const MOST_VALUES = 32;
const PAGE = 500;
/** Milliseconds for which the mark of a removed schedule stays: longer than any process waits between a read and a write. */
const MARKED = 86_400_000;

/** A time at which the schedule started no run: the time had passed, the run before was open, or the run was refused. */
export type Miss = {
  at: number;
  why: 'late' | 'overlap' | 'refused';
  /** An operator started its run later, or needs no more of it: who, and when by the store's clock. */
  started?: { by: string; at: number; runId: string };
  dismissed?: { by: string; at: number; reason: string };
};

/** Times are epoch milliseconds. */
export type ScheduleState = {
  name: string;
  agent: string;
  input: Json;
  by: Principal;
  /** Of its runs. */
  context?: Json;
  cron: string;
  timezone: string;
  overlap: 'skip' | 'queue';
  catchUp: number;
  /** The newest time that was served; before the first, when the schedule was made. */
  last: number;
  /** The next time. Absent: the pattern has none any more. */
  next?: number;
  /** The newest run. */
  run?: string;
  /** The firing that waits until the newest run has ended. */
  held?: number;
  /** How many times started no run, and the newest of them. */
  missed: number;
  misses: Miss[];
  /** Why the newest run was refused. */
  refused?: { code: string; message: string };
};

/** What is at a key: a state, or when the schedule was removed. */
type Stored = (ScheduleState | { removed: number }) & { moved?: true };

/** The place of a schedule: its key, and the number of values there. */
export interface Place {
  readonly key: string;
  readonly count: number;
  /** It was removed. */
  readonly removed?: boolean;
}

export interface Kept extends Place {
  readonly state: ScheduleState;
}

type Found = Place & { readonly stored: Stored };

/** How a change is written: by default alone. */
type Write = (change: RecordChange) => Promise<unknown>;

export class ScheduleStore {
  readonly #records: Records;
  readonly #known = new Map<string, Found>();

  constructor(records: Records) {
    this.#records = records;
  }

  /** All schedules, as they are now. @param now epoch milliseconds by the store's clock. */
  async list(now: number): Promise<readonly Kept[]> {
    const newest = new Map<string, string>();
    for (let after: string | undefined; ; ) {
      const page: string[] = [];
      for await (const key of this.#records.list(NAMESPACE, { limit: PAGE, ...(after !== undefined && { after }) })) page.push(key);
      for (const key of page) await this.#newer(newest, key);
      if (page.length < PAGE) break;
      after = page.at(-1);
    }
    for (const key of this.#known.keys()) if (newest.get(idIn(key)) !== key) this.#known.delete(key);
    const all: Kept[] = [];
    for (const key of newest.values()) {
      const found = await this.#read(key);
      const kept = found && keptOf(found);
      if (kept) all.push(kept);
      else if (found && 'removed' in found.stored && found.stored.removed < now - MARKED) await this.#delete(found.key);
    }
    return all;
  }

  /** A schedule, or the place of one that was removed. */
  async find(tenant: string | undefined, name: string): Promise<(Place & { readonly state?: ScheduleState }) | undefined> {
    const found = await this.#newest(idOf(tenant, name));
    return found && (keptOf(found) ?? { key: found.key, count: found.count, removed: true });
  }

  /**
   * Stores a state over what was read, or a new one. @param write writes more in the same unit, and throws `JOURNAL_CONFLICT` if it cannot.
   * @returns undefined if another process was faster; then nothing was written.
   */
  async put(state: ScheduleState, place?: Place, write?: Write): Promise<Kept | undefined> {
    const found = await this.#put(place ?? { key: `${idOf(state.by.tenant, state.name)}.1`, count: 0 }, state, write);
    return found && keptOf(found);
  }

  /** @returns false if another process was faster. */
  async remove(place: Place, now: number): Promise<boolean> {
    return (await this.#put(place, { removed: now })) !== undefined;
  }

  async #put(
    { key, count, removed = false }: Place,
    stored: Stored,
    write: Write = (change) => this.#append(change),
  ): Promise<Found | undefined> {
    // a removed schedule is not in older values, so its mark may be deleted
    const moves = count >= MOST_VALUES || 'removed' in stored || removed;
    const value = moves ? { ...stored, moved: true as const } : stored;
    try {
      await write({ namespace: NAMESPACE, key, values: [value], expected: count });
    } catch (error) {
      if (!RondoError.is(error, 'JOURNAL_CONFLICT')) throw error;
      this.#known.delete(key);
      return undefined;
    }
    if (moves) return this.#move(key, stored);
    const found = { key, count: count + 1, stored };
    this.#known.set(key, found);
    return found;
  }

  async #read(key: string): Promise<Found | undefined> {
    const known = this.#known.get(key);
    const from = known ? known.count - 1 : 0;
    const values: Json[] = [];
    for await (const value of this.#records.read(NAMESPACE, key, from)) values.push(value);
    // deleted, and maybe made again
    if (known && JSON.stringify(values[0]) !== JSON.stringify(known.stored)) {
      this.#known.delete(key);
      return this.#read(key);
    }
    const stored = values.at(-1) as Stored | undefined;
    if (!stored) return undefined;
    if (stored.moved) {
      const { moved: _, ...rest } = stored;
      return this.#move(key, rest);
    }
    const found = { key, count: from + values.length, stored };
    this.#known.set(key, found);
    return found;
  }

  /** Ends a move that this or another process began. */
  async #move(key: string, stored: Stored): Promise<Found | undefined> {
    const next = `${idIn(key)}.${generation(key) + 1}`;
    try {
      await this.#append({ namespace: NAMESPACE, key: next, values: [stored], expected: 0 });
    } catch (error) {
      // another process has moved it
      if (!RondoError.is(error, 'JOURNAL_CONFLICT')) throw error;
    }
    await this.#delete(key);
    // if this took long, it may have moved on since
    return this.#newest(idIn(key));
  }

  async #newest(id: string): Promise<Found | undefined> {
    const keys: string[] = [];
    for await (const key of this.#records.list(NAMESPACE, { after: `${id}.`, limit: 9 })) {
      if (idIn(key) !== id) break;
      keys.push(key);
    }
    const newest = new Map<string, string>();
    for (const key of keys) await this.#newer(newest, key);
    const key = newest.get(id);
    return key === undefined ? undefined : this.#read(key);
  }

  /** Notes a key if it is the newest of its schedule, and deletes the older one. */
  async #newer(newest: Map<string, string>, key: string): Promise<void> {
    const other = newest.get(idIn(key));
    const isNewer = other === undefined || generation(other) < generation(key);
    if (isNewer) newest.set(idIn(key), key);
    const old = isNewer ? other : key;
    if (old !== undefined) await this.#delete(old);
  }

  async #append({ namespace, key, values, expected }: RecordChange): Promise<void> {
    await assertPlain(this.#records);
    await this.#records.append(namespace, key, values, { expected });
  }

  async #delete(key: string): Promise<void> {
    this.#known.delete(key);
    await this.#records.delete(NAMESPACE, key);
  }
}

const keptOf = ({ key, count, stored }: Found): Kept | undefined => ('removed' in stored ? undefined : { key, count, state: stored });
const idOf = (tenant: string | undefined, name: string) => sha256(JSON.stringify([tenant ?? null, name]));
const idIn = (key: string) => key.split('.')[0] as string;
const generation = (key: string) => Number(key.split('.')[1]);
