import { RondoError } from '../../errors.ts';
import type { Records } from '../../journal/records.ts';
import { assertPlain } from '../../journal/sealed.ts';
import type { Json } from '../../json.ts';
import type { Piece } from './delta.ts';
import {
  asValue,
  type CheckpointData,
  type CheckpointRecord,
  type Kept,
  NAMESPACE,
  type ThreadValue,
  threadValue,
  type Versions,
  type WritesRecord,
} from './record.ts';

/** The value of a channel, and the index in the record of the value that holds it. */
export interface Value {
  readonly seq: number;
  /** Set for JSON. */
  readonly piece?: Piece;
  readonly bytes?: { readonly type: string; readonly base64: string };
}

export interface Saved {
  readonly id: string;
  readonly parent: string | undefined;
  readonly checkpoint: Kept;
  readonly metadata: Kept;
  readonly versions: Versions;
  readonly values: ReadonlyMap<string, Value>;
}

export interface Write {
  readonly path: string;
  readonly task: string;
  readonly place: number;
  readonly channel: string;
  readonly value: Kept;
}

/** Most conflicts of one append. Each means that another writer succeeded, so more of them mean a broken store. */
const MOST_TRIES = 1_000;

/** A LangGraph thread, cached in memory. All reads and writes of its record go through `queued`. */
export class Thread {
  readonly id: string;
  readonly #records: Records;
  readonly #sync: { sync: 'power' | 'process' } | undefined;
  #checkpoints = new Map<string, Map<string, Saved>>();
  #newest = new Map<string, Saved>();
  #writes = new Map<string, Map<string, Write>>();
  #values = new Map<string, Value>();
  #versions = new Map<string, Value[]>();
  #held = 0;
  /** Identifies the last cached value. */
  #last: string | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  /** Characters kept in memory. */
  size = 0;

  constructor(records: Records, id: string, sync: 'power' | 'process' | undefined) {
    this.#records = records;
    this.id = id;
    this.#sync = sync && { sync };
  }

  queued<T>(job: () => Promise<T>): Promise<T> {
    const done = this.#queue.then(job);
    this.#queue = done.catch(() => undefined);
    return done;
  }

  namespaces(): readonly string[] {
    return [...this.#checkpoints.keys()];
  }

  checkpoint(ns: string, id: string): Saved | undefined {
    return this.#checkpoints.get(ns)?.get(id);
  }

  newest(ns: string): Saved | undefined {
    return this.#newest.get(ns);
  }

  /** Newest first. LangGraph's ids sort by time. */
  checkpoints(ns: string): readonly Saved[] {
    return [...(this.#checkpoints.get(ns)?.values() ?? [])].sort((a, b) => (a.id < b.id ? 1 : a.id > b.id ? -1 : 0));
  }

  /** In the order in which a step applies its tasks' writes. LangGraph relies on it when it replays them. */
  writes(ns: string, id: string): readonly Write[] {
    return [...(this.#writes.get(keyOf(ns, id))?.values() ?? [])].sort(
      (a, b) => byCodePoint(a.path, b.path) || byCodePoint(a.task, b.task) || a.place - b.place,
    );
  }

  /** All values that a channel had under a version. There are several if the thread was forked. */
  candidates(ns: string, channel: string, version: number | string): readonly Value[] {
    return this.#versions.get(keyOf(ns, channel, String(version))) ?? [];
  }

  /** Reads values that other writers appended. Call it only inside `queued`. */
  async refresh(): Promise<void> {
    const last = this.#last;
    let known = last === undefined;
    // the last cached value is read again: if it is missing, the thread was deleted meanwhile
    for await (const json of this.#records.read(NAMESPACE, this.id, this.#held - (last ? 1 : 0))) {
      if (known) this.#apply(json);
      else if (identity(threadValue(json)) === last) known = true;
      else break;
    }
    if (known) return;
    this.#forget();
    for await (const json of this.#records.read(NAMESPACE, this.id)) this.#apply(json);
  }

  /** Appends the value that `make` returns for the current thread, and retries after a conflict. Call it only inside `queued`. */
  async append(make: () => CheckpointData): Promise<void> {
    await assertPlain(this.#records);
    for (let tries = 1; ; tries++) {
      await this.refresh();
      const value = asValue(Date.now(), make());
      try {
        await this.#records.append(NAMESPACE, this.id, [value], { expected: this.#held, ...this.#sync });
      } catch (error) {
        if (!RondoError.is(error, 'JOURNAL_CONFLICT') || tries >= MOST_TRIES) throw error;
        continue;
      }
      return this.#apply(value);
    }
  }

  /** Call it only inside `queued`. */
  async remove(): Promise<void> {
    await this.#records.delete(NAMESPACE, this.id);
    this.#forget();
  }

  #forget(): void {
    this.#checkpoints = new Map();
    this.#newest = new Map();
    this.#writes = new Map();
    this.#values = new Map();
    this.#versions = new Map();
    this.#held = 0;
    this.#last = undefined;
    this.size = 0;
  }

  #apply(json: Json): void {
    const value = threadValue(json);
    if (!value)
      throw new RondoError(
        'JOURNAL_DAMAGED',
        `The record "${this.id}" in "${NAMESPACE}" is not a thread of LangGraph: value ${this.#held} is not one of the saver.`,
      );
    if (value.kind === 'checkpoint') this.#put(this.#held, value);
    else this.#write(value);
    this.#held++;
    this.#last = identity(value);
  }

  #put(seq: number, r: CheckpointRecord): void {
    const inNs = this.#checkpoints.get(r.ns) ?? new Map<string, Saved>();
    this.#checkpoints.set(r.ns, inNs);
    const parent = r.parent === undefined ? undefined : inNs.get(r.parent);
    const own = new Map(Object.entries(r.values));
    const values = new Map<string, Value>();
    for (const [channel, version] of Object.entries(r.versions)) {
      const kept = own.get(channel);
      const from = r.from && Object.hasOwn(r.from, channel) ? r.from[channel] : undefined;
      let value: Value | undefined;
      if (kept) value = this.#take(seq, r.ns, channel, version, kept);
      else if (from !== undefined) value = this.#values.get(keyOf(String(from), r.ns, channel));
      else if (parent?.versions[channel] === version) value = parent.values.get(channel);
      if (value) values.set(channel, value);
    }
    const { id, checkpoint, metadata, versions } = r;
    const saved: Saved = { id, parent: r.parent, checkpoint, metadata, versions, values };
    inNs.set(id, saved);
    if (id >= (this.#newest.get(r.ns)?.id ?? '')) this.#newest.set(r.ns, saved);
    this.size += sizeOf(checkpoint) + sizeOf(metadata);
  }

  #take(seq: number, ns: string, channel: string, version: number | string, kept: Kept): Value {
    const value = this.#valueOf(seq, ns, channel, kept);
    this.#values.set(keyOf(String(seq), ns, channel), value);
    const key = keyOf(ns, channel, String(version));
    const others = this.#versions.get(key);
    if (others) others.push(value);
    else this.#versions.set(key, [value]);
    this.size += sizeOf(kept);
    return value;
  }

  #valueOf(seq: number, ns: string, channel: string, kept: Kept): Value {
    if ('base64' in kept) return { seq, bytes: kept };
    if (!('from' in kept)) return { seq, piece: { length: kept.json.length, own: kept.json } };
    const of = this.#values.get(keyOf(String(kept.from), ns, channel))?.piece;
    if (!of) throw new RondoError('JOURNAL_DAMAGED', `The thread "${this.id}" refers to value ${kept.from}, which holds no "${channel}".`);
    return {
      seq,
      piece: { length: kept.head + kept.json.length + kept.tail, own: kept.json, base: { of, head: kept.head, tail: kept.tail } },
    };
  }

  #write(r: WritesRecord): void {
    const key = keyOf(r.ns, r.id);
    const writes = this.#writes.get(key) ?? new Map<string, Write>();
    this.#writes.set(key, writes);
    for (const [place, channel, value] of r.writes) {
      const at = keyOf(r.task, String(place));
      if (place >= 0 && writes.has(at)) continue;
      writes.set(at, { path: r.path ?? '', task: r.task, place, channel, value });
      this.size += sizeOf(value);
    }
  }
}

const sizeOf = (kept: Kept) => ('json' in kept ? kept.json.length : kept.base64.length);
/** The sort order of LangGraph. `<` orders characters beyond U+FFFF differently. */
const byCodePoint = (a: string, b: string): number => (a === b ? 0 : Buffer.from(a).compare(Buffer.from(b)));

const keyOf = (...parts: readonly string[]) => JSON.stringify(parts);

const identity = (value: ThreadValue | undefined) =>
  value && keyOf(String(value.at), value.kind, value.ns, value.id, value.kind === 'writes' ? value.task : '');
