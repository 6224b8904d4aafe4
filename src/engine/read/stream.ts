import type { RunEvent } from './run-event.ts';

type Result = IteratorResult<RunEvent, undefined>;
/** Most queued events of a reader. Above it, progress events are dropped, because they are not journaled anyway. */
const MAX_PROGRESS = 1_000;

type Failed = { error: unknown };
const DONE: Result = { done: true, value: undefined };

/**
 * The events of a run for one reader. For a slow reader consecutive text deltas are merged, so that no text is lost and memory is bounded
 * by the text itself. Not an async generator, which costs several times as much per event.
 */
export class EventStream implements AsyncIterableIterator<RunEvent, undefined> {
  readonly #queue: RunEvent[] = [];
  #head = 0;
  #waiting: { resolve: (r: Result) => void; reject: (e: unknown) => void }[] = [];
  #ended = false;
  #error: Failed | undefined;
  #closing: { error: Failed | undefined } | undefined;
  /** Live events that arrived during a replay. */
  #held: RunEvent[] | undefined;
  readonly #leave: () => void;

  constructor(leave: () => void) {
    this.#leave = leave;
  }

  push(event: RunEvent): void {
    if (this.#ended) return;
    if (this.#held) this.#held.push(event);
    else this.#give(event);
  }

  #give(event: RunEvent): void {
    const waiting = this.#waiting.shift();
    if (waiting) {
      waiting.resolve({ done: false, value: event });
      return;
    }
    if (event.type === 'tool.progress' && this.#queue.length - this.#head > MAX_PROGRESS) return;
    const last = this.#queue[this.#queue.length - 1];
    if (last && this.#queue.length > this.#head && joins(last, event))
      this.#queue[this.#queue.length - 1] = { ...last, text: last.text + (event as Delta).text };
    else this.#queue.push(event);
  }

  /** Delivers the events of a replay before all live ones. */
  async replay(events: AsyncIterable<RunEvent>): Promise<void> {
    this.#held = [];
    try {
      for await (const event of events) {
        if (this.#ended) return;
        this.#give(event);
      }
      const held = this.#held;
      this.#held = undefined;
      for (const event of held) this.#give(event);
      if (this.#closing) this.#finish(this.#closing.error);
    } catch (error) {
      this.#held = undefined;
      this.fail(error);
    }
  }

  end(): void {
    this.#close(undefined);
  }

  fail(error: unknown): void {
    this.#close({ error });
  }

  #close(error: Failed | undefined): void {
    if (this.#ended) return;
    // a replay, and the live events after it, are delivered first
    if (this.#held) this.#closing ??= { error };
    else this.#finish(error);
  }

  #finish(error: Failed | undefined): void {
    this.#ended = true;
    const [first, ...others] = this.#waiting;
    this.#waiting = [];
    if (!first) this.#error = error;
    else if (error) first.reject(error.error);
    else first.resolve(DONE);
    for (const waiting of others) waiting.resolve(DONE);
  }

  next(): Promise<Result> {
    if (this.#head < this.#queue.length) {
      const value = this.#queue[this.#head++] as RunEvent;
      if (this.#head > 64 && this.#head * 2 > this.#queue.length) {
        this.#queue.splice(0, this.#head);
        this.#head = 0;
      }
      return Promise.resolve({ done: false, value });
    }
    if (this.#ended) {
      const failed = this.#error;
      this.#error = undefined;
      return failed ? Promise.reject(failed.error) : Promise.resolve(DONE);
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
    });
  }

  return(): Promise<Result> {
    this.#leave();
    this.#ended = true;
    this.#error = undefined;
    this.#queue.length = this.#head = 0;
    for (const waiting of this.#waiting.splice(0)) waiting.resolve(DONE);
    return Promise.resolve(DONE);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

type Delta = RunEvent & { type: 'text.delta' | 'reasoning.delta' | 'tool.delta' };

const joins = (a: RunEvent, b: RunEvent): a is Delta =>
  (a.type === 'text.delta' || a.type === 'reasoning.delta' || a.type === 'tool.delta') &&
  a.type === b.type &&
  a.attempt === b.attempt &&
  a.step === b.step &&
  // by identity, because parallel sub-agents may have equal names and steps, but each frame has its own `path` array
  a.path === b.path &&
  (a.type !== 'tool.delta' || a.id === (b as typeof a).id);
