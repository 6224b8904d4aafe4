/**
 * The joins of a running graph: which tasks wait until no running branch can still reach their node.
 *
 * I1. A task waits exactly as long as a task of an upstream node is active. A task made by `send`, or one that has started, never waits.
 * I2. All arrivals at a waiting node become one task.
 * I3. A released task does not wait again, even after a crash.
 */
import type { Reached } from '../journal/entries/entries.ts';
import type { Call } from '../journal/fold/fold.ts';
import type { Shape } from './shape.ts';

export class Joins {
  readonly #upstream: Shape['upstream'];
  readonly #ready: (task: Call) => void;
  /** By node: how many of its tasks run or wait. */
  readonly #active = new Map<string, number>();
  /** The waiting task of a node; undefined while the entry that makes it is being appended. */
  readonly #waiting = new Map<string, Call | undefined>();
  readonly #released = new Set<Call>();
  /** How many tasks run or wait. */
  total = 0;

  /** @param ready gets each task that may start. */
  constructor({ upstream }: Pick<Shape, 'upstream'>, ready: (task: Call) => void) {
    this.#upstream = upstream;
    this.#ready = ready;
  }

  count(node: string, by: number): void {
    const now = (this.#active.get(node) ?? 0) + by;
    if (now === 0) this.#active.delete(node);
    else this.#active.set(node, now);
    this.total += by;
  }

  /** Adds a task that is in the journal. It is ready at once, or waits at its join. */
  arrive(task: Call): void {
    if (!this.#waits(task) || task.status !== 'open' || task.approval) {
      this.#ready(task);
      return;
    }
    // in a replay, a second task of a join proves that the first one was released
    const before = this.#waiting.get(task.name);
    if (before) this.#release(before);
    this.#waiting.set(task.name, task);
    this.release();
  }

  /** Releases the tasks that no running branch can reach any more. */
  release(): void {
    for (const [node, task] of this.#waiting) {
      if (!task || this.#isAwaited(node)) continue;
      this.#waiting.delete(node);
      this.#release(task);
    }
  }

  /** Whether the task waited until `node` ended. If so, its input includes the updates of `node`. */
  waitedFor(task: Call, node: string): boolean {
    return this.#waits(task) && (this.#upstream.get(task.name)?.has(node) ?? false);
  }

  /** The arrivals that make a new task. The others are merged into the waiting task of their join. */
  arrivals(next: readonly Reached[]): readonly Reached[] {
    return next.filter(({ node, input }, i) => {
      if (input !== undefined || !this.#isJoin(node)) return true;
      return !this.#waiting.has(node) && next.findIndex((other) => other.node === node && other.input === undefined) === i;
    });
  }

  /** The joins among these arrivals where a task waits, unless it is known to have been reached by a path of as many nodes. */
  joined(next: readonly Reached[], step: number): readonly string[] {
    const longer = ({ node, input }: Reached) =>
      input === undefined && this.#waiting.has(node) && (this.#waiting.get(node)?.step ?? 0) < step;
    return [...new Set(next.filter(longer).map(({ node }) => node))];
  }

  /**
   * Records that a task ended and which nodes follow it.
   * @returns released tasks that have not started although an upstream node starts again. The caller journals their start, because a
   * replay would make them wait.
   */
  follow(task: Call, next: readonly Reached[]): readonly Call[] {
    this.count(task.name, -1);
    this.#released.delete(task);
    const overtaken = [...this.#released].filter(({ name, status, approval, frame }) => {
      const upstream = this.#upstream.get(name);
      return status === 'open' && !approval && !frame && next.some(({ node }) => upstream?.has(node));
    });
    for (const { node, input } of next) {
      this.count(node, 1);
      if (input === undefined && this.#isJoin(node) && !this.#waiting.has(node)) this.#waiting.set(node, undefined);
    }
    return overtaken;
  }

  #release(task: Call): void {
    this.#released.add(task);
    this.#ready(task);
  }

  #waits({ name, sent }: Pick<Call, 'name' | 'sent'>): boolean {
    return !sent && this.#isJoin(name);
  }

  #isJoin(node: string): boolean {
    return (this.#upstream.get(node)?.size ?? 0) > 0;
  }

  #isAwaited(node: string): boolean {
    const upstream = this.#upstream.get(node);
    for (const before of this.#active.keys()) if (upstream?.has(before)) return true;
    return false;
  }
}
