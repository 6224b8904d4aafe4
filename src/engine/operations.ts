import type { CallId, Entry } from '../journal/entries/entries.ts';
import type { Json } from '../json.ts';
import type { Principal } from '../ports/principal.ts';
import { runFor } from './access.ts';
import type { Recorder } from './drive/recorder.ts';
import type { Forgotten } from './forget/erase.ts';
import { type ForgetTarget, forget } from './forget/forget.ts';
import { type Pruned, type PruneOptions, prune } from './forget/prune.ts';
import { cancel, settle } from './interventions.ts';
import { type DeadLetter, type DeadLettersOptions, deadLetters } from './ledger/dead-letters.ts';
import type { EffectRecord } from './ledger/did.ts';
import { type EffectSum, type EffectSumsOptions, effectSums } from './ledger/effect-sums.ts';
import { type EffectsOptions, listedEffects, rebuildEffects } from './ledger/effects.ts';
import { type HandOutsOptions, handOuts } from './ledger/hand-outs.ts';
import type { HandOutRecord } from './ledger/handed.ts';
import { dismiss, type LetterRef } from './ledger/letters.ts';
import { reopen } from './ledger/reopen.ts';
import { checkCall, checkMethod } from './method-options.ts';
import type { RunSummary } from './options.ts';
import { type AgentInfo, describedAgent } from './read/described.ts';
import { type EntriesOptions, entriesOf } from './read/entries.ts';
import { type ApprovalFilter, type OpenApproval, openApprovals } from './read/inbox.ts';
import { listedRuns, type RunFilter } from './read/listing.ts';
import { type RunState, stateOf } from './read/results.ts';
import type { RunEvent } from './read/run-event.ts';
import { type WatchOptions, watch } from './read/watch.ts';
import type { Resources } from './resources.ts';
import { type EventSignal, type InboxEvent, inboxEvents, type Signalled, signal } from './signal.ts';
import { type SearchPage, type SearchQuery, search } from './trace/search.ts';
import { type TraceOptions, traceOf } from './trace/trace.ts';
import type { TraceRecord } from './trace/trace-record.ts';
import { type Schedule, type ScheduleOptions, Schedules } from './work/schedules.ts';

/** What an engine offers to those who look after runs: reading, settling, cancelling and forgetting. */
export abstract class Operations {
  readonly #resources: Resources;
  readonly #recorder: Recorder;
  readonly #schedules: Schedules;

  constructor(resources: Resources, recorder: Recorder) {
    this.#resources = resources;
    this.#recorder = recorder;
    this.#schedules = new Schedules(resources);
  }

  /**
   * Starts runs at the times of a cron pattern, from any process that works (`work()`), each once. A schedule of that name and tenant is
   * replaced, and keeps what it has served. It needs the package croner, and the agent must be registered where it is served.
   * @throws RondoError `CONFIG_INVALID`, also for an unknown time zone and a pattern without a next time; `NOT_PERMITTED` where the policy
   *   refuses to `run` its next run, or to `decide` that of the schedule that it replaces.
   */
  async schedule<C>(name: string, o: ScheduleOptions<C>): Promise<Schedule> {
    this.#resources.assertOpen();
    return this.#schedules.put(name, o as ScheduleOptions<Json>);
  }

  /** Ends a schedule of the caller's tenant. Its runs go on. @returns whether there was one. @throws RondoError `NOT_PERMITTED`. */
  async unschedule(name: string, o: { by?: Principal } = {}): Promise<boolean> {
    this.#resources.assertOpen();
    checkCall('unschedule', o);
    return this.#schedules.remove(name, o.by);
  }

  /** The schedules of the caller's tenant whose next run it may `inspect`, by name, with the times that started no run. */
  async schedules(o: { by?: Principal } = {}): Promise<readonly Schedule[]> {
    this.#resources.assertOpen();
    checkCall('schedules', o);
    return this.#schedules.list(o.by);
  }

  /** The events of a run, from any time on until it ends or pauses, whichever process drives it. @throws RondoError `RUN_NOT_FOUND`, `ENGINE_CLOSED`. */
  watch(runId: string, o: WatchOptions & { by?: Principal } = {}): AsyncIterable<RunEvent> {
    return watch(this.#resources, runId, o, o?.by);
  }

  /** Cancels a run. If another process drives the run, this takes some seconds. A run that has ended does not change. */
  async cancel(runId: string, o: { reason?: string; by?: Principal } = {}): Promise<void> {
    this.#resources.assertOpen();
    await cancel(this.#resources, runId, o);
  }

  /** The state of a run, now or after the entry `at`. @throws RondoError `RUN_NOT_FOUND`. */
  async inspect(runId: string, o: { at?: number; by?: Principal } = {}): Promise<RunState> {
    checkCall('inspect', o);
    await this.#resources.active.get(runId)?.opened;
    const run = await runFor(this.#resources, runId, o.by, 'inspect', o.at);
    // a state of the past is as it was
    return stateOf(run, o.at === undefined ? await this.#resources.host.now() : undefined);
  }

  /** Records an operator's statement about a call whose outcome is unknown. @throws RondoError `CALL_NOT_FOUND`. */
  async settle(
    runId: string,
    callId: CallId,
    o: { outcome: 'done' | 'failed' | 'not-run'; note?: string; output?: Json; by: Principal },
  ): Promise<void> {
    this.#resources.assertOpen();
    await settle(this.#resources, runId, callId, o);
  }

  /**
   * Sends an event to a run that waits for it, from any process: the oldest wait of this name and key in the tenant of `by` gets it. The
   * event is kept for seven days if no run waits. When this resolves, it is in the store: it is taken, or listed by `events()`.
   * @throws RondoError `EVENT_CONFLICT` for an id that came before with other data; `EVENT_REJECTED` for data that does not fit, which is
   *   listed; `NOT_PERMITTED` without `by`; `CONFIG_INVALID`.
   */
  async signal(event: EventSignal, o: { by: Principal }): Promise<Signalled> {
    this.#resources.assertOpen();
    checkMethod('signal', o);
    return signal(this.#resources, event, o?.by);
  }

  /** The events of the tenant of `by` that no run has received, newest first: waiting, rejected and expired ones. Default 100. */
  async events(o: { by?: Principal; limit?: number } = {}): Promise<readonly InboxEvent[]> {
    this.#resources.assertOpen();
    return inboxEvents(this.#resources, o);
  }

  /**
   * Frees the key of a call that is done: a later call with this key runs again, with another idempotency key. It is written in the
   * call's run, with who did it and why.
   * @throws RondoError `CALL_NOT_FOUND` where no key of this call is done, `RUN_NOT_FOUND`, `NOT_PERMITTED`, `DECISION_INVALID`.
   */
  async reopen(effect: { runId: string; callId: CallId }, o: { by: Principal; reason: string }): Promise<void> {
    this.#resources.assertOpen();
    await reopen(this.#resources, effect?.runId, effect?.callId, o);
  }

  /**
   * Forgets a run, the runs of a session, or all runs of a principal: their journals, and copies of their content in later runs of the
   * session and in forks. If one of these runs is open, nothing is forgotten. For a session and a principal, the memories forget too;
   * for a single run they do not. A principal's schedules end, and the events that it sent are erased. The journal's records stay: `deleteThread` of `journalSaver` deletes LangGraph checkpoints.
   * @param o.by the caller, whose tenant must match that of the runs. `target.by` is the owner of the session or the runs, and the caller
   * where none is given. Where the policy refuses one of the runs, nothing is forgotten.
   * @throws RondoError `RUN_NOT_FOUND`, `NOT_PERMITTED`, or `RUN_BUSY` if one of the runs, or one with copies, is running or paused: cancel
   * it first. If one goes on meanwhile, memories and other runs may be forgotten by then, and a repeated call completes it.
   */
  async forget(target: ForgetTarget, o: { by?: Principal } = {}): Promise<Forgotten> {
    this.#resources.assertOpen();
    checkCall('forget', o);
    return forget(this.#resources, this.#recorder, target, o.by);
  }

  /**
   * Forgets runs without new entries for some time.
   * @param caller runs that it may not see, or that the policy does not let it `decide`, are left out. Default: `o.by`. Without both it is
   * the application's own work, on the runs of all tenants, and the policy is not asked.
   * @returns the removed runs, and those that could not be removed.
   */
  async prune(o: PruneOptions, caller: { by?: Principal } = {}): Promise<Pruned> {
    this.#resources.assertOpen();
    checkCall('forget', caller, 'prune()');
    return prune(this.#resources, this.#recorder, o, caller.by);
  }

  /**
   * The runs that the caller may see (of its tenant and of none, if the policy allows `inspect`), newest first. `session`: the one that this
   * caller would continue.
   * `after`: the last run of the previous page.
   */
  runs(filter: RunFilter = {}): AsyncGenerator<RunSummary, void, undefined> {
    return listedRuns(this.#resources, filter);
  }

  /**
   * The open approvals of all runs that `by` may see, paused, stopped at a limit or failed for a time, oldest first: of its tenant and of none, if the policy allows `inspect`.
   * `after`: the last approval of the previous page. Runs whose journal cannot be read are left out; `inspect` says why.
   */
  approvals(filter: ApprovalFilter = {}): AsyncGenerator<OpenApproval, void, undefined> {
    return openApprovals(this.#resources, filter);
  }

  /**
   * What the runs that the caller may see did, newest first: every call that was not a read. `cursor`: the last effect of the previous page.
   * Effects of runs whose journal cannot be read are left out. @throws RondoError `CONFIG_INVALID` for an unknown outcome.
   */
  effects(o: EffectsOptions = {}): AsyncGenerator<EffectRecord, void, undefined> {
    return listedEffects(this.#resources, o);
  }

  /**
   * The credentials that calls of the runs that the caller may see were handed, newest first, those of reads too. Never the tokens. It reads the
   * journals of these runs: name a run or a session where there are many.
   */
  handOuts(o: HandOutsOptions = {}): Promise<readonly HandOutRecord[]> {
    return handOuts(this.#resources, o);
  }

  /**
   * What nothing will go on with by itself, newest first: effects that gave up or are unknown, events that did not fit or have expired, and times
   * of schedules that started no run. Calls are visible as effects are, events and firings to their tenant; firings only if the policy allows
   * `inspect` of the run that they would have started. `cursor`: the last letter of the previous page. @throws RondoError `CONFIG_INVALID`.
   */
  deadLetters<K extends DeadLetter['kind']>(
    o: DeadLettersOptions & { kind?: K } = {},
  ): AsyncGenerator<Extract<DeadLetter, { kind: K }>, void, undefined> {
    return deadLetters(this.#resources, o) as AsyncGenerator<Extract<DeadLetter, { kind: K }>, void, undefined>;
  }

  /**
   * Takes a dead letter off the list, with who did it and why: of a call in its run, of an event in the inbox, of a firing in its schedule. The
   * outcome of a call stays as it is; an event is not delivered.
   * @throws RondoError `CALL_NOT_FOUND` for a call that is not a dead letter, `LETTER_NOT_FOUND` for another one, `RUN_NOT_FOUND`,
   *   `NOT_PERMITTED`, `DECISION_INVALID`.
   */
  async dismiss(letter: LetterRef, o: { by: Principal; reason: string }): Promise<void> {
    this.#resources.assertOpen();
    await dismiss(this.#resources, letter, o);
  }

  /** The effects of each day and tool in sums, the newest day first. @throws RondoError `CONFIG_INVALID` for an unknown time zone. */
  async effectSums(o: EffectSumsOptions = {}): Promise<readonly EffectSum[]> {
    return effectSums(this.#resources, o);
  }

  /**
   * Writes the index of effects again, from the entries of all runs: for a file that an older version of Rondo wrote. Runs may go on.
   * @returns how many runs and effects there are. @throws RondoError `CONFIG_INVALID` if the journal has no index.
   */
  async rebuildEffects(): Promise<{ runs: number; effects: number }> {
    this.#resources.assertOpen();
    return rebuildEffects(this.#resources);
  }

  /** The registered agents with their tools and sub-agents, as plain JSON, in order of registration. */
  agents(): readonly AgentInfo[] {
    return this.#resources.agents.registered().map(describedAgent);
  }

  /**
   * The entries that are in a run's journal now, in order, as copies. docs/journal.md has the format. `after`: the `seq` of the last
   * entry seen. @throws RondoError `RUN_NOT_FOUND`, `NOT_PERMITTED`, `JOURNAL_DAMAGED`, `JOURNAL_VERSION`.
   */
  entries(runId: string, o: EntriesOptions = {}): AsyncGenerator<Entry, void, undefined> {
    return entriesOf(this.#resources, runId, o);
  }

  /**
   * What a run did, one record per attempt, in the order of its entries: of calls, model calls, sub-agents, approvals, memory, and its end.
   * While the run is running, the trace ends with the newest entry. docs/telemetry.md has an example. Access is that of `entries`.
   * @throws RondoError `RUN_NOT_FOUND`, `NOT_PERMITTED`, `CONFIG_INVALID`, `JOURNAL_DAMAGED`, `JOURNAL_VERSION`.
   */
  exportTrace(runId: string, o: TraceOptions = {}): AsyncGenerator<TraceRecord, void, undefined> {
    return traceOf(this.#resources, runId, o);
  }

  /**
   * Finds runs by their calls and texts, newest first, and tells what matched. Only runs that the caller may inspect are searched. A page
   * reads at most 200 runs, so it may hold fewer than `limit`, or none, and still have a `cursor` for the next one.
   * @throws RondoError `CONFIG_INVALID`, whose details name the field.
   */
  async search(query: SearchQuery): Promise<SearchPage> {
    return search(this.#resources, query);
  }
}
