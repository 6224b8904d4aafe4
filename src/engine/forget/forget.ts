/**
 * Forgetting. The content of a run is not only in its own journal: a later run of its session may repeat the conversation, and a fork has
 * copied entries. Those entries are rewritten without it, later runs are linked to the run before it, and only then is the run itself
 * removed. If this is interrupted, calling it again completes it.
 */
import { invalid, RondoError } from '../../errors.ts';
import type { Entry, EntryOf, RunStatus } from '../../journal/entries/entries.ts';
import { redacted } from '../../journal/entries/redact.ts';
import { standIn } from '../../journal/fold/compacted.ts';
import { closedMessages, isOver, type RunFold } from '../../journal/fold/fold.ts';
import type { Journal, RunHead } from '../../journal/port.ts';
import { sessionKey } from '../../journal/session.ts';
import { inWords } from '../../loop/descend.ts';
import type { Message, Part } from '../../ports/model.ts';
import { isName, type Principal } from '../../ports/principal.ts';
import { loadRun, startOf } from '../drive/history.ts';
import type { Recorder } from '../drive/recorder.ts';
import { checkBy } from '../drive/start.ts';
import { cancel } from '../outside.ts';
import { ENGINE, findRun, headsOfSession } from '../read/lookup.ts';
import type { Resources } from '../resources.ts';
import { clearMemories, keptInMemory } from './unremember.ts';
import { eraseEvents } from './unsend.ts';

/** `runs`: those that are removed. `rewritten`: other runs, from which copies of their content were removed. */
export interface Forgotten {
  runs: readonly string[];
  rewritten: readonly string[];
  /** Removed runs whose conversations may still be in a memory without `forget`. Absent if there are none. */
  remembered?: readonly string[];
  /** How many events that the principal sent and that no run had taken were erased. Absent if there are none. */
  events?: number;
}

/** The id of a run; a session of a user or of the application; or all runs on behalf of a principal. */
export type ForgetTarget = string | { session: string; by?: Principal } | { by: Principal };

export interface PruneOptions {
  /** Milliseconds since the run's newest entry, by the store's clock. */
  olderThan: number;
  /** Default: all statuses of ended runs. A queued, running or paused run is removed only if its status is named, and is cancelled first. */
  status?: RunStatus | readonly RunStatus[];
  /** Only runs of this principal. Default: all. */
  by?: Principal;
}

/** `kept`: runs that could not be removed, because they, or a run with copies of their content, are being driven. */
export interface Pruned extends Forgotten {
  kept: readonly string[];
}

const OPEN: ReadonlySet<RunStatus> = new Set(['queued', 'running', 'paused']);
const STATUSES: ReadonlySet<RunStatus> = new Set(['queued', 'running', 'paused', 'completed', 'failed', 'cancelled', 'stopped']);

/** @see Engine.forget */
export async function forget(
  resources: Resources,
  recorder: Recorder,
  target: ForgetTarget,
  viewer: Principal | undefined,
): Promise<Forgotten> {
  const { journal } = resources;
  const all = (ids: ReadonlySet<string>, session?: string, by?: Principal) =>
    forgetRuns(resources, recorder, ids, (runs) => clearMemories(resources, runs, session, by));
  if (typeof target === 'string') {
    await findRun(journal, target, viewer);
    return forgetRuns(resources, recorder, new Set([target]), async (runs) => keptInMemory(resources, runs));
  }
  if (typeof target !== 'object' || target === null || !('session' in target || 'by' in target))
    throw invalid('forget() takes the id of a run, { session, by } or { by }.');
  checkBy(target.by, 'forget()');
  if (!('session' in target)) {
    if (!target.by) throw invalid('forget({ by }) needs the principal that is to be forgotten.');
    const forgotten = await all(await runsBy(journal, target.by), undefined, target.by);
    const events = await eraseEvents(resources, target.by);
    return { ...forgotten, ...(events > 0 && { events }) };
  }
  if (!isName(target.session)) throw invalid('forget({ session }): a session is a text of 1 to 500 characters.');
  return all(await runsOf(journal, target.session, target.by), target.session, target.by);
}

async function runsBy(journal: Journal, { id, tenant }: Principal): Promise<Set<string>> {
  const found = new Set<string>();
  for await (const head of journal.heads({ by: id })) if (head.tenant === tenant) found.add(head.runId);
  return found;
}

/** The runs of the conversation that `by` started. There may be several sessions of one name. */
async function runsOf(journal: Journal, session: string, by: Principal | undefined): Promise<Set<string>> {
  const found = new Set<string>();
  const heads = await headsOfSession(journal, session, by, {});
  for (const head of heads.reverse()) {
    const started = await startOf(journal, head.runId);
    const before = started?.previous !== undefined && heads.some(({ runId }) => runId === started.previous) ? started.previous : undefined;
    if (before === undefined ? head.by === by?.id : found.has(before)) found.add(head.runId);
  }
  return found;
}

/** @see Engine.prune */
export async function prune(resources: Resources, recorder: Recorder, { olderThan, status, by }: PruneOptions): Promise<Pruned> {
  if (typeof olderThan !== 'number' || !(olderThan >= 0)) throw invalid('prune() needs { olderThan }: milliseconds, 0 or more.');
  const wanted = new Set(status === undefined ? [...STATUSES].filter((s) => !OPEN.has(s)) : [status].flat());
  for (const s of wanted) if (!STATUSES.has(s)) throw invalid(`prune(): there is no status "${s}". There are ${[...STATUSES].join(', ')}.`);
  checkBy(by, 'prune()');
  const { journal } = resources;
  const before = (await resources.host.now()) - olderThan;
  const groups = new Map<string, Set<string>>();
  for (const s of wanted)
    for await (const head of journal.heads(by ? { status: s, by: by.id } : { status: s })) {
      if (head.startedAt > before || (by && head.tenant !== by.tenant)) continue;
      if (((await loadRun(journal, head.runId))?.lastAt ?? Number.POSITIVE_INFINITY) > before) continue;
      const group = head.session === undefined ? `run ${head.runId}` : `session ${JSON.stringify([head.tenant, head.session])}`;
      groups.set(group, (groups.get(group) ?? new Set()).add(head.runId));
    }
  const pruned = { runs: [] as string[], rewritten: [] as string[], kept: [] as string[] };
  for (const ids of groups.values()) {
    try {
      for (const id of ids)
        if (OPEN.has((await findRun(journal, id, ENGINE)).status)) await cancel(resources, id, { reason: 'pruned' }, ENGINE);
      const { runs, rewritten } = await forgetRuns(resources, recorder, ids, async () => []);
      pruned.runs.push(...runs);
      pruned.rewritten.push(...rewritten);
    } catch (error) {
      if (!RondoError.is(error, 'RUN_BUSY')) throw error;
      pruned.kept.push(...ids);
    }
  }
  return pruned;
}

/** @param unremember makes the memories forget, before anything is removed. It returns the runs that they may still know. */
async function forgetRuns(
  resources: Resources,
  recorder: Recorder,
  ids: ReadonlySet<string>,
  unremember: (runs: readonly RunFold[]) => Promise<readonly string[]>,
): Promise<Forgotten> {
  const { journal } = resources;
  const runs: RunFold[] = [];
  for (const id of ids) runs.push(await assertIdle(resources, id, 'it is forgotten'));
  const words = new Words(journal, ids);
  const holders = await words.holders();
  for (const id of holders)
    if ((await words.copied(id)) >= 0) await assertIdle(resources, id, 'what it was forked from is forgotten');
    else await assertIdle(resources, id, 'what it continues is forgotten', ['running']);
  const changed = new Map<string, Entry[]>();
  for (const id of holders) {
    // a fork is cancelled first: its copied open calls must not run without their arguments
    if ((await words.copied(id)) >= 0 && !isOver(await findRun(journal, id, ENGINE)))
      await cancel(resources, id, { reason: 'the run it was forked from was forgotten' }, ENGINE);
    const entries = await words.without(id);
    if (entries.length > 0) changed.set(id, entries);
  }
  if (changed.size > 0 && !journal.rewrite)
    throw invalid(
      `runs ${[...changed.keys()].join(', ')} hold words of what is to be forgotten, and this journal has no rewrite() to take them out. Nothing was forgotten.`,
    );
  for (const run of runs) await recorder.drop(run);
  const remembered = await unremember(runs);
  for (const [id, entries] of changed) await journal.rewrite?.(id, entries);
  for (const id of ids) {
    resources.agents.drop(id);
    await journal.remove(id);
  }
  // results that tools gave to these runs may be of the person who is forgotten
  if (ids.size > 0) resources.host.results.clear();
  return { runs: [...ids], rewritten: [...changed.keys()], ...(remembered.length > 0 && { remembered }) };
}

/** @throws RondoError `RUN_BUSY` */
async function assertIdle(resources: Resources, runId: string, why: string, busy: readonly RunStatus[] = [...OPEN]): Promise<RunFold> {
  const run = await findRun(resources.journal, runId, ENGINE);
  const { status } = run;
  if (busy.includes(status) || resources.active.has(runId))
    throw new RondoError('RUN_BUSY', `run ${runId} is ${status}: cancel() it before ${why}. Nothing was forgotten.`, {
      details: { runId },
    });
  return run;
}

type Started = EntryOf<'run.started'>;

/** The runs whose content is in a message. A summary may hold content of several runs. */
type Origin = readonly string[];

/** Finds copies of the content of some runs in other runs. */
class Words {
  readonly #journal: Journal;
  readonly #ids: ReadonlySet<string>;
  readonly #started = new Map<string, Started | undefined>();
  readonly #origins = new Map<string, readonly Origin[]>();

  constructor(journal: Journal, ids: ReadonlySet<string>) {
    this.#journal = journal;
    this.#ids = ids;
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

  #has(origin: Origin | undefined): boolean {
    return origin?.some((id) => this.#ids.has(id)) ?? false;
  }

  /** The rewritten entries of a run, without the content that is forgotten. */
  async without(id: string): Promise<Entry[]> {
    const copied = await this.copied(id);
    const gone = new Set<string>();
    const changed: Entry[] = [];
    for await (const entry of this.#journal.read(id)) {
      let now = entry;
      if (now.type === 'run.started') {
        const first = (await this.#first(id)) ?? now;
        const begun = await this.#begin(first, id, gone, copied);
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
      } else if (now.type === 'frame.opened' && now.history) {
        const { history } = now;
        const kept = left(history, gone);
        if (kept.length < history.length || kept.some((message, i) => message !== history[i])) now = { ...now, history: kept };
      }
      if (entry.seq <= copied) now = redacted(now);
      if (now !== entry) changed.push(now);
    }
    return changed;
  }

  /**
   * The first entry of a run without content of these runs, linked to the run before them. Adds the forgotten parts to `gone`: of the
   * messages that it started with, and of those that a fork copied up to the entry `copied`.
   */
  async #begin(entry: Started, id: string, gone: Set<string>, copied: number): Promise<Started> {
    const origins = await this.#inherited(id);
    const run = (await loadRun(this.#journal, id, Math.max(copied, 0))) as RunFold;
    const { inherited } = run.root;
    const words = closedMessages(run, run.root.messages).filter((_, i) => (i < inherited ? this.#has(origins[i]) : copied >= 0));
    if (copied >= 0) for (const { messages } of run.frames.values()) words.push(...messages);
    for (const { content } of words) for (const part of content.flatMap(partsOf)) gone.add(JSON.stringify(part));
    let { previous, previousSeq, history } = entry;
    const first = history;
    if (history) history = history.filter((_, i) => !this.#has(origins[i]));
    for (let steps = previous; steps !== undefined && this.#ids.has(steps); steps = previous) {
      const before = await this.#first(steps);
      if (!history && before?.history) {
        const whose = await this.#inherited(steps);
        history = before.history.filter((_, i) => !this.#has(whose[i]));
      }
      previous = before?.previous;
      previousSeq = before?.previousSeq;
    }
    if (previous === entry.previous && history?.length === first?.length) return entry;
    const { previous: _, previousSeq: _s, history: _h, ...rest } = entry;
    return {
      ...rest,
      previous,
      ...(previous !== undefined && previousSeq !== undefined && { previousSeq }),
      history,
    };
  }
}

/** The parts to compare with `gone`. A sub-agent's history has calls as text and merged messages, so messages cannot be compared. */
const partsOf = (part: Part): readonly Part[] => (part.type === 'toolResult' ? part.output : inWords(part));

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
