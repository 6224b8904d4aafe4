type Listener = (reason: unknown) => void;

/** A listener, as a node of a doubly linked list: cheaper than a Set, which would hash every listener. */
export class Subscription {
  readonly #listener: Listener;
  #before: Subscription | undefined;
  #after: Subscription | undefined;

  /** @param head the start of the list that it is inserted into; without it, this is the start of one. */
  constructor(listener: Listener, head?: Subscription) {
    this.#listener = listener;
    if (!head) return;
    this.#before = head;
    this.#after = head.#after;
    if (head.#after) head.#after.#before = this;
    head.#after = this;
  }

  /** Empties a list, newest first, calling each listener. */
  static drain(head: Subscription, reason: unknown): void {
    for (let s = head.#after; s; s = head.#after) {
      s.remove();
      s.#listener(reason);
    }
  }

  /** Stops listening. A second call does nothing. */
  remove(): void {
    if (!this.#before) return;
    this.#before.#after = this.#after;
    if (this.#after) this.#after.#before = this.#before;
    this.#before = undefined;
    this.#after = undefined;
  }
}

/**
 * Cancellation with cheap listeners, one source per run. Listeners are added and removed for every call. An AbortSignal costs about ten
 * times as much, so it is created only on demand.
 */
export class CancelSource {
  #cancelled = false;
  #reason: unknown;
  readonly #listeners = new Subscription(() => {});
  #controller: AbortController | undefined;

  /** A source that is cancelled with a signal. `unlink` removes its listener from the signal. */
  static follow(signal: AbortSignal): { source: CancelSource; unlink: () => void } {
    const source = new CancelSource();
    if (signal.aborted) {
      source.cancel(signal.reason);
      return { source, unlink: () => {} };
    }
    const onAbort = () => source.cancel(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    return { source, unlink: () => signal.removeEventListener('abort', onAbort) };
  }

  get cancelled(): boolean {
    return this.#cancelled;
  }

  /** What `cancel()` was given, or an AbortError where it was given nothing. Undefined before. */
  get reason(): unknown {
    return this.#reason;
  }

  /** This source as an AbortSignal, created at the first access. */
  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.#cancelled) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  /** Calls every listener. Later calls do nothing. */
  cancel(reason?: unknown): void {
    if (this.#cancelled) return;
    this.#cancelled = true;
    this.#reason = reason ?? new DOMException('The run was cancelled', 'AbortError');
    Subscription.drain(this.#listeners, this.#reason);
    this.#controller?.abort(this.#reason);
  }

  /** Calls `listener` on cancellation, or at once if it is cancelled already. It must not throw. */
  add(listener: Listener): Subscription | undefined {
    if (!this.#cancelled) return new Subscription(listener, this.#listeners);
    listener(this.#reason);
    return undefined;
  }
}
