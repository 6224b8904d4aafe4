import type { RunnableConfig } from '@langchain/core/runnables';
import { BaseCheckpointSaver, type Checkpoint, type CheckpointMetadata, type CheckpointTuple } from '@langchain/langgraph';
import { invalid } from '../../errors.ts';
import type { Journal } from '../../journal/port.ts';
import type { Records } from '../../journal/records.ts';
import { checkOptions } from '../../options.ts';
import { common, textOf } from './delta.ts';
import { type CheckpointRecord, type Kept, NAMESPACE, type Versions } from './record.ts';
import { type Saved, Thread, type Value, type Write } from './thread.ts';

type Serializer = BaseCheckpointSaver['serde'];
type ListOptions = Parameters<BaseCheckpointSaver['list']>[1];
type Writes = Parameters<BaseCheckpointSaver['putWrites']>[1];

export interface JournalSaverOptions {
  /** Writes values as bytes and reads them again. Default: LangGraph's own. */
  serde?: Serializer;
  /** What a stored checkpoint survives: a killed process (the default), or power loss. A journal with a durability of its own ignores it. */
  sync?: 'power' | 'process';
}

/**
 * A checkpoint saver for LangGraph on a Rondo journal: `graph.compile({ checkpointer: journalSaver(sqliteJournal('threads.db')) })`.
 *
 * A thread is one of the journal's `records`, under its id in the namespace `langgraph`. It is not a run. Every `put` and `putWrites` is
 * one append, so a crash leaves all of it or none.
 * Several processes may write to one thread. Only changes of a channel are stored, so a conversation takes space in proportion to its
 * length. If two callers resume a thread at once, LangGraph runs both.
 * @throws RondoError `CONFIG_INVALID` if the journal has no `records`.
 */
export function journalSaver(journal: Journal, o: JournalSaverOptions = {}): BaseCheckpointSaver {
  checkOptions(o, { serde: 'serde: serializer', sync: "sync: 'power'" }, 'journalSaver()', { sync: ['power', 'process'] });
  return new JournalSaver(journal, o);
}

/** The indexes of special writes. They are negative, because LangGraph may overwrite them. */
const PLACES: ReadonlyMap<string, number> = new Map([
  ['__error__', -1],
  ['__scheduled__', -2],
  ['__interrupt__', -3],
  ['__resume__', -4],
]);
/** The channel in which checkpoints before version 4 hold the sends of their parent. */
const TASKS = '__pregel_tasks';
/** Most characters of cached threads, in total, and what a thread counts besides its values: one that was only looked for is cached too. */
const MOST_KEPT = 64 * 1024 * 1024;
const THREAD = 4_096;

class JournalSaver extends BaseCheckpointSaver {
  readonly #records: Records;
  readonly #sync: 'power' | 'process' | undefined;
  /** Least recently used first. */
  readonly #threads = new Map<string, Thread>();

  constructor(journal: Journal, { serde, sync }: JournalSaverOptions) {
    super(serde);
    if (typeof journal?.append !== 'function') throw invalid('journalSaver() takes a journal, such as sqliteJournal("threads.db").');
    if (typeof journal.records?.append !== 'function')
      throw invalid(
        'journalSaver(): this journal has no records, which is where checkpoints are stored. Implement Journal.records, or pass a journal that has them, such as sqliteJournal("threads.db").',
      );
    this.#records = journal.records;
    this.#sync = sync;
  }

  async getTuple(config: RunnableConfig): Promise<CheckpointTuple | undefined> {
    const { thread_id, checkpoint_ns = '', checkpoint_id } = config.configurable ?? {};
    if (thread_id === undefined) return undefined;
    const thread = this.#thread(thread_id);
    const found = await thread.queued(async () => {
      await thread.refresh();
      const saved = checkpoint_id ? thread.checkpoint(checkpoint_ns, checkpoint_id) : thread.newest(checkpoint_ns);
      return saved && around(thread, checkpoint_ns, saved);
    });
    this.#evict(thread);
    return found && this.#tuple(thread.id, checkpoint_ns, found);
  }

  async *list(config: RunnableConfig, options: ListOptions = {}): AsyncGenerator<CheckpointTuple> {
    const { thread_id, checkpoint_ns, checkpoint_id } = config.configurable ?? {};
    const before: string | undefined = options.before?.configurable?.checkpoint_id;
    const filter = Object.entries(options.filter ?? {});
    let left = options.limit ?? Number.POSITIVE_INFINITY;
    for (const id of thread_id === undefined ? await this.#threadIds() : [String(thread_id)]) {
      const thread = this.#thread(id);
      await thread.queued(() => thread.refresh());
      this.#evict(thread);
      for (const ns of checkpoint_ns === undefined ? thread.namespaces() : [checkpoint_ns as string])
        for (const saved of thread.checkpoints(ns)) {
          if (left <= 0) return;
          if ((checkpoint_id && saved.id !== checkpoint_id) || (before && saved.id >= before)) continue;
          const metadata = filter.length > 0 ? ((await this.#load(saved.metadata)) as Record<string, unknown>) : {};
          if (!filter.every(([key, value]) => metadata[key] === value)) continue;
          left--;
          yield await this.#tuple(id, ns, around(thread, ns, saved));
        }
    }
  }

  async put(config: RunnableConfig, checkpoint: Checkpoint, metadata: CheckpointMetadata, newVersions: Versions): Promise<RunnableConfig> {
    const { thread_id, checkpoint_ns: ns = '', checkpoint_id: parent } = config.configurable ?? {};
    const thread = this.#thread(thread_id);
    const { channel_values, channel_versions: versions, ...rest } = checkpoint;
    const has = (channel: string) => Object.hasOwn(channel_values, channel);
    const record = {
      kind: 'checkpoint' as const,
      ns,
      id: checkpoint.id,
      ...(parent !== undefined && { parent }),
      versions: { ...versions },
    };
    const [kept, meta, fresh] = await Promise.all([
      this.#keep(rest),
      this.#keep(metadata),
      Promise.all(
        Object.keys(newVersions)
          .filter(has)
          .map(async (channel) => [channel, await this.#keep(channel_values[channel])] as const),
      ),
    ]);
    await thread.queued(async () => {
      await thread.refresh();
      const from = await this.#elsewhere(thread, record, newVersions, channel_values);
      await thread.append((): CheckpointRecord => {
        const before = parent === undefined ? undefined : thread.checkpoint(ns, parent);
        const values = Object.fromEntries(fresh.map(([channel, whole]) => [channel, lessOf(whole, before?.values.get(channel))]));
        return { ...record, checkpoint: kept, metadata: meta, values, ...(from && { from }) };
      });
      // the next value is stored as a difference to this one
      const before = parent === undefined ? undefined : thread.checkpoint(ns, parent)?.values;
      const after = thread.checkpoint(ns, record.id)?.values;
      for (const [channel, whole] of fresh) remember(after?.get(channel), whole, before?.get(channel));
    });
    this.#evict(thread);
    return { configurable: { thread_id, checkpoint_ns: ns, checkpoint_id: checkpoint.id } };
  }

  async putWrites(config: RunnableConfig, writes: Writes, task: string, path?: string): Promise<void> {
    const { thread_id, checkpoint_ns: ns = '', checkpoint_id: id } = config.configurable ?? {};
    const thread = this.#thread(thread_id);
    if (typeof id !== 'string' || id === '') throw missing('checkpoint_id');
    const kept = await Promise.all(
      writes.map(async ([channel, value], i) => [PLACES.get(channel) ?? i, channel, await this.#keep(value)] as const),
    );
    await thread.queued(() => thread.append(() => ({ kind: 'writes', ns, id, task, ...(path && { path }), writes: kept })));
  }

  async deleteThread(threadId: string): Promise<void> {
    const thread = this.#thread(threadId);
    await thread.queued(() => thread.remove());
    this.#threads.delete(thread.id);
  }

  #thread(id: unknown): Thread {
    if (typeof id !== 'string' || id === '') throw missing('thread_id');
    const thread = this.#threads.get(id) ?? new Thread(this.#records, id, this.#sync);
    this.#threads.delete(id);
    this.#threads.set(id, thread);
    return thread;
  }

  /** Evicts the least recently used threads. Evicting one in use is safe: its appends still check for conflicts. */
  #evict(current: Thread): void {
    let size = 0;
    for (const thread of this.#threads.values()) size += thread.size + THREAD;
    for (const [id, thread] of this.#threads) {
      if (size <= MOST_KEPT) return;
      if (thread === current) continue;
      this.#threads.delete(id);
      size -= thread.size + THREAD;
    }
  }

  async #threadIds(): Promise<string[]> {
    const ids: string[] = [];
    for await (const id of this.#records.list(NAMESPACE)) ids.push(id);
    return ids;
  }

  /**
   * Channels of a copied checkpoint whose values are neither new nor its parent's: for each the index of the stored value. If branches of
   * the thread have several values under one version, the values are compared.
   */
  async #elsewhere(
    thread: Thread,
    { ns, parent, versions }: Pick<CheckpointRecord, 'ns' | 'parent' | 'versions'>,
    newVersions: Versions,
    values: Record<string, unknown>,
  ): Promise<Record<string, number> | undefined> {
    const before = parent === undefined ? undefined : thread.checkpoint(ns, parent);
    let from: Record<string, number> | undefined;
    for (const [channel, version] of Object.entries(versions)) {
      if (Object.hasOwn(newVersions, channel) || !Object.hasOwn(values, channel) || before?.versions[channel] === version) continue;
      const candidates = thread.candidates(ns, channel, version);
      const kept = candidates.length > 1 ? await this.#keep(values[channel]) : undefined;
      const found = kept ? candidates.find((value) => same(value, kept)) : candidates[0];
      if (found) from = { ...from, [channel]: found.seq };
    }
    return from;
  }

  async #tuple(thread_id: string, checkpoint_ns: string, { saved, writes, sends }: Around): Promise<CheckpointTuple> {
    const [rest, metadata, pendingWrites, pendingSends, values] = await Promise.all([
      this.#load(saved.checkpoint) as Promise<Omit<Checkpoint, 'channel_values' | 'channel_versions'>>,
      this.#load(saved.metadata) as Promise<CheckpointMetadata>,
      Promise.all(writes.map(async ({ task, channel, value }) => [task, channel, await this.#load(value)] as [string, string, unknown])),
      Promise.all(sends.map(({ value }) => this.#load(value))),
      Promise.all([...saved.values].map(async ([channel, value]) => [channel, await this.#value(value)] as const)),
    ]);
    const { v, id, ts, versions_seen } = rest;
    const channel_values: Record<string, unknown> = Object.fromEntries(values);
    const channel_versions = { ...saved.versions } as Checkpoint['channel_versions'];
    if (v < 4 && saved.parent !== undefined) {
      channel_values[TASKS] = pendingSends;
      channel_versions[TASKS] = Object.values(saved.versions).reduce(later, undefined) ?? this.getNextVersion(undefined);
    }
    const at = (checkpoint_id: string) => ({ configurable: { thread_id, checkpoint_ns, checkpoint_id } });
    return {
      config: at(saved.id),
      checkpoint: { v, id, ts, channel_values, channel_versions, versions_seen },
      metadata,
      pendingWrites,
      ...(saved.parent !== undefined && { parentConfig: at(saved.parent) }),
    };
  }

  async #keep(value: unknown): Promise<Kept> {
    const [type, bytes] = await this.serde.dumpsTyped(value);
    const json = type === 'json' ? textIn(bytes) : undefined;
    return json !== undefined ? { json } : { type, base64: Buffer.from(bytes).toString('base64') };
  }

  #load(kept: Kept): Promise<unknown> {
    return 'base64' in kept ? this.#bytes(kept) : this.serde.loadsTyped('json', kept.json);
  }

  #value({ piece, bytes }: Value): Promise<unknown> {
    return bytes ? this.#bytes(bytes) : this.serde.loadsTyped('json', textOf(piece as NonNullable<Value['piece']>));
  }

  #bytes({ type, base64 }: { type: string; base64: string }): Promise<unknown> {
    return this.serde.loadsTyped(type, new Uint8Array(Buffer.from(base64, 'base64')));
  }
}

const UTF8 = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true });

/** The bytes as text; undefined if they are not valid UTF-8. */
function textIn(bytes: Uint8Array): string | undefined {
  try {
    return UTF8.decode(bytes);
  } catch {
    return undefined;
  }
}

/** A consistent snapshot of a checkpoint, its writes and the sends of its parent. */
interface Around {
  saved: Saved;
  writes: readonly Write[];
  sends: readonly Write[];
}

const around = (thread: Thread, ns: string, saved: Saved): Around => ({
  saved,
  writes: thread.writes(ns, saved.id),
  sends: saved.parent === undefined ? [] : thread.writes(ns, saved.parent).filter(({ channel }) => channel === TASKS),
});

/** A value as a difference to the previous one, if that is shorter. */
function lessOf(whole: Kept, before: Value | undefined): Kept {
  if (!before?.piece || !('json' in whole) || 'from' in whole) return whole;
  const shared = common(textOf(before.piece), whole.json);
  if (!shared) return whole;
  const { head, tail } = shared;
  return { from: before.seq, head, tail, json: whole.json.slice(head, whole.json.length - tail) };
}

/** Caches the whole text of a channel's newest value only. */
function remember(value: Value | undefined, whole: Kept, before: Value | undefined): void {
  if (before?.piece) delete before.piece.text;
  if (value?.piece && 'json' in whole) value.piece.text = whole.json;
}

const same = ({ piece, bytes }: Value, kept: Kept) =>
  'base64' in kept ? bytes?.base64 === kept.base64 : piece !== undefined && textOf(piece) === kept.json;

const later = (a: number | string | undefined, b: number | string) =>
  a === undefined || (typeof a === 'number' && typeof b === 'number' ? b > a : String(b) > String(a)) ? b : a;

const missing = (what: string) =>
  invalid(`A checkpointer needs a ${what}, a string. Pass it: graph.invoke(input, { configurable: { thread_id: "1" } }).`);
