/**
 * Runs a graph: starts the nodes that were reached and wait for nobody, takes their updates into the state one after the other, and
 * follows their edges. What a node came to, what that changed and where it leads is one entry; nothing of it is worked out again.
 */

import { type Failure, isResumable, RondoError, ToolError } from '../errors.ts';
import type { Crossed, Draft, Reached } from '../journal/entries.ts';
import type { Call } from '../journal/fold.ts';
import type { Make } from '../journal/log.ts';
import { copyJson, type Json } from '../json.ts';
import { journalCrossed } from '../loop/budget.ts';
import type { Blocked } from '../loop/call.ts';
import type { Left } from '../loop/child.ts';
import { held } from '../loop/held.ts';
import type { Scope, Settlement } from '../loop/types.ts';

import { failureOf } from '../reliability/classify.ts';
import { Halted } from '../reliability/patience.ts';
import { validate } from '../schema.ts';
import type { GraphDefinition } from './definition.ts';
import { nodeFailure } from './failure.ts';
import { perform, type Scheduling } from './perform.ts';
import { routed } from './route.ts';
import { keep, type State, updated } from './state.ts';
import { Writes } from './writes.ts';

/** Nodes in a row that may end without the event loop having had a turn. */
const IN_A_ROW = 100;

export async function schedule(scope: Scope, graph: GraphDefinition): Promise<Settlement | undefined> {
  const ended = scope.frame.tasks ? undefined : await begin(scope, graph);
  return ended ?? new Schedule(scope, graph).run();
}

/** Takes the input for the state, as the schema makes it, and follows the first edges: maybe nowhere, and the graph has ended. */
async function begin(scope: Scope, graph: GraphDefinition): Promise<Settlement | undefined> {
  let state: State;
  let next: readonly Reached[];
  let output: Json = null;
  try {
    const valid = await validate(graph.input.schema, copyJson(scope.frame.input ?? null));
    if (!valid.ok) throw new ToolError('INVALID_INPUT', `the input of graph "${graph.name}" does not fit its state: ${valid.problem}.`);
    state = keep(valid.value) as State;
    next = routed(graph, 'start', state);
    if (next.length === 0) output = resultOf(graph, state);
  } catch (error) {
    return { status: 'failed', error: failureOf(error, 'NODE_FAILED') };
  }
  const closing = next.length === 0 ? scope.closing({ ok: true, output }) : () => [];
  await scope.append((seq) => [{ type: 'frame.began', kind: 'graph', state, next }, ...closing(seq + 1)]);
  return next.length === 0 ? { status: 'completed', output, committed: true } : undefined;
}

/** The end of a task, and with which append it was to be written. */
interface Ending {
  task: Call;
  stamped: number;
}

/** What the scheduler keeps in hand, all of which the journal says too. */
class Schedule implements Scheduling {
  readonly scope: Scope;
  readonly graph: GraphDefinition;
  /** With the updates whose entries are being written. */
  state: State;
  /** How many tasks of a node are under way or waiting. */
  readonly #active = new Map<string, number>();
  #total = 0;
  /** Tasks that may start now, from `#head` on. */
  readonly #queue: Call[] = [];
  #head = 0;
  /** Tasks that wait for others to pass, by their node: one for all arrivals. */
  readonly #joins = new Map<string, Call | undefined>();
  /** Tasks that wait for people, or for a higher limit, and how many decisions there were then. */
  readonly #asleep = new Map<Call, { blocked: Blocked; decisions: number }>();
  /** Tasks that waited, and wait no longer. */
  readonly #released = new Set<Call>();
  readonly #writes: Writes;
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
    this.#writes = new Writes(scope.frame, scope.run.next);
    const tasks = [...(scope.frame.tasks?.values() ?? [])];
    for (const task of tasks) this.#count(task.name, 1);
    for (const task of tasks) {
      // a crash came between a failure and the end of the graph
      if (task.finished?.error) this.#fail(task.finished.error);
      else this.#arrive(task, Number.parseInt(task.id, 10));
    }
  }

  async run(): Promise<Settlement | undefined> {
    const { scope } = this;
    for (;;) {
      if (scope.run.cancelled) scope.halt = { why: 'cancel' };
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
      if (scope.drive.draining) scope.halt = { why: 'close' };
      if (scope.halt) return undefined;
      if (this.#error) return { status: 'failed', error: this.#error };
      if (this.#hasReady()) {
        if (!this.#crossed) {
          await new Promise((resolve) => setImmediate(resolve));
          continue;
        }
      } else {
        await scope.drive.log.adopt();
        if (this.#awaken()) continue;
        if (this.#total === 0) return this.#conclude();
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
      // what was taken is let go of now and then
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

  /** Nothing is left to run, and nobody said so: a fork may begin there. */
  async #conclude(): Promise<Settlement> {
    let output: Json;
    try {
      output = resultOf(this.graph, this.state);
    } catch (error) {
      return { status: 'failed', error: failureOf(error, 'NODE_FAILED') };
    }
    const closing = this.scope.closing({ ok: true, output });
    await this.scope.append(closing);
    return { status: 'completed', output, committed: true };
  }

  /** The bounds of the way, of this graph and of those it is in, and those of the journal. */
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
        // a halt is not the node's failure, nor the engine's
        if (!(error instanceof Halted)) this.#lose(error);
        this.#wake();
      },
    );
  }

  /** The journal cannot go on: nothing that is still under way is written any more. */
  #lose(error: unknown): void {
    this.#fatal ??= { error };
    this.scope.halt = { why: 'lost', error };
  }

  /** A task has ended, waits, or was halted. */
  #landed(task: Call, left: Left | undefined): void {
    this.#running--;
    if (left && 'failed' in left) this.#fail(left.failed);
    else if (left) this.#asleep.set(task, { blocked: left, decisions: this.scope.run.decisions });
    else if (task.finished?.ok) {
      this.#released.delete(task);
      const { seq, next } = task.finished;
      const { tasks } = this.scope.frame;
      const at = this.#writes.ended(task);
      if (next && tasks) for (let i = 0; i < next.length; i++) this.#arrive(tasks.get(`${seq}.${i}`) as Call, at);
      this.#passed();
    }
    this.#wake();
  }

  /** Takes a task that was reached: it starts, or waits for those that may still come to it. */
  #arrive(task: Call, at: number): void {
    this.#writes.reached(task, at);
    if (!this.#waits(task) || task.status !== 'open' || task.approval) {
      this.#queue.push(task);
      return;
    }
    // in a journal, of two tasks of one node that waits the earlier one waited no longer when the later one was made
    const before = this.#joins.get(task.name);
    if (before) this.#release(before);
    this.#joins.set(task.name, task);
    this.#passed();
  }

  /** Whether a task is of those that wait for what may still come to their node. */
  #waits({ name, sent }: Pick<Call, 'name' | 'sent'>): boolean {
    return !sent && (this.graph.shape.upstream.get(name)?.size ?? 0) > 0;
  }

  #release(task: Call): void {
    this.#released.add(task);
    this.#queue.push(task);
  }

  /** Lets go of the joins to which nothing can come any more. */
  #passed(): void {
    for (const [node, task] of this.#joins) {
      if (!task || this.#awaited(node)) continue;
      this.#joins.delete(node);
      this.#release(task);
    }
  }

  #awaited(node: string): boolean {
    const upstream = this.graph.shape.upstream.get(node);
    for (const before of this.#active.keys()) if (upstream?.has(before)) return true;
    return false;
  }

  /** Looks again at those who wait, where somebody has decided something since. */
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

  #count(node: string, by: number): void {
    const now = (this.#active.get(node) ?? 0) + by;
    if (now === 0) this.#active.delete(node);
    else this.#active.set(node, now);
    this.#total += by;
  }

  /**
   * The entries with which a task ends: its update is taken, its edges are followed. They build upon those of the task that ended before it.
   * @throws ToolError where the update or the route makes no sense; nothing has changed then.
   */
  ending(task: Call, update: unknown, since: number, more?: Partial<Extract<Draft, { type: 'call.finished' }>>): Make {
    const { graph } = this;
    const { state, patch } = updated(task.name, this.state, update, graph);
    const keys = patch && 'keys' in patch ? Object.keys(patch.keys) : [];
    const waitedFor = (node: string) => this.#waits(task) && (graph.shape.upstream.get(task.name)?.has(node) ?? false);
    for (const key of keys) if (!Object.hasOwn(graph.reducers, key)) this.#writes.assertAlone(task, key, waitedFor);
    const next = routed(graph, task.name, state).filter((reached, i, all) => this.#isNew(reached, i, all));
    const last = this.#total === 1 && next.length === 0;
    const output = last ? resultOf(graph, state) : undefined;
    // from here on nothing can fail
    this.state = state;
    this.#writes.ending(task, keys);
    this.#count(task.name, -1);
    this.#released.delete(task);
    const begun = this.#begun(next);
    for (const { node, input } of next) {
      this.#count(node, 1);
      if (this.#waits({ name: node, ...(input !== undefined && { sent: true }) }) && !this.#joins.has(node))
        this.#joins.set(node, undefined);
    }
    const finished: Draft = { type: 'call.finished', call: task.id, ok: true, attempts: 1, ms: Date.now() - since, ...more };
    finished.frame = this.scope.frame.id || undefined;
    if (patch) finished.state = patch;
    if (next.length > 0) finished.next = next;
    const drafts = last ? [finished] : [...begun, finished];
    if (last) this.#ended = { status: 'completed', output: output as Json, committed: true };
    const closing = last ? this.scope.closing({ ok: true, output: output as Json }) : undefined;
    return this.#inOrder(task, (seq) => {
      const own = drafts.map((draft) => ({ ...draft }));
      return closing ? [...own, ...closing(seq + own.length)] : own;
    });
  }

  /**
   * Entries that are written after those of the task that ended before, or with them, and else not at all: they say what changed of a state
   * that has its update.
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

  /** Tasks that waited, and wait no longer, though something that they would wait for begins: the journal must know. */
  #begun(next: readonly Reached[]): Draft[] {
    const drafts: Draft[] = [];
    for (const { id, name, status, approval, frame } of this.#released) {
      if (approval || frame) continue;
      const upstream = this.graph.shape.upstream.get(name);
      if (status !== 'open' || !next.some(({ node }) => upstream?.has(node))) continue;
      drafts.push({ type: 'call.started', frame: this.scope.frame.id || undefined, call: id, effect: 'idempotent' });
    }
    return drafts;
  }

  /** Whether an arrival makes a task of its own: all that come to a node that still waits are one. */
  #isNew({ node, input }: Reached, i: number, all: readonly Reached[]): boolean {
    if (input !== undefined || !this.graph.shape.upstream.get(node)?.size) return true;
    return !this.#joins.has(node) && all.findIndex((other) => other.node === node && other.input === undefined) === i;
  }

  /** Writes down that a node failed, which ends the graph when what is under way beside it has ended. */
  async failed(task: Call, thrown: unknown): Promise<undefined> {
    if (thrown instanceof Halted) throw thrown;
    const error = nodeFailure(task, thrown);
    await held(this.scope, () => [this.failure(task, error)]);
    return undefined;
  }

  /** The graph fails with the first failure; one that cannot be mended counts before one that can, whichever came first. */
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
