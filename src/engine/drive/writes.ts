/** Calls of `record` of memories that have not settled: an attempt that was given up ends, and what it called may go on and write. */
import type { RunFold } from '../../journal/fold/fold.ts';
import { ended } from './closing.ts';

export interface Write {
  readonly run: RunFold;
  /** Settles when the memory writes no more. It never rejects. */
  readonly done: Promise<void>;
  /** When the attempt that made it had to end, by `performance.now()`. */
  readonly until: number;
}

export class Writes {
  readonly #open = new Set<Write>();

  /** @param ms milliseconds that the attempt may take. */
  add(run: RunFold, asked: PromiseLike<unknown>, ms: number): void {
    const end = () => void this.#open.delete(write);
    const write: Write = { run, done: Promise.resolve(asked).then(end, end), until: performance.now() + ms };
    this.#open.add(write);
  }

  /** Waits up to `ms` milliseconds for those that `of` picks. @returns those that go on. */
  async ended(of: (run: RunFold) => boolean, ms: number): Promise<readonly Write[]> {
    const open = [...this.#open].filter(({ run }) => of(run));
    await ended(open, ms);
    return open.filter((write) => this.#open.has(write));
  }
}
