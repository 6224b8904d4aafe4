/**
 * Where schedules are kept: the store's records, one key each. The newest value is the state; a compare-and-set of the number of values
 * decides which process changes it. After some changes it moves to the key of the next generation, so that no record grows for ever.
 */
import { RondoError } from '../../errors.ts';
import { sha256 } from '../../journal/canonical.ts';
import type { Records } from '../../journal/records.ts';
import type { Json } from '../../json.ts';
import type { Principal } from '../../ports/principal.ts';

const NAMESPACE = 'rondo/schedules';
/** Values after which a schedule moves to its next key. */
const MOST_VALUES = 32;
const PAGE = 500;

/** A time at which the schedule started no run: the time had passed, the run before was open, or the run was refused. */
export interface Miss {
  at: number;
  why: 'late' | 'overlap' | 'refused';
}

/** Times are epoch milliseconds. */
export interface ScheduleState {
  name: string;
  agent: string;
  input: Json;
  by: Principal;
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
  /** The time whose run waits for the end of the newest one. */
  held?: number;
  /** How many times started no run, and the newest of them. */
  missed: number;
  misses: Miss[];
  /** Why the newest run was refused. */
  refused?: { code: string; message: string };
}

export interface Kept {
  readonly key: string;
  readonly state: ScheduleState;
  readonly count: number;
}

export class ScheduleStore {
  readonly #records: Records;
  readonly #known = new Map<string, Kept>();

  constructor(records: Records) {
    this.#records = records;
  }

  /** All schedules, as they are now. */
  async list(): Promise<readonly Kept[]> {
    const newest = new Map<string, string>();
    for (let after: string | undefined; ; ) {
      let last: string | undefined;
      let count = 0;
      for await (const key of this.#records.list(NAMESPACE, { limit: PAGE, ...(after !== undefined && { after }) })) {
        count++;
        last = key;
        const [id = ''] = key.split('.');
        const other = newest.get(id);
        if (other === undefined || generation(other) < generation(key)) newest.set(id, key);
      }
      if (count < PAGE) break;
      after = last;
    }
    for (const key of this.#known.keys()) if (!newest.has(key.split('.')[0] as string)) this.#known.delete(key);
    const found: Kept[] = [];
    for (const key of newest.values()) {
      const kept = await this.#read(key);
      if (kept) found.push(kept);
    }
    return found;
  }

  async find(tenant: string | undefined, name: string): Promise<Kept | undefined> {
    const id = idOf(tenant, name);
    let newest: string | undefined;
    // while it moves there are two
    for await (const key of this.#records.list(NAMESPACE, { after: `${id}.`, limit: 3 }))
      if (key.startsWith(`${id}.`) && (newest === undefined || generation(newest) < generation(key))) newest = key;
    return newest === undefined ? undefined : this.#read(newest);
  }

  /** Stores a state over the one that was read, or a new one. @returns false if another process was faster. */
  async put(state: ScheduleState, kept?: Kept): Promise<boolean> {
    const key = kept?.key ?? `${idOf(state.by.tenant, state.name)}.1`;
    const expected = kept?.count ?? 0;
    const moves = expected >= MOST_VALUES;
    if (!(await this.#append(key, moves ? { ...state, moved: true as const } : state, expected))) return false;
    if (moves) await this.#move(key, state);
    else this.#known.set(key, { key, state, count: expected + 1 });
    return true;
  }

  async remove({ key }: Kept): Promise<void> {
    this.#known.delete(key);
    await this.#records.delete(NAMESPACE, key);
  }

  async #read(key: string): Promise<Kept | undefined> {
    const known = this.#known.get(key);
    const values: Json[] = [];
    for await (const value of this.#records.read(NAMESPACE, key, known ? known.count - 1 : 0)) values.push(value);
    // removed, and maybe made again
    if (known && JSON.stringify(values[0]) !== JSON.stringify(known.state)) {
      this.#known.delete(key);
      return this.#read(key);
    }
    const newest = values.at(-1) as unknown as (ScheduleState & { moved?: true }) | undefined;
    if (!newest) return undefined;
    if (newest.moved) {
      const { moved: _, ...state } = newest;
      return this.#move(key, state);
    }
    const kept = { key, state: newest, count: (known ? known.count - 1 : 0) + values.length };
    this.#known.set(key, kept);
    return kept;
  }

  /** Ends a move that this or another process began. */
  async #move(key: string, state: ScheduleState): Promise<Kept | undefined> {
    const [id] = key.split('.');
    const next = `${id}.${generation(key) + 1}`;
    await this.#append(next, state, 0);
    this.#known.delete(key);
    await this.#records.delete(NAMESPACE, key);
    return this.#read(next);
  }

  async #append(key: string, state: ScheduleState & { moved?: true }, expected: number): Promise<boolean> {
    try {
      await this.#records.append(NAMESPACE, key, [state as unknown as Json], { expected });
      return true;
    } catch (error) {
      if (!RondoError.is(error, 'JOURNAL_CONFLICT')) throw error;
      this.#known.delete(key);
      return false;
    }
  }
}

const idOf = (tenant: string | undefined, name: string) => sha256(JSON.stringify([tenant ?? null, name]));
const generation = (key: string) => Number(key.split('.')[1]);
