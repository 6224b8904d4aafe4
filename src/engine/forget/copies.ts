/** Finds what is to be forgotten in other runs: conversations that those continue, entries that forks copied, and facts that a memory learned. */
import { sha256 } from '../../journal/canonical.ts';
import type { Entry, EntryOf } from '../../journal/entries/entries.ts';
import { forgottenUpTo, redacted } from '../../journal/entries/redact.ts';
import { READ_RESULT, standIn } from '../../journal/fold/compacted.ts';
import { closedMessages, type RunFold } from '../../journal/fold/fold.ts';
import { meant } from '../../journal/fold/through.ts';
import type { Journal, RunHead } from '../../journal/port.ts';
import { sessionKey } from '../../journal/session.ts';
import { inWords } from '../../loop/sub-agent-call.ts';
import type { Message, Part } from '../../ports/model.ts';
import type { Principal } from '../../ports/principal.ts';
import { loadRun, startOf } from '../drive/history.ts';

type Started = EntryOf<'run.started'>;

/** The runs whose content is in a message. A summary may hold content of several runs. */
type Origin = readonly string[];

/** Finds copies of the content of some runs in other runs. */
export class Copies {
  readonly #journal: Journal;
  readonly #ids: ReadonlySet<string>;
  readonly #learned: string | undefined;
  readonly #started = new Map<string, Started | undefined>();
  readonly #origins = new Map<string, readonly Origin[]>();
  /** Of the runs that are removed. Undefined: they are still there. */
  #words: ReadonlySet<string> | undefined;

  /** @param session the name of a session: facts that were learned from it are to be forgotten too. */
  constructor(journal: Journal, ids: ReadonlySet<string>, session?: string) {
    this.#journal = journal;
    this.#ids = ids;
    this.#learned = session === undefined ? undefined : sha256(session);
  }

  async #first(id: string): Promise<Started | undefined> {
    if (!this.#started.has(id)) this.#started.set(id, await startOf(this.#journal, id));
    return this.#started.get(id);
  }

  /** Runs that continue one of these or were forked from one, directly or indirectly, oldest first. */
  async holders(): Promise<readonly string[]> {
    const found = new Set<string>(this.#ids);
    const sessions = new Set<string>();
    for (const id of found) {
      for await (const { runId } of this.#journal.heads({ fork: id })) found.add(runId);
      const first = await this.#first(id);
      const session = first && sessionKey(first);
      if (session === undefined || sessions.has(session)) continue;
      sessions.add(session);
      const heads: RunHead[] = [];
      for await (const head of this.#journal.heads({ session })) heads.push(head);
      for (const { runId } of heads.reverse()) {
        const previous = (await this.#first(runId))?.previous;
        if (previous !== undefined && found.has(previous)) found.add(runId);
      }
    }
    return [...found].filter((id) => !this.#ids.has(id));
  }

  /**
   * Runs that were not found before, although they continue one of these or were forked from one. Which message of theirs is of which run
   * cannot be found out, because the runs are gone, so `without` compares their content.
   * @param known those that were found before. @param removed the runs that are gone.
   */
  async late(known: ReadonlySet<string>, removed: readonly RunFold[]): Promise<readonly string[]> {
    this.#words = wordsOf(removed.flatMap(({ root, frames }) => [...root.messages.slice(root.inherited), ...messagesIn(frames)]));
    return (await this.holders()).filter((id) => !known.has(id));
  }

  /** Other runs of principals that recalled facts which are to be forgotten, and their forks. */
  async recalling(principals: readonly Principal[]): Promise<readonly string[]> {
    if (this.#learned === undefined) return [];
    const asked = new Set<string>();
    for (const { id, tenant } of principals)
      for await (const head of this.#journal.heads({ by: id })) if (head.tenant === tenant) asked.add(head.runId);
    const found: string[] = [];
    for (const id of asked) {
      if (this.#ids.has(id) || (await this.unrecalled(id)).length === 0) continue;
      found.push(id);
      for await (const { runId } of this.#journal.heads({ fork: id })) asked.add(runId);
    }
    return found;
  }

  /** The rewritten entries of a run, without the facts that are forgotten. */
  async unrecalled(id: string): Promise<Entry[]> {
    const changed: Entry[] = [];
    for await (const entry of this.#journal.read(id)) {
      const now = this.#unrecalled(entry);
      if (now !== entry) changed.push(now);
    }
    return changed;
  }

  #unrecalled(entry: Entry): Entry {
    if (entry.type !== 'context.changed' || !entry.memory || this.#learned === undefined) return entry;
    const memory = entry.memory.filter(({ sessions }) => !sessions?.includes(this.#learned as string));
    // a list that is empty says that the memory was asked
    return memory.length === entry.memory.length ? entry : { ...entry, memory };
  }

  /** Sequence number of the last entry that a run copied from one of these; -1: none. */
  async copied(id: string): Promise<number> {
    const fork = (await this.#first(id))?.fork;
    if (!fork) return -1;
    return this.#ids.has(fork.run) ? fork.at : Math.min(fork.at, await this.copied(fork.run));
  }

  /** For each message that a run started with: the runs that it comes from. Empty if they are gone. */
  async #inherited(id: string): Promise<readonly Origin[]> {
    const known = this.#origins.get(id);
    if (known) return known;
    const started = await this.#first(id);
    let origins: readonly Origin[] = [];
    if (started?.fork) origins = await this.#inherited(started.fork.run);
    else if (started?.previous !== undefined) origins = await this.#conversation(started.previous, started.previousSeq);
    if (started?.history) origins = originsOf(origins, started.history);
    else if (started?.fork) origins = [];
    this.#origins.set(id, origins);
    return origins;
  }

  async #conversation(id: string, end: number | undefined): Promise<readonly Origin[]> {
    const run = await loadRun(this.#journal, id, (end ?? Number.POSITIVE_INFINITY) - 1);
    if (!run) return [];
    const { inherited, messages, seen } = run.root;
    const own = [id];
    const whole = [...lastOf(await this.#inherited(id), inherited), ...Array<Origin>(messages.length - inherited).fill(own)];
    // a summary stands for all messages that the model does not see
    const left = seen ? together(whole.filter((_, i) => !seen.at.includes(i))) : [];
    const told = seen ? seen.at.map((i) => (i < 0 ? left : (whole[i] as Origin))) : whole;
    return closedMessages(run).length > told.length ? [...told, own] : told;
  }

  #kept(history: readonly Message[], origins: readonly Origin[]): readonly Message[] {
    return this.#words ? left(history, this.#words) : history.filter((_, i) => !this.#has(origins[i]));
  }

  #has(origin: Origin | undefined): boolean {
    return origin?.some((id) => this.#ids.has(id)) ?? false;
  }

  /** The rewritten entries of a run, without the content that is forgotten. */
  async without(id: string): Promise<Entry[]> {
    const copied = await this.copied(id);
    const gone = new Set<string>(this.#words);
    const read = new ReadBack(this.#ids);
    const changed: Entry[] = [];
    for await (const entry of this.#journal.read(id)) {
      let now = this.#unrecalled(entry);
      if (now.type === 'run.started') {
        const first = (await this.#first(id)) ?? now;
        const begun = await this.#begin(first, id, gone, copied, read);
        if (begun !== first) now = begun;
      } else if (now.type === 'run.claimed' && now.previous !== undefined && changed[0]?.type === 'run.started') {
        // the first entry says now what this one added to it
        const { previous: _, previousSeq: _s, depth: _d, history: _h, ...rest } = now;
        now = rest;
      } else if (now.type === 'context.compacted') {
        // the conversation has fewer messages now, and a summary may repeat them. Its cost stays
        if (now.summary !== undefined) for (const part of standIn(now.summary).content) gone.add(JSON.stringify(part));
        const { dropped: _, cleared: _c, summary: _s, ...rest } = now;
        now = rest;
      } else if (now.type === 'context.changed' && now.reshaped) {
        // what a wrapper wrote may repeat what it was given
        const { messages: _, instructions: _i, ...rest } = now.reshaped;
        now = { ...now, reshaped: rest };
      } else if (now.type === 'frame.opened' && now.history) {
        const { history } = now;
        const kept = left(history, gone);
        if (kept.length < history.length || kept.some((message, i) => message !== history[i])) now = { ...now, history: kept };
      }
      if (entry.seq <= copied || read.holds(entry)) now = redacted(now);
      if (now.type === 'run.started' && copied >= 0) now = { ...now, forgotten: Math.max(forgottenUpTo(now), copied) };
      if (now !== entry) changed.push(now);
    }
    return changed;
  }

  /**
   * The first entry of a run without content of these runs, linked to the run before them. Adds the forgotten parts to `gone`: of the
   * messages that it started with, and of those that a fork copied up to the entry `copied`.
   */
  async #begin(entry: Started, id: string, gone: Set<string>, copied: number, read: ReadBack): Promise<Started> {
    const origins = await this.#inherited(id);
    const run = (await loadRun(this.#journal, id, Math.max(copied, 0))) as RunFold;
    const { inherited } = run.root;
    read.from(run.root.messages);
    const words = closedMessages(run, run.root.messages).filter((_, i) => (i < inherited ? this.#has(origins[i]) : copied >= 0));
    if (copied >= 0) words.push(...messagesIn(run.frames));
    for (const word of wordsOf(words)) gone.add(word);
    let { previous, previousSeq, history } = entry;
    const first = history;
    if (history) history = this.#kept(history, origins);
    for (let steps = previous; steps !== undefined && this.#ids.has(steps); steps = previous) {
      const before = await this.#first(steps);
      if (!history && before?.history) {
        history = this.#kept(before.history, await this.#inherited(steps));
      }
      previous = before?.previous;
      previousSeq = before?.previousSeq;
    }
    if (
      previous === entry.previous &&
      history?.every((message, i) => message === first?.[i]) !== false &&
      history?.length === first?.length
    )
      return entry;
    const { previous: _, previousSeq: _s, history: _h, ...rest } = entry;
    return {
      ...rest,
      previous,
      ...(previous !== undefined && previousSeq !== undefined && { previousSeq }),
      history,
    };
  }
}

/** Results of these runs that another run read back by `read_result`: it holds them as results of its own calls. */
class ReadBack {
  readonly #ids: ReadonlySet<string>;
  readonly #refs = new Set<string>();
  readonly #calls = new Set<string>();

  constructor(ids: ReadonlySet<string>) {
    this.#ids = ids;
  }

  /** Notes the references in messages that a conversation began with. */
  from(messages: readonly Message[]): void {
    for (const part of messages.flatMap(({ content }) => content))
      if (part.type === 'toolResult' && part.cleared && this.#ids.has(part.cleared.run)) this.#refs.add(part.cleared.ref);
  }

  /** Whether an entry is the end of a call that read one of them back. Call it for each entry, in order. */
  holds(entry: Entry): boolean {
    if (this.#refs.size === 0) return false;
    if (entry.type === 'frame.opened') this.from(entry.history ?? []);
    if (entry.type === 'model.responded')
      for (const [i, part] of entry.content.filter(({ type }) => type === 'toolCall').entries())
        if (this.#refs.has(refIn(part))) this.#calls.add(`${entry.seq}.${i}`);
    return entry.type === 'call.finished' && this.#calls.has(entry.call);
  }
}

/** What a call of `read_result` reads back. */
function refIn(part: Part): string {
  const call = part.type === 'toolCall' ? (meant(part) ?? part) : undefined;
  const { ref } = (call?.name === READ_RESULT ? call.input : {}) as { ref?: unknown };
  return typeof ref === 'string' ? ref : '';
}

/** The parts to compare with `gone`. A sub-agent's history has calls as text and merged messages, so messages cannot be compared. */
const partsOf = (part: Part): readonly Part[] => (part.type === 'toolResult' ? part.output : inWords(part));

const wordsOf = (messages: readonly Message[]): ReadonlySet<string> =>
  new Set(messages.flatMap(({ content }) => content.flatMap(partsOf)).map((part) => JSON.stringify(part)));

const messagesIn = (frames: RunFold['frames']): Message[] => [...frames.values()].flatMap(({ messages }) => messages);

function left(history: readonly Message[], gone: ReadonlySet<string>): readonly Message[] {
  return history.flatMap((message) => {
    const content = message.content.filter((part) => !gone.has(JSON.stringify(part)));
    return content.length === message.content.length ? message : content.length > 0 ? { ...message, content } : [];
  });
}

/** The last `count` items, padded with unknown ones at the start. */
const lastOf = (list: readonly Origin[], count: number): readonly Origin[] =>
  list.length >= count ? list.slice(list.length - count) : [...Array<Origin>(count - list.length).fill([]), ...list];

const together = (origins: readonly Origin[]): Origin => [...new Set(origins.flat())];

/** The messages that were copied: the newest ones. They follow the summary of the older ones. */
function originsOf(origins: readonly Origin[], history: readonly Message[]): readonly Origin[] {
  const newest = lastOf(origins, history.length);
  if (!history[0]?.summary || origins.length <= history.length) return newest;
  return [together(origins.slice(0, origins.length - history.length + 1)), ...newest.slice(1)];
}
