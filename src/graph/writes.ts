/** Write conflicts: two nodes that run side by side must not write one field, unless the field has a reducer. */
import { ToolError } from '../errors.ts';
import type { Call, Frame } from '../journal/fold.ts';

/** Compares positions in the journal, entries that are being appended included. */
export class Writes {
  readonly #written: Map<string, { at: number; node: string }>;
  readonly #reached = new Map<Call, number>();
  readonly #ended = new Map<Call, number>();
  #clock: number;

  constructor({ written }: Frame, next: number) {
    this.#written = new Map([...(written ?? [])].map(([key, { seq, node }]) => [key, { at: seq, node }]));
    this.#clock = next;
  }

  reached(task: Call, at: number): void {
    this.#reached.set(task, at);
  }

  /** Records that a task ends and writes these fields. */
  ending(task: Call, keys: readonly string[]): void {
    const at = ++this.#clock;
    this.#ended.set(task, at);
    for (const key of keys) this.#written.set(key, { at, node: task.name });
  }

  /** @returns the position at which a task ended: the tasks that it leads to were reached there. The task is dropped. */
  ended(task: Call): number {
    const at = this.#ended.get(task) ?? task.finished?.seq ?? 0;
    this.#reached.delete(task);
    this.#ended.delete(task);
    return at;
  }

  /**
   * @param waitedFor whether the task waited for the end of a node, and so has seen what that wrote.
   * @throws ToolError `UPDATE_CONFLICT` where a node that ran side by side with the task wrote the field: one of the updates would be lost.
   */
  assertAlone(task: Call, key: string, waitedFor: (node: string) => boolean): void {
    const written = this.#written.get(key);
    if (!written || written.at <= (this.#reached.get(task) ?? 0) || waitedFor(written.node)) return;
    throw new ToolError(
      'UPDATE_CONFLICT',
      `node "${task.name}" wrote "${key}", which node "${written.node}" wrote beside it. Give it a reducer: reducers: { ${key}: (now, update) => ... }.`,
    );
  }
}
