/** Who wrote what of a state when: two nodes that run side by side must not write one field, unless its updates can be joined. */
import { ToolError } from '../errors.ts';
import type { Call, Frame } from '../journal/fold.ts';

/** By the order of the journal, with what is being written. */
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

  /** A task is ending, and writes these fields. */
  ending(task: Call, keys: readonly string[]): void {
    const at = ++this.#clock;
    this.#ended.set(task, at);
    for (const key of keys) this.#written.set(key, { at, node: task.name });
  }

  /** When a task ended, which what it led to was reached by. It is forgotten with that. */
  ended(task: Call): number {
    const at = this.#ended.get(task) ?? task.finished?.seq ?? 0;
    this.#reached.delete(task);
    this.#ended.delete(task);
    return at;
  }

  /**
   * @param waitedFor whether the task waited for what a node came to, and has seen it.
   * @throws ToolError `UPDATE_CONFLICT` where another node wrote the field beside the task: one of the updates would be lost.
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
