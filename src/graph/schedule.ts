/**
 * Runs a graph: starts the tasks that are ready, applies the updates of those that end, and follows their edges.
 *
 * I1. A task ends with one append, which holds its update and the tasks that follow. A replay reads both and computes neither.
 * I2. A task that has ended never runs again.
 * I3. Updates are applied one at a time. Their entries are appended in the same order, or not at all.
 * I4. Of two tasks that ran in parallel, neither overwrites a field that the other wrote, unless the field has a reducer.
 * I5. After a failure, a halt or a crossed limit no task starts. The graph ends only when the running tasks have ended.
 * I6. The graph fails with its first failure. A failure that cannot be resumed takes precedence over those that can.
 */
import { type Failure, isResumable, RondoError, ToolError } from '../errors.ts';
import type { Crossed, Draft, Reached } from '../journal/entries/entries.ts';
import type { Call } from '../journal/fold/fold.ts';
import type { Make } from '../journal/log.ts';
import { copyJson, type Json } from '../json.ts';
import { appendWithRetry } from '../loop/append-with-retry.ts';
import { journalCrossed } from '../loop/budget.ts';
import type { Blocked } from '../loop/call/call.ts';
import { letOut } from '../loop/conclude.ts';
import type { Left } from '../loop/sub-agent-frame.ts';
import type { Scope, Settlement } from '../loop/types.ts';
import { failureOf } from '../reliability/classify.ts';
import { Halted, judged } from '../reliability/patience.ts';
import type { GraphDefinition } from './definition.ts';
import type { Scheduling } from './ending.ts';
import { nodeFailure } from './failure.ts';
import { Joins } from './joins.ts';
import { perform } from './perform.ts';
import { routed } from './route.ts';
import { keep, type State, updated } from './state.ts';
import { WriteConflicts } from './write-conflicts.ts';

/** Most tasks started before the event loop gets a turn. */
const IN_A_ROW = 100;

export async function schedule(scope: Scope, graph: GraphDefinition): Promise<Settlement | undefined> {
  const ended = scope.frame.tasks ? undefined : await begin(scope, graph);
  return ended ?? new Schedule(scope, graph).run();
}

/** Validates the input, which becomes the state, and follows the edges of `start`. The graph ends here if they lead to `end`. */
async function begin(scope: Scope, graph: GraphDefinition): Promise<Settlement | undefined> {
  let state: State;
  let next: readonly Reached[];
  let output: Json = null;
  try {
    const valid = await judged(graph.input.schema, copyJson(scope.frame.input ?? null), scope.cancel);
    if (!valid.ok) throw new ToolError('INVALID_INPUT', `the input of graph "${graph.name}" does not fit its state: ${valid.problem}.`);
    state = keep(valid.value) as State;
    next = routed(graph, 'start', state);
    if (next.length === 0) output = resultOf(graph, state);
  } catch (error) {
    if (error instanceof Halted) throw error;
    return { status: 'failed', error: failureOf(error, 'NODE_FAILED') };
  }
  const closing = next.length === 0 ? (await letOut(scope, output))() : () => [];
  await scope.append((seq) => [{ type: 'frame.began', kind: 'graph', state, next }, ...closing(seq + 1)]);
  return next.length === 0 ? { status: 'completed', output, committed: true } : undefined;
}

/** A task that ends, and the number of the batch (`Log.stamped`) that holds its entries; -1 before there is one. */
interface Ending {
  task: Call;
  stamped: number;
}

/** All state is rebuilt from the journal, so that another process can take over. */
class Schedule implements Scheduling {
  readonly scope: Scope;
  readonly graph: GraphDefinition;
  /** Includes updates whose entries are still being appended. */
  state: State;
  readonly #joins: Joins;
  /** Tasks that are ready, from index `#head` on. */
  readonly #queue: Call[] = [];
  #head = 0;
  /** Tasks that wait for a person or for a higher limit, with the number of decisions that the run had when they began to wait. */
  readonly #asleep = new Map<Call, { blocked: Blocked; decisions: number }>();
  readonly #conflicts: WriteConflicts;
  #running = 0;
  #error: Failure | undefined;
  #fatal: { error: unknown } | undefined;
  #crossed: { crossed: Crossed; at: Scope } | undefined;
  #ended: Settlement | undefined;
  #newest: Ending | undefined;
  #wake: () => void = () => {};

  constructor(scope: Scope, graph: GraphDefinition) {
    this.scope = scope;
    this.graph = graph;
    this.state = keep(scope.frame.state) as State;
    this.#conflicts = new WriteConflicts(scope.frame, scope.run.next);
    this.#joins = new Joins(graph.shape, (task) => {
      this.#conflicts.released(task);
      this.#queue.push(task);
    });
    const tasks = [...(scope.frame.tasks?.values() ?? [])];
    for (const task of tasks) this.#joins.count(task.name, 1);
    for (const task of tasks) {
      // the process crashed after the task failed and before the graph ended
      if (task.finished?.error) this.#fail(task.finished.error);
      else this.#arrive(task, Number.parseInt(task.id, 10));
    }
  }

  async run(): Promise<Settlement | undefined> {
    const { scope } = this;
    for (;;) {
      const going = !this.#stops();
      if (going && !scope.drive.draining) this.#start();
      if (this.#running > 0) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        continue;
      }
      if (this.#fatal) throw this.#fatal.error;
      if (this.#ended) return this.#ended;
      if (scope.stopsHere()) return undefined;
      if (this.#error) return { status: 'failed', error: this.#error };
      if (this.#hasReady()) {
        if (!this.#crossed) {
          await new Promise((resolve) => setImmediate(resolve));
          continue;
        }
      } else {
        await scope.drive.log.adopt();
        if (this.#awaken()) continue;
        if (this.#joins.total === 0) return this.#conclude();
      }
      this.#crossed ??= [...this.#asleep.values()].flatMap(({ blocked }) => ('crossed' in blocked ? [blocked] : []))[0];
      if (this.#crossed) return { status: 'stopped', limit: this.#crossed.crossed, at: this.#crossed.at };
      return { status: 'paused' };
    }
  }

  #stops(): boolean {
    return Boolean(this.scope.halt || this.#error || this.#fatal || this.#ended || this.#crossed);
  }

  #start(): void {
    this.#awaken();
    for (let n = 0; n < IN_A_ROW && this.#running < this.graph.parallel && !this.#stops(); n++) {
      const task = this.#queue[this.#head];
      if (!task) return;
      if (!this.#mayStart(task)) return;
      this.#head++;
      // frees the memory of tasks that have started
      if (this.#head > 1_000) {
        this.#queue.splice(0, this.#head);
        this.#head = 0;
      }
      this.#launch(task);
    }
  }

  #hasReady(): boolean {
    return this.#head < this.#queue.length;
  }

  /** Completes a graph with no task left. A fork starts in this state, and a graph whose end a gateway lets out comes to it; otherwise the last task completes the graph. */
  async #conclude(): Promise<Settlement> {
    let output: Json;
    try {
      output = resultOf(this.graph, this.state);
    } catch (error) {
      return { status: 'failed', error: failureOf(error, 'NODE_FAILED') };
    }
    const close = await letOut(this.scope, output);
    await this.scope.append(close());
    return { status: 'completed', output, committed: true };
  }

  /** Checks the step limits of this graph and its ancestors, and the size limit of the journal. */
  #mayStart(task: Call): boolean {
    const { run } = this.scope;
    for (let at: Scope | undefined = this.scope; at; at = at.parent) {
      const { steps } = at.limits;
      if (steps !== undefined && task.step > steps)
        this.#crossed ??= { crossed: { name: 'steps', max: steps, used: task.step - 1, needed: 1 }, at };
      const full = at.parent ? undefined : journalCrossed(run);
      if (full) this.#crossed ??= { crossed: full, at };
    }
    return this.#crossed === undefined;
  }

  #launch(task: Call): void {
    this.#running++;
    let result: Left | undefined | Promise<Left | undefined>;
    try {
      result = perform(this, task);
    } catch (error) {
      result = error instanceof ToolError ? this.failed(task, error) : Promise.reject(error);
    }
    if (!(result instanceof Promise)) {
      this.#landed(task, result);
      return;
    }
    result.then(
      (blocked) => this.#landed(task, blocked),
      (error) => {
        this.#running--;
        // a halt is neither a failure of the node nor of the engine
        if (!(error instanceof Halted)) this.#lose(error);
        this.#wake();
      },
    );
  }

  /** The journal failed. Tasks that still run append nothing more. */
  #lose(error: unknown): void {
    this.#fatal ??= { error };
    this.scope.drive.halt ??= { why: 'lost', error };
  }

  /** Handles a task that ended, waits or was halted. */
  #landed(task: Call, left: Left | undefined): void {
    this.#running--;
    if (left && 'failed' in left) this.#fail(left.failed);
    else if (left) this.#asleep.set(task, { blocked: left, decisions: this.scope.run.decisions });
    else if (task.finished?.ok) {
      const { seq, next } = task.finished;
      const { tasks } = this.scope.frame;
      const at = this.#conflicts.ended(task);
      if (next && tasks) for (let i = 0; i < next.length; i++) this.#arrive(tasks.get(`${seq}.${i}`) as Call, at);
      this.#joins.release();
    }
    this.#wake();
  }

  #arrive(task: Call, at: number): void {
    this.#conflicts.reached(task, at);
    this.#joins.arrive(task);
  }

  /** Queues waiting tasks again if the run has new decisions since. @returns whether there were any. */
  #awaken(): boolean {
    const { run } = this.scope;
    let woken = false;
    for (const [task, { decisions }] of this.#asleep) {
      if (decisions === run.decisions) continue;
      this.#asleep.delete(task);
      this.#queue.push(task);
      woken = true;
    }
    return woken;
  }

  /**
   * Applies a task's update and follows its edges. @returns the entries that end the task.
   * @throws ToolError for an invalid update or route; then nothing has changed.
   */
  ending(task: Call, update: unknown, since: number, more?: Partial<Extract<Draft, { type: 'call.finished' }>>): Make {
    const { graph } = this;
    const { state, patch } = updated(task.name, this.state, update, graph);
    const keys = patch && 'keys' in patch ? Object.keys(patch.keys) : [];
    const waitedFor = (node: string) => this.#joins.waitedFor(task, node);
    for (const key of keys) if (!Object.hasOwn(graph.reducers, key)) this.#conflicts.assertAlone(task, key, waitedFor);
    const reached = routed(graph, task.name, state);
    const next = this.#joins.arrivals(reached);
    const joined = this.#joins.joined(reached, task.step + 1);
    // what asks somebody first cannot be in the append that ends a task
    const last = !this.scope.leaving && this.#joins.total === 1 && next.length === 0;
    const output = last ? resultOf(graph, state) : undefined;
    // nothing below throws, so the state and its entries change together
    this.state = state;
    this.#conflicts.ending(task, keys);
    const frame = this.scope.frame.id || undefined;
    const overtaken = this.#joins
      .follow(task, next)
      .map(({ id }): Draft => ({ type: 'call.started', frame, call: id, effect: 'idempotent' }));
    const finished: Draft = { type: 'call.finished', call: task.id, ok: true, attempts: 1, ms: Date.now() - since, ...more };
    finished.frame = frame;
    if (patch) finished.state = patch;
    if (next.length > 0) finished.next = next;
    if (joined.length > 0) finished.joined = joined;
    const drafts = last ? [finished] : [...overtaken, finished];
    if (last) this.#ended = { status: 'completed', output: output as Json, committed: true };
    const closing = last ? this.scope.closing({ ok: true, output: output as Json }) : undefined;
    return this.#inOrder(task, (seq) => {
      const own = drafts.map((draft) => ({ ...draft }));
      return closing ? [...own, ...closing(seq + own.length)] : own;
    });
  }

  /**
   * A task's patch builds on the previous task's. Its entries are appended after those, or in the same batch; otherwise the append fails
   * with `JOURNAL_UNAVAILABLE`.
   */
  #inOrder(task: Call, make: Make): Make {
    const before = this.#newest;
    const mine: Ending = { task, stamped: -1 };
    this.#newest = mine;
    return (seq) => {
      const { log } = this.scope.drive;
      if (before && !before.task.finished && before.stamped !== log.stamped) {
        const message = `graph "${this.graph.name}": an entry before this one could not be written. Nothing is lost: resume the run.`;
        throw new RondoError('JOURNAL_UNAVAILABLE', message);
      }
      mine.stamped = log.stamped;
      return make(seq);
    };
  }

  /** Appends the failure of a task. The graph ends when the other running tasks have ended. */
  async failed(task: Call, thrown: unknown): Promise<undefined> {
    if (thrown instanceof Halted) throw thrown;
    const error = nodeFailure(task, thrown);
    await appendWithRetry(this.scope, () => [this.failure(task, error)]);
    return undefined;
  }

  #fail(error: Failure): void {
    if (!this.#error || (isResumable(this.#error) && !isResumable(error))) this.#error = error;
  }

  failure(task: Call, error: Failure): Draft {
    this.#fail(error);
    const frame = this.scope.frame.id || undefined;
    return { type: 'call.finished', frame, call: task.id, ok: false, error, attempts: error.attempts, ms: 0 };
  }
}

function resultOf(graph: GraphDefinition, state: State): Json {
  return graph.result ? (keep(graph.result(state)) ?? null) : state;
}
