import { type Mistake, RondoError } from '../errors.ts';
import type { Approval } from '../hitl/approvals.ts';
import type { CallId, Decision, Entry } from '../journal/entries.ts';
import type { Json } from '../json.ts';
import type { Agent } from '../loop/types.ts';
import type { AgentInput } from '../ports/model.ts';
import type { Principal } from '../ports/principal.ts';
import { runFor } from './access.ts';
import { Active } from './active.ts';
import { reasonOf } from './cancelled.ts';
import { giveBack } from './closing.ts';
import { type AgentInfo, describedAgent } from './described.ts';
import { type Driven, driveAll } from './driven.ts';
import { dueRuns } from './due.ts';
import { type EntriesOptions, entriesOf } from './entries.ts';
import type { RunEvent } from './events.ts';
import { type ForgetTarget, type Forgotten, forget, type Pruned, type PruneOptions, prune } from './forget.ts';
import { checkFork, type ForkOptions, fork } from './fork.ts';
import { Heartbeat } from './heartbeat.ts';
import { newId } from './ids.ts';
import { type ApprovalFilter, type OpenApproval, openApprovals } from './inbox.ts';
import { release } from './lease.ts';
import { listedRuns, type RunFilter } from './listing.ts';
import { ENGINE, type Eyes, notFound, sees } from './lookup.ts';
import type { EngineOptions, RunArgs, RunOptions, RunSummary, WithoutContext } from './options.ts';
import { cancel, decide, settle } from './outside.ts';
import { Recorder } from './recorder.ts';
import { Resources } from './resources.ts';
import { mayGoOn, type RunResult, type RunState, stateOf } from './results.ts';
import { busy, type DecideOptions, type ResumeOptions, resume } from './resume.ts';
import { engineError, idTaken, type Run, refused, runAfter, runExists, runHandle } from './run.ts';
import { send } from './send.ts';
import { checkRun, start } from './start.ts';
import { follow, type WatchOptions, watch } from './watch.ts';

/** Milliseconds that `close()` waits for calls that are under way. */
const GRACE = 5_000;

/** Said once in a process: an application may make an engine for each request. */
let warned = false;

/** Holds the resources (journal, memory, identity, policy, telemetry) and runs agents. */
export class Engine implements AsyncDisposable {
  readonly #resources: Resources;
  readonly #heartbeat: Heartbeat;
  readonly #recorder: Recorder;
  #closing: Promise<void> | undefined;

  /** @throws RondoError `CONFIG_INVALID` for options that make no sense. */
  constructor(options: EngineOptions = {}) {
    this.#resources = new Resources(options);
    this.#heartbeat = new Heartbeat(this.#resources);
    this.#recorder = new Recorder(this.#resources);
  }

  /**
   * Registers an agent under its name, so that runs which another process started can go on here. A run that this engine started goes
   * on with the agent it was started with, registered or not.
   * @throws RondoError `CONFIG_INVALID` where another agent of that name is registered.
   */
  register<I, O, C>(agent: Agent<I, O, C>): void {
    this.#resources.agents.register(agent as Agent);
  }

  /**
   * Starts a run, at once. Awaiting it resolves for every ending of the run. Throws nothing itself: what is wrong with the call
   * is what it rejects with: RondoError `RUN_EXISTS`, `SESSION_BUSY`, `CONFIG_INVALID`, `ENGINE_CLOSED`, or one of the journal's.
   */
  run<I, O, C>(agent: Agent<I, O, C>, input: NoInfer<I>, ...options: RunArgs<NoInfer<C>>): Run<O>;
  // says what is missing where there are no options, in place of "Expected 3 arguments, but got 2"
  run<I, O, C>(agent: Agent<I, O, C>, input: WithoutContext<NoInfer<I>, NoInfer<C>>): Run<O>;
  run<I, O, C>(agent: Agent<I, O, C>, input: NoInfer<I>, ...options: readonly unknown[]): Run<O> {
    const resources = this.#resources;
    const o = (options[0] ?? {}) as RunOptions<Json>;
    const id = typeof o.id === 'string' ? o.id : newId();
    try {
      resources.assertOpen();
      const definition = resources.agents.checked(agent);
      checkRun(definition, o);
      if (resources.active.has(id)) throw this.#taken(id, o.by);
      return this.#drive(id, o.signal, (active) => start(resources, active, definition, input, o));
    } catch (error) {
      return refused(id, error);
    }
  }

  /**
   * Claims a run and drives it on: after a pause, a crash, or a limit that `limits` raises. One that has ended, or waits for
   * people who have not answered, is answered as it stands.
   * Rejects with RondoError `RUN_NOT_FOUND`, `RUN_BUSY`, `SESSION_BUSY`, `AGENT_NOT_REGISTERED`, or one of the journal's.
   */
  resume(runId: string, o: ResumeOptions = {}): Run {
    return this.#resume(runId, o, o.by);
  }

  #taken(id: string, by: Principal | undefined): RondoError {
    const { asked } = this.#resources.active.get(id) ?? {};
    return asked && sees(by, asked.tenant) ? runExists(id) : idTaken(id);
  }

  #resume(runId: string, o: ResumeOptions, eyes: Eyes): Run {
    const resources = this.#resources;
    try {
      resources.assertOpen();
      const other = resources.active.get(runId);
      if (!other) return this.#drive(runId, o.signal, (active) => resume(resources, active, o, eyes));
      const tenant = async () => (await resources.opened(runId))?.run.started.by?.tenant;
      return refused(
        runId,
        tenant().then((t) => (sees(eyes, t) ? busy(runId) : notFound(runId))),
      );
    } catch (error) {
      return refused(runId, error);
    }
  }

  #drive<O>(runId: string, signal: AbortSignal | undefined, begin: (active: Active) => Promise<RunResult>): Run<O> {
    const resources = this.#resources;
    const active = new Active(runId, resources.onEvent);
    resources.active.set(runId, active);
    const abort = () => active.halt({ why: 'cancel', reason: reasonOf(signal) });
    if (signal?.aborted) abort();
    else signal?.addEventListener('abort', abort, { once: true });
    this.#heartbeat.start();
    const done = this.#see(active, begin).finally(() => signal?.removeEventListener('abort', abort));
    active.done = done;
    return runHandle(runId, done, () => follow(resources, active));
  }

  async #see(active: Active, begin: (active: Active) => Promise<RunResult>): Promise<RunResult> {
    try {
      const result = await begin(active);
      if (mayGoOn(result)) this.#hold(active);
      else this.#resources.agents.letGo(active.runId);
      this.#leave(active, {});
      if (active.log && active.scope) this.#recorder.take(active.log, active.scope.agent);
      if (result.status === 'paused') this.#warn();
      return result;
    } catch (thrown) {
      const error = engineError(thrown);
      if (active.leased) this.#hold(active);
      // a claim that was lost to another process is not ours to give back
      if (active.leased && !RondoError.is(error, 'RUN_BUSY')) await release(this.#resources, active.runId);
      this.#leave(active, { error });
      throw error;
    }
  }

  #leave(active: Active, over: { error?: unknown }): void {
    this.#resources.active.delete(active.runId);
    this.#resources.sources.release(active.runId);
    active.end(over);
  }

  /** The run waits, and goes on with the agent that it has. */
  #hold({ runId, scope }: Active): void {
    const { agents, active } = this.#resources;
    if (scope) agents.hold(runId, scope.agent, active.size);
  }

  #warn(): void {
    if (warned || this.#resources.journal.durable) return;
    warned = true;
    process.emitWarning(
      'a run paused in a journal that does not survive this process. Pass a durable one: new Engine({ journal: sqliteJournal("runs.db") }).',
      'RondoWarning',
    );
  }

  /**
   * Records decisions, durably, from any process; `resume` acts on them. All are taken or none.
   * @param o.by who decides, from the caller's authentication.
   * @param o.resume whether to go on with the run at once, as `resume` does with the other options. Where another process drives it,
   * the decisions are recorded and taken there, and the returned run rejects with `RUN_BUSY`.
   * @returns the approvals that stay open; with `resume`, the run.
   * @throws RondoError `RUN_NOT_FOUND`, `APPROVAL_NOT_FOUND`, `APPROVAL_CLOSED`, `APPROVAL_EXPIRED`, `NOT_PERMITTED`, `DECISION_INVALID`.
   */
  decide(runId: string, decisions: readonly Decision[], o: DecideOptions & { resume: true }): Run;
  decide(runId: string, decisions: readonly Decision[], o: { by: Principal; resume?: false }): Promise<readonly Approval[]>;
  // says what is missing, in place of "Expected 3 arguments, but got 2"
  decide(
    runId: string,
    decisions: Mistake<"Say who decides: engine.decide(runId, [approve(approval)], { by: { id: 'ben' } })">,
  ): Promise<readonly Approval[]>;
  decide(runId: string, decisions: unknown, o?: DecideOptions): Promise<readonly Approval[]> | Run {
    const { by, resume, ...more } = o ?? ({} as DecideOptions);
    const decided = this.#decide(runId, decisions as readonly Decision[], by);
    return resume ? runAfter(runId, decided, () => this.resume(runId, { ...more, by })) : decided;
  }

  async #decide(runId: string, decisions: readonly Decision[], by: Principal): Promise<readonly Approval[]> {
    this.#resources.assertOpen();
    return decide(this.#resources, runId, decisions, by);
  }

  /**
   * Sends a message into a run that has not ended, from any process. Its agent is shown it at its next step; where it was about to end,
   * it goes on instead. A run that waits keeps it until it is resumed.
   * @throws RondoError `RUN_NOT_FOUND`, `RUN_ENDED`, `NOT_PERMITTED`, or `INPUT_REFUSED`: too large, of a graph, or by the policy.
   */
  async send(runId: string, message: AgentInput, o: { by?: Principal } = {}): Promise<void> {
    this.#resources.assertOpen();
    await send(this.#resources, runId, message, o);
  }

  /** Joins a run at any time, whichever process drives it, and misses no entry: to its next end. @throws RondoError `RUN_NOT_FOUND`. */
  watch(runId: string, o: WatchOptions & { by?: Principal } = {}): AsyncIterable<RunEvent> {
    return watch(this.#resources, runId, o, o.by);
  }

  /** Ends a run: at once where this engine or no process drives it, else within seconds. One that has ended stays as it is. */
  async cancel(runId: string, o: { reason?: string; by?: Principal } = {}): Promise<void> {
    this.#resources.assertOpen();
    await cancel(this.#resources, runId, o);
  }

  /** Where a run stands, or stood after the entry `at`. @throws RondoError `RUN_NOT_FOUND`. */
  async inspect(runId: string, o: { at?: number; by?: Principal } = {}): Promise<RunState> {
    await this.#resources.active.get(runId)?.opened;
    return stateOf(await runFor(this.#resources, runId, o.by, 'inspect', o.at));
  }

  /** An operator's word on a call whose outcome is unknown. @throws RondoError `CALL_NOT_FOUND`. */
  async settle(
    runId: string,
    callId: CallId,
    o: { outcome: 'done' | 'failed' | 'not-run'; note?: string; output?: Json; by: Principal },
  ): Promise<void> {
    this.#resources.assertOpen();
    await settle(this.#resources, runId, callId, o);
  }

  /**
   * Starts a new run from any position of an old one, which stays as it is: what had ended by then is taken over and not done again, what
   * had not is done again, and asked about again. What the old run spent is not counted. Events of what was taken over come first.
   * Rejects with RondoError `RUN_NOT_FOUND`, `CONFIG_INVALID`, `AGENT_NOT_REGISTERED`, `RUN_EXISTS`, or one of the journal's.
   */
  fork(runId: string, o: ForkOptions): Run {
    const resources = this.#resources;
    const id = typeof o?.id === 'string' ? o.id : newId();
    try {
      resources.assertOpen();
      checkFork(runId, o);
      if (resources.active.has(id)) throw this.#taken(id, o.by);
      return this.#drive(id, o.signal, (active) => fork(resources, active, runId, o));
    } catch (error) {
      return refused(id, error);
    }
  }

  /**
   * Forgets a run, the runs of a session, or all runs of a principal: their journals, and their words in later runs of the session and in
   * forks, whose models are not shown them again. Nothing of it is done where one of them is open. A session and a principal are
   * forgotten by the memories too; what a single run left there is not. Neither are the journal's records: `deleteThread` of
   * `journalSaver` deletes the checkpoints of LangGraph.
   * @param o.by whose eyes look for the run. `by` beside or in place of a session is whose they are.
   * @throws RondoError `RUN_NOT_FOUND`, or `RUN_BUSY` for one that is running or paused, or that holds their words and is: cancel it first.
   */
  async forget(target: ForgetTarget, o: { by?: Principal } = {}): Promise<Forgotten> {
    this.#resources.assertOpen();
    return forget(this.#resources, this.#recorder, target, o.by);
  }

  /** Forgets runs in which nothing has happened for some time. @returns the runs that are gone, and those that could not go. */
  async prune(o: PruneOptions): Promise<Pruned> {
    this.#resources.assertOpen();
    return prune(this.#resources, this.#recorder, o);
  }

  /**
   * Runs, newest first: of the caller's tenant and of none. `session`: as this caller would continue it. `after`: the last run of the
   * page before.
   */
  runs(filter: RunFilter = {}): AsyncGenerator<RunSummary, void, undefined> {
    return listedRuns(this.#resources.journal, filter);
  }

  /**
   * The open approvals of all paused runs that `by` may see, oldest first: of the caller's tenant and of none, where the policy allows
   * `inspect`. `after`: the last approval of the page before. Runs whose journal cannot be read are left out; `inspect` says why.
   */
  approvals(filter: ApprovalFilter = {}): AsyncGenerator<OpenApproval, void, undefined> {
    return openApprovals(this.#resources, filter);
  }

  /** The registered agents with their tools and sub-agents, as plain JSON, in the order of their registration. */
  agents(): readonly AgentInfo[] {
    return this.#resources.agents.registered().map(describedAgent);
  }

  /**
   * The entries of a run's journal that are committed now, in order, as copies: docs/journal.md has the format. `after`: the `seq` of
   * the last entry seen. @throws RondoError `RUN_NOT_FOUND`, `NOT_PERMITTED`, `JOURNAL_DAMAGED`, `JOURNAL_VERSION`.
   */
  entries(runId: string, o: EntriesOptions = {}): AsyncGenerator<Entry, void, undefined> {
    return entriesOf(this.#resources, runId, o);
  }

  /**
   * Drives on the runs whose process died: those that are running, and held by none. Runs of unknown agents are left alone. It begins
   * when it is called: await it for their next ends, or iterate over the runs as they are claimed.
   */
  recover(): Driven {
    return this.#due('running');
  }

  /** Drives on the paused runs that wait no longer, as `recover` does: an approval expired, or was decided and the run was not resumed. */
  sweep(): Driven {
    return this.#due('paused');
  }

  #due(status: 'running' | 'paused'): Driven {
    const resources = this.#resources;
    return driveAll(
      () => dueRuns(resources, status),
      (runId) => {
        const run = this.#resume(runId, {}, ENGINE);
        return { run, claimed: resources.active.get(runId)?.opened ?? Promise.resolve() };
      },
      () => this.#recorder.sweep(),
    );
  }

  /**
   * Stops driving runs, gives them back, and closes the journal and what the engine opened. Calls under way may end within
   * 5 seconds; a run that is given back rejects with `ENGINE_CLOSED` and can be resumed elsewhere.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const resources = this.#resources;
    resources.closed = true;
    this.#heartbeat.stop();
    await giveBack(resources, GRACE);
    await this.#recorder.close(GRACE);
    await resources.sources.close();
    resources.host.breakers.close();
    await resources.journal.close?.();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
