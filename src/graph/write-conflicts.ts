/** Write conflicts: two nodes that run in parallel must not write the same field, unless it has a reducer. */
import { ToolError } from '../errors.ts';
import type { Call, Frame } from '../journal/fold/fold.ts';

/** Positions count journal entries, including those that are still being appended. */
export class WriteConflicts {
  readonly #written: Map<string, { at: number; node: string }>;
  /** By task: where it was reached, released from its join, and ended. */
  readonly #tasks = new Map<Call, { reached: number; released: number; ended?: number }>();
  #clock: number;

  constructor({ written }: Frame, next: number) {
    this.#written = new Map([...(written ?? [])].map(([key, { seq, node }]) => [key, { at: seq, node }]));
    this.#clock = next;
  }

  reached(task: Call, at: number): void {
    this.#of(task).reached = at;
  }

  /** Records that a task may start. If it waited at a join, it has seen what the nodes before it wrote until now, or until it began. */
  released(task: Call): void {
    this.#of(task).released = task.begun ?? this.#clock;
  }

  /** Records that a task ends and writes these fields. */
  ending(task: Call, keys: readonly string[]): void {
    const at = ++this.#clock;
    this.#of(task).ended = at;
    for (const key of keys) this.#written.set(key, { at, node: task.name });
  }

  /** Forgets a task. @returns the position at which it ended: the tasks after it were reached there. */
  ended(task: Call): number {
    const { ended } = this.#of(task);
    this.#tasks.delete(task);
    return ended ?? task.finished?.seq ?? 0;
  }

  /**
   * @param waitedFor whether the task waited for a node to end, and so has seen the updates of it until the task was released.
   * @throws ToolError `UPDATE_CONFLICT` if a node that ran in parallel wrote the field: one of the updates would be lost.
   */
  assertAlone(task: Call, key: string, waitedFor: (node: string) => boolean): void {
    const written = this.#written.get(key);
    if (!written) return;
    const { reached, released } = this.#of(task);
    if (written.at <= reached || (waitedFor(written.node) && written.at <= released)) return;
    throw new ToolError(
      'UPDATE_CONFLICT',
      `node "${task.name}" wrote "${key}", which node "${written.node}" wrote beside it. Give it a reducer: reducers: { ${key}: (now, update) => ... }.`,
    );
  }

  #of(task: Call) {
    let known = this.#tasks.get(task);
    if (!known) {
      known = { reached: 0, released: 0 };
      this.#tasks.set(task, known);
    }
    return known;
  }
}
