import { type Mistake, RondoError } from '../errors.ts';
import type { Approval } from '../hitl/approvals.ts';
import type { Decision } from '../journal/entries/entries.ts';
import type { Json } from '../json.ts';
import type { Agent } from '../loop/types.ts';
import { checkOptions } from '../options.ts';
import type { AgentInput } from '../ports/model.ts';
import type { Principal } from '../ports/principal.ts';
import { reasonOf } from './drive/cancelled.ts';
import { giveBack } from './drive/closing.ts';
import { type Driven, driveAll } from './drive/driven.ts';
import { Heartbeat } from './drive/heartbeat.ts';
import { newId } from './drive/ids.ts';
import { giveUp } from './drive/lease.ts';
import { LiveRun } from './drive/live-run.ts';
import { Recorder } from './drive/recorder.ts';
import { type DecideOptions, driven, RESUME_OPTIONS, type ResumeOptions, resume } from './drive/resume.ts';
import { checkRun, start } from './drive/start.ts';
import { dueRuns } from './due.ts';
import { Evaluator } from './evaluate/evaluator.ts';
import { checkEvaluate } from './evaluate/options.ts';
import { checkFork, type ForkOptions, fork } from './fork.ts';
import { decide } from './interventions.ts';
import { assertRetriable, type CallRef, type EventRef, type FiringRef, type LetterRef, retried } from './ledger/letters.ts';
import { assertClaims } from './ledger/reopen.ts';
import { Operations } from './operations.ts';
import type { EngineOptions, EnqueueArgs, RunArgs, RunOptions, WithoutContext } from './options.ts';
import { ENGINE, sees, type Viewer } from './read/lookup.ts';
import { mayGoOn, type RunResult } from './read/results.ts';
import { follow } from './read/watch.ts';
import { Resources } from './resources.ts';
import { engineError, idTaken, type Run, refused, runAfter, runExists, runHandle } from './run.ts';
import { send } from './send.ts';
import type { Signalled } from './signal.ts';
import { enqueue } from './work/enqueue.ts';
import { type Work, type WorkOptions, work } from './work/work.ts';

/** Milliseconds that `close()` waits for running calls. */
const GRACE = 5_000;

/** Warn once per process, because an application may create an engine per request. */
let warned = false;

/** Runs agents with shared services: journal, memory, identity, policy, telemetry. */
export class Engine extends Operations implements AsyncDisposable {
  readonly #resources: Resources;
  readonly #heartbeat: Heartbeat;
  readonly #recorder: Recorder;
  readonly #evaluator: Evaluator | undefined;
  #closing: Promise<void> | undefined;

  /** @throws RondoError `CONFIG_INVALID` for invalid options. */
  constructor(options: EngineOptions = {}) {
    const resources = new Resources(options);
    const recorder = new Recorder(resources);
    super(resources, recorder);
    this.#resources = resources;
    this.#recorder = recorder;
    this.#evaluator = options.evaluate && new Evaluator(resources, checkEvaluate(options.evaluate));
    this.#heartbeat = new Heartbeat(resources);
  }

  /** Parts of an engine, for other parts of Rondo: a benchmark finds its own wrapper here, a server the tools of sources. */
  static settings(engine: Engine): Pick<Resources, 'use' | 'limits' | 'journal' | 'sources'> {
    const { use, limits, journal, sources } = engine.#resources;
    return { use, limits, journal, sources };
  }

  /** Tells whether this engine drives a run: at once, and after each change. @returns a function that stops the calls. */
  static onBusy(engine: Engine, told: (busy: boolean) => void): () => void {
    const { active, onBusy } = engine.#resources;
    onBusy.add(told);
    told(active.size > 0);
    return () => void onBusy.delete(told);
  }

  /**
   * Registers an agent under its name, so that this engine can resume runs that another process started. A run that this engine started
   * continues with the agent it was started with, registered or not.
   * @throws RondoError `CONFIG_INVALID` if another agent of that name is registered.
   */
  register<I, O, C>(agent: Agent<I, O, C>): void {
    this.#resources.agents.register(agent as Agent);
  }

  /**
   * Starts a run at once. The promise resolves however the run ends. It never throws synchronously.
   * Rejects with RondoError `RUN_EXISTS`, `SESSION_BUSY`, `CONFIG_INVALID`, `ENGINE_CLOSED`, or an error of the journal.
   */
  run<I, O, C>(agent: Agent<I, O, C>, input: NoInfer<I>, ...options: RunArgs<NoInfer<C>>): Run<O>;
  // without options, its type error says what is missing, instead of "Expected 3 arguments, but got 2"
  run<I, O, C>(agent: Agent<I, O, C>, input: WithoutContext<NoInfer<I>, NoInfer<C>>): Run<O>;
  run<I, O, C>(agent: Agent<I, O, C>, input: NoInfer<I>, ...options: readonly unknown[]): Run<O> {
    const resources = this.#resources;
    const o = (options[0] ?? {}) as RunOptions<Json>;
    const id = typeof o.id === 'string' ? o.id : newId();
    try {
      resources.assertOpen();
      const definition = resources.agents.checked(agent);
      checkRun(definition, o);
      assertClaims(resources, definition);
      if (resources.active.has(id)) throw this.#taken(id, o.by);
      return this.#drive(id, o.signal, (live) => start(resources, live, definition, input, o));
    } catch (error) {
      return refused(id, error);
    }
  }

  /**
   * Stores a run that starts later, from any process. Its status is `queued` until a process with `work()` starts it. In a session it waits
   * for the open run and for the runs that were enqueued earlier.
   * Resolves when the run is in the journal.
   * @throws RondoError `RUN_EXISTS`, `CONFIG_INVALID`, `NOT_PERMITTED`, `INPUT_REFUSED`, or an error of the journal.
   */
  enqueue<I, O, C>(agent: Agent<I, O, C>, input: NoInfer<I>, ...options: EnqueueArgs<NoInfer<C>>): Promise<{ runId: string }>;
  // without options, its type error says what is missing, instead of "Expected 3 arguments, but got 2"
  enqueue<I, O, C>(agent: Agent<I, O, C>, input: WithoutContext<NoInfer<I>, NoInfer<C>>): Promise<{ runId: string }>;
  enqueue<I, O, C>(agent: Agent<I, O, C>, input: NoInfer<I>, ...options: readonly unknown[]): Promise<{ runId: string }> {
    return enqueue(this.#resources, agent as Agent, input, options[0] as RunOptions<Json> | undefined);
  }

  /**
   * Claims a run and continues it: after a pause, a crash, or a limit that `limits` raises. For a run that has ended, or still waits, it
   * returns the current result; but a run that waits is stopped if its `deadline` is over.
   * Rejects with RondoError `RUN_NOT_FOUND`, `RUN_BUSY`, `SESSION_BUSY`, `AGENT_NOT_REGISTERED`, `AGENT_CHANGED`, or an error of the journal.
   */
  resume(runId: string, o: ResumeOptions = {}): Run {
    return this.#resume(runId, o, o?.by);
  }

  #taken(id: string, by: Principal | undefined): RondoError {
    const { asked } = this.#resources.active.get(id) ?? {};
    return asked && sees(by, asked.by?.tenant) ? runExists(id) : idTaken(id);
  }

  #resume(runId: string, o: ResumeOptions, viewer: Viewer): Run {
    const resources = this.#resources;
    try {
      resources.assertOpen();
      checkOptions(o, RESUME_OPTIONS, `the resume of run ${runId}`, { signal: 'signal' });
      const other = resources.active.get(runId);
      if (!other) return this.#drive(runId, o.signal, (live) => resume(resources, live, o, viewer));
      return refused(runId, driven(resources, runId, viewer));
    } catch (error) {
      return refused(runId, error);
    }
  }

  #drive<O>(runId: string, signal: AbortSignal | undefined, begin: (live: LiveRun) => Promise<RunResult>): Run<O> {
    const resources = this.#resources;
    const live = new LiveRun(runId, resources.host, resources.onEvent);
    const abort = () => live.stop({ why: 'cancel', reason: reasonOf(signal) });
    if (signal?.aborted) abort();
    else signal?.addEventListener('abort', abort, { once: true });
    // nothing that may fail comes between this and its end, or the run would be taken for good
    resources.active.set(runId, live);
    if (resources.active.size === 1) for (const told of resources.onBusy) told(true);
    this.#heartbeat.start();
    const done = this.#see(live, begin).finally(() => signal?.removeEventListener('abort', abort));
    live.done = done;
    return runHandle(
      runId,
      done,
      () => follow(resources, live),
      () => live.accepted(),
    );
  }

  async #see(live: LiveRun, begin: (live: LiveRun) => Promise<RunResult>): Promise<RunResult> {
    try {
      const result = await begin(live);
      if (mayGoOn(result)) this.#hold(live);
      else this.#resources.agents.drop(live.runId);
      this.#leave(live, {});
      if (live.agent) this.#recorder.take(live.log, live.agent);
      if (live.begun) this.#evaluator?.take(live.log.run);
      if (result.status === 'paused') this.#warn();
      return result;
    } catch (thrown) {
      const error = engineError(thrown);
      if (live.leased) this.#hold(live);
      // after RUN_BUSY the lease belongs to another process
      if (live.leased && !RondoError.is(error, 'RUN_BUSY')) await giveUp(this.#resources, live, error);
      this.#leave(live, { error });
      throw error;
    }
  }

  #leave(live: LiveRun, over: { error?: unknown }): void {
    const { active, onBusy } = this.#resources;
    active.delete(live.runId);
    if (active.size === 0) for (const told of onBusy) told(false);
    this.#resources.sources.release(live.runId);
    live.end(over);
  }

  /** Keeps the agent of a waiting run, so that it continues with the same one. */
  #hold({ runId, agent }: LiveRun): void {
    const { agents, active } = this.#resources;
    if (agent) agents.hold(runId, agent, active.size);
  }

  #warn(): void {
    if (warned || this.#resources.journalChosen || this.#resources.journal.durable) return;
    warned = true;
    process.emitWarning(
      'a run paused in a journal that does not survive this process. Pass a durable one: new Engine({ journal: sqliteJournal("runs.db") }), or memoryJournal() where that is meant.',
      'RondoWarning',
    );
  }

  /**
   * Records decisions durably, from any process. `resume` acts on them. Either all are accepted or none.
   * @param o.by the person who decides, from the caller's authentication.
   * @param o.resume whether to resume the run at once, with the other options. If another process drives the run, the decisions are
   * recorded and applied there, and the returned run rejects with `RUN_BUSY`.
   * @returns the approvals that are still open; with `resume`, the run.
   * @throws RondoError `RUN_NOT_FOUND`, `APPROVAL_NOT_FOUND`, `APPROVAL_CLOSED`, `APPROVAL_EXPIRED`, `NOT_PERMITTED`, `DECISION_INVALID`.
   */
  decide(runId: string, decisions: readonly Decision[], o: DecideOptions & { resume: true }): Run;
  decide(runId: string, decisions: readonly Decision[], o: { by: Principal; resume?: false }): Promise<readonly Approval[]>;
  // its type error says what is missing, instead of "Expected 3 arguments, but got 2"
  decide(
    runId: string,
    decisions: Mistake<"Say who decides: engine.decide(runId, [approve(approval)], { by: { id: 'ben' } })">,
  ): Promise<readonly Approval[]>;
  decide(runId: string, decisions: unknown, o?: DecideOptions): Promise<readonly Approval[]> | Run {
    const { by, resume, ...more } = o ?? ({} as DecideOptions);
    const decided = this.#decide(runId, decisions as readonly Decision[], o);
    return resume ? runAfter(runId, decided, () => this.resume(runId, { ...more, by })) : decided;
  }

  async #decide(runId: string, decisions: readonly Decision[], o?: DecideOptions): Promise<readonly Approval[]> {
    this.#resources.assertOpen();
    return decide(this.#resources, runId, decisions, o);
  }

  /**
   * Sends a message to a run that has not ended, from any process. The model sees it at the next step; a run that was about to end
   * continues. A waiting run keeps the message until it is resumed.
   * @throws RondoError `RUN_NOT_FOUND`, `RUN_ENDED`, `NOT_PERMITTED`, `GUARDRAIL_FAILED`, `CONFIG_INVALID` for what is not plain JSON, or
   * `INPUT_REFUSED`: it is empty, not what a model can be sent, or over 1,000,000 characters of JSON; the run's top agent is a graph or a
   * foreign agent; 100 messages wait already; the policy or a guardrail refuses it.
   */
  async send(runId: string, message: AgentInput, o: { by?: Principal } = {}): Promise<void> {
    this.#resources.assertOpen();
    await send(this.#resources, runId, message, o);
  }

  /**
   * Tries a dead letter again. Of a call: resumes its run, if the run failed and the call is idempotent or is known not to have run. Of an
   * event: delivers it again, with `data` if given. Of a firing of a schedule: enqueues its run.
   * Rejects with RondoError `DECISION_INVALID` for a `once` call that is unknown, `RUN_ENDED` where the run went on without the call,
   * `CALL_NOT_FOUND`, or as `resume`; `EVENT_REJECTED`; `AGENT_NOT_REGISTERED`, or as `enqueue`; `LETTER_NOT_FOUND`, `NOT_PERMITTED`.
   */
  retry(letter: CallRef, o: { by: Principal }): Run;
  retry(letter: EventRef, o: { by: Principal; data?: unknown }): Promise<Signalled>;
  retry(letter: FiringRef, o: { by: Principal }): Promise<{ runId: string }>;
  retry(letter: LetterRef, o: { by: Principal }): PromiseLike<RunResult | Signalled | { runId: string }>;
  retry(letter: LetterRef, o: { by: Principal; data?: unknown }): Run | Promise<Signalled | { runId: string }> {
    const resources = this.#resources;
    const open = async () => resources.assertOpen();
    if (letter?.kind === 'event' || letter?.kind === 'firing') return open().then(() => retried(resources, letter, o));
    const { runId = '' } = letter ?? {};
    const checked = open().then(() => assertRetriable(resources, letter, o));
    return runAfter(runId, checked, () => this.resume(runId, { by: o.by }));
  }

  /**
   * Starts a new run from any position of an old run. The old run does not change. Calls that had ended at that position are copied and do
   * not run again. All others run again and need new approvals. The spending of the old run is not counted. Events of the copied entries come first.
   * Rejects with RondoError `RUN_NOT_FOUND`, `CONFIG_INVALID`, `AGENT_NOT_REGISTERED`, `AGENT_CHANGED`, `RUN_EXISTS`, or an error of the journal.
   */
  fork(runId: string, o: ForkOptions): Run {
    const resources = this.#resources;
    const id = typeof o?.id === 'string' ? o.id : newId();
    try {
      resources.assertOpen();
      checkFork(runId, o);
      if (resources.active.has(id)) throw this.#taken(id, o.by);
      return this.#drive(id, o.signal, (live) => fork(resources, live, runId, o));
    } catch (error) {
      return refused(id, error);
    }
  }

  /**
   * Resumes runs whose process died: runs with the status `running` and no live lease. Runs of unknown agents are skipped. It starts at once.
   * Await it to wait until all these runs have ended or paused, or iterate over the runs as they are claimed.
   */
  recover(): Driven {
    return this.#due('running');
  }

  /** Resumes paused runs that can continue, like `recover`: an approval expired, or was decided without a resume. */
  sweep(): Driven {
    return this.#due('paused');
  }

  /**
   * Drives all runs that need a process, until it is stopped: runs with a decision, runs whose wait is over, runs of a process that died, and
   * queued runs. Any number of processes may work on one store. Runs of unknown agents are skipped.
   * @throws RondoError `CONFIG_INVALID`, `ENGINE_CLOSED`.
   */
  work(o: WorkOptions = {}): Work {
    const drive = (runId: string) => ({ run: this.#resume(runId, {}, ENGINE), live: this.#resources.active.get(runId) });
    return work({ resources: this.#resources, recorder: this.#recorder, drive }, o, () => this.close());
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
   * Stops driving runs, releases them, and closes the journal and everything that the engine opened. Running calls get 5 seconds to end. A
   * released run rejects with `ENGINE_CLOSED` and can be resumed elsewhere.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const resources = this.#resources;
    resources.closed = true;
    for (const halt of [...resources.closing]) halt();
    this.#heartbeat.stop();
    await giveBack(resources, GRACE);
    await this.#recorder.close(GRACE);
    await this.#evaluator?.close(GRACE);
    await resources.sources.close();
    resources.host.breakers.close();
    await resources.journal.close?.();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
