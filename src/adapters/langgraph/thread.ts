import { RondoError } from '../../errors.ts';
import type { Entry } from '../../journal/entries.ts';
import { VERSION } from '../../journal/entries.ts';
import type { Journal, RunHead } from '../../journal/port.ts';
import type { Piece } from './delta.ts';
import { asEntry, type CheckpointData, type CheckpointRecord, dataOf, type Kept, type Versions, type WritesRecord } from './record.ts';

/** The value of a channel, and the entry that holds it. */
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

/** The agent that the heads of threads name. No engine has an agent of such a name, so none takes a thread for a run of its own. */
export const AGENT = '@langgraph/checkpoints';
const PREFIX = 'langgraph:';
const runIdOf = (thread: string) => PREFIX + thread;
export const threadOf = (runId: string) => (runId.startsWith(PREFIX) ? runId.slice(PREFIX.length) : undefined);

/** Somebody else wrote each time, so somebody gets on; more than that is a store that does not work. */
const MOST_TRIES = 1_000;

/** A thread of LangGraph as this process knows it. Everything that reads or writes its journal goes through `queued`. */
export class Thread {
  readonly id: string;
  readonly #journal: Journal;
  readonly #sync: { sync: 'power' | 'process' } | undefined;
  #checkpoints = new Map<string, Map<string, Saved>>();
  #newest = new Map<string, Saved>();
  #writes = new Map<string, Map<string, Write>>();
  #values = new Map<string, Value>();
  #versions = new Map<string, Value[]>();
  #held = 0;
  #startedAt = 0;
  #last: { at: number; key: string } | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  /** Characters kept in memory. */
  size = 0;

  constructor(journal: Journal, id: string, sync: 'power' | 'process' | undefined) {
    this.#journal = journal;
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

  /** Newest first: the ids of LangGraph grow with time. */
  checkpoints(ns: string): readonly Saved[] {
    return [...(this.#checkpoints.get(ns)?.values() ?? [])].sort((a, b) => (a.id < b.id ? 1 : a.id > b.id ? -1 : 0));
  }

  /** In the order in which a step applies its tasks' writes, which is what LangGraph relies on when it replays them. */
  writes(ns: string, id: string): readonly Write[] {
    return [...(this.#writes.get(keyOf(ns, id))?.values() ?? [])].sort(
      (a, b) => byCodePoint(a.path, b.path) || byCodePoint(a.task, b.task) || a.place - b.place,
    );
  }

  /** All values that a channel ever had under a version: more than one where a thread was forked. */
  candidates(ns: string, channel: string, version: number | string): readonly Value[] {
    return this.#versions.get(keyOf(ns, channel, String(version))) ?? [];
  }

  /** Takes in what others wrote. Only inside `queued`. */
  async refresh(): Promise<void> {
    const last = this.#last;
    let known = last === undefined;
    // the last entry known is read again: a thread that was deleted meanwhile does not have it
    for await (const entry of this.#journal.read(runIdOf(this.id), this.#held - (last ? 2 : 1))) {
      if (known) this.#apply(entry);
      else if (entry.seq === this.#held - 1 && entry.at === last?.at && identity(entry) === last.key) known = true;
      else break;
    }
    if (known) return;
    this.#forget();
    for await (const entry of this.#journal.read(runIdOf(this.id))) this.#apply(entry);
  }

  /** Appends what `make` gives for the thread as it then is. Only inside `queued`. */
  async append(make: () => CheckpointData): Promise<void> {
    for (let tries = 1; ; tries++) {
      await this.refresh();
      const at = Date.now();
      const entry = asEntry(this.#held, at, make());
      const head: RunHead = {
        runId: runIdOf(this.id),
        agent: AGENT,
        // nobody is to drive it
        status: 'completed',
        startedAt: this.#held === 0 ? at : this.#startedAt,
        version: VERSION,
        seq: this.#held + 1,
      };
      try {
        await this.#journal.append(head.runId, this.#held, [entry], head, this.#sync);
      } catch (error) {
        if (!RondoError.is(error, 'JOURNAL_CONFLICT') || tries >= MOST_TRIES) throw error;
        continue;
      }
      return this.#apply(entry);
    }
  }

  /** Only inside `queued`. */
  async remove(): Promise<void> {
    await this.#journal.remove(runIdOf(this.id));
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

  #apply(entry: Entry): void {
    const data = dataOf(entry);
    if (!data)
      throw new RondoError(
        'JOURNAL_DAMAGED',
        `The journal "${runIdOf(this.id)}" is no thread of LangGraph: entry ${entry.seq} is not its own.`,
      );
    if (this.#held === 0) this.#startedAt = entry.at;
    if (data.kind === 'checkpoint') this.#put(entry.seq, data);
    else this.#write(data);
    this.#held = entry.seq + 1;
    this.#last = { at: entry.at, key: identity(entry) };
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
    if (!of) throw new RondoError('JOURNAL_DAMAGED', `The thread "${this.id}" refers to entry ${kept.from}, which holds no "${channel}".`);
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
/** As LangGraph sorts. The order of `<` is another one beyond U+FFFF. */
const byCodePoint = (a: string, b: string): number => (a === b ? 0 : Buffer.from(a).compare(Buffer.from(b)));

const keyOf = (...parts: readonly string[]) => JSON.stringify(parts);

function identity(entry: Entry): string {
  const data = dataOf(entry);
  return data ? keyOf(data.kind, data.ns, data.id, data.kind === 'writes' ? data.task : '') : '';
}
