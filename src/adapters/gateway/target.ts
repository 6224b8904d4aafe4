import type { ChangedList } from '../../ports/materials.ts';
import type { OpenedSource, Tool } from '../../ports/tool.ts';
import { bounded, messageOf } from '../../reliability/classify.ts';
import { inTime } from '../../reliability/patience.ts';
import type { Opening } from './opening.ts';

/** Milliseconds that a target which failed is waited for when it is tried again: it must not slow every run. */
const AGAIN = 1_000;

/** What a target offers now, or why it is left out. */
export type Offer = { opened: OpenedSource; tools: readonly unknown[] } | { missing: string };

/** A target as one opening of the gateway sees it. Its failures end nothing but its own offer. */
export class Target {
  readonly name: string;
  readonly #opening: Opening;
  readonly #patience: number;
  readonly #onChanged: (list?: ChangedList) => void;
  readonly #leave: () => Promise<void>;
  /** Answers that were not waited for to the end. */
  readonly #late = new WeakSet<Promise<unknown>>();
  #listing: Promise<readonly unknown[]> | undefined;
  /** A list that came too late: the next listing takes it, since a slow source would be late again. */
  #answered: readonly unknown[] | undefined;
  readonly #keep = (tools: readonly unknown[]) => {
    this.#answered = tools;
  };
  #failed = false;

  constructor(name: string, opening: Opening, { patience, onChanged }: { patience: number; onChanged: (list?: ChangedList) => void }) {
    this.name = name;
    this.#opening = opening;
    this.#patience = patience;
    this.#onChanged = onChanged;
    this.#leave = opening.join(onChanged);
  }

  /** Never throws. */
  async offer(): Promise<Offer> {
    try {
      const opened = await this.opened();
      const tools = this.#answered ?? (await this.#listed(opened));
      this.#answered = undefined;
      this.#failed = false;
      return { opened, tools };
    } catch (error) {
      this.#failed = true;
      return { missing: bounded(messageOf(error)) };
    }
  }

  /** Those of its agents that it offers the caller; undefined: all. None while it cannot be asked. Never throws. */
  async agents(): Promise<readonly Tool[] | undefined> {
    try {
      const opened = await this.opened();
      return opened.agents && (await inTime(opened.agents(), this.#patience, 'the target, asked which agents it offers,'));
    } catch {
      return [];
    }
  }

  /** @throws Error if it does not open, or not in time. */
  opened(): Promise<OpenedSource> {
    return this.#soon(this.#opening.open(), 'to open');
  }

  close(): Promise<void> {
    return this.#leave();
  }

  #listed(opened: OpenedSource): Promise<readonly unknown[]> {
    this.#listing ??= this.#list(opened);
    return this.#soon(this.#listing, 'to list its tools', this.#keep);
  }

  async #list(opened: OpenedSource): Promise<readonly unknown[]> {
    try {
      const tools: unknown = await opened.list();
      if (!Array.isArray(tools)) throw new Error('it answered no list of tools');
      return tools;
    } finally {
      this.#listing = undefined;
    }
  }

  /** Waits for an answer, but never twice for one that took too long: when that comes, the engine is told to ask again. */
  async #soon<T>(answer: Promise<T>, what: string, keep?: (late: T) => void): Promise<T> {
    if (this.#late.has(answer)) throw new Error(`it still takes ${what}`);
    let pending = true;
    const settled = () => {
      pending = false;
    };
    answer.then(settled, settled);
    try {
      return await inTime(answer, this.#failed ? Math.min(AGAIN, this.#patience) : this.#patience, `the target, asked ${what},`);
    } catch (error) {
      if (pending) {
        this.#late.add(answer);
        const done = () => this.#late.delete(answer);
        answer.then((value) => {
          done();
          keep?.(value);
          // only the list of its tools is kept; a target that has opened may have others of all
          this.#onChanged(keep && 'tools');
        }, done);
      }
      throw error;
    }
  }
}
