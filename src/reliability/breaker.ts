import { EventEmitter } from 'node:events';
import Opossum from 'opossum';
import { ToolError } from '../errors.ts';
import type { BreakerTarget } from '../telemetry/trace.ts';
import { classify } from './classify.ts';
import type { Fault } from './codes.ts';
import { type BreakerPolicy, DEFAULTS } from './policy.ts';
import { Cancelled, Expired } from './timeout.ts';

/** `open`: calls are refused. `half-open`: the recovery time has passed, and one trial call may run, or runs. */
export type CircuitState = 'closed' | 'open' | 'half-open';

/** What a circuit guards, and when it opens. */
export interface CircuitOptions {
  /** The name of the guarded tool, step or model, for messages. */
  name: string;
  /** Consecutive service faults that open the circuit. Default 5. */
  failures?: number;
  /** Milliseconds that it stays open. Then one trial call may run. Default 30,000. */
  recovery?: number;
  /** Called after every change of state. An error of it is ignored. */
  onState?: (circuit: Circuit, state: CircuitState) => void;
  /** Shared by the circuits of an engine. Once it is closed, every call is refused. */
  gate?: { readonly closed: boolean };
}

type Wrapped = Opossum<[() => PromiseLike<unknown>], unknown>;

/** Calls after which opossum's statistics window, which we do not use, is emptied. */
const WINDOW = 1_024;
const OPEN = { closed: false, halfOpen: false };
const HALF_OPEN = { closed: false, halfOpen: true };

/**
 * A circuit breaker for few and slow calls. It opens after `failures` consecutive service faults, and `recovery` ms later allows one
 * trial call. A caller's fault (bad arguments, not found, denied) counts as a success, because the service answered. A cancelled call or
 * an unclassified error proves nothing, not even as the trial. While the circuit is open, `fire` rejects with CIRCUIT_OPEN.
 */
export class Circuit {
  readonly name: string;
  readonly #threshold: number;
  readonly #recovery: number;
  readonly #onState: CircuitOptions['onState'];
  #breaker: Wrapped;
  #failures = 0;
  #retryAt: number | undefined;
  #closed = false;
  readonly #gate: { readonly closed: boolean } | undefined;
  #fired = 0;
  /** The call that just ended proves nothing, although opossum will report a success. */
  #noEvidence = false;
  readonly #refused = new WeakSet<object>();
  readonly #rotate = new EventEmitter();

  constructor(o: CircuitOptions) {
    this.name = o.name;
    this.#threshold = o.failures ?? DEFAULTS.failures;
    this.#recovery = o.recovery ?? DEFAULTS.recovery;
    this.#onState = o.onState;
    this.#gate = o.gate;
    this.#breaker = this.#build();
  }

  /** `failures`: consecutive ones so far. `retryAt`: epoch milliseconds, while open. */
  get status(): { state: CircuitState; failures: number; retryAt?: number } {
    const { state } = this;
    return { state, failures: this.#failures, ...(state === 'open' && { retryAt: this.#retryAt }) };
  }

  get state(): CircuitState {
    return this.#breaker.opened ? 'open' : this.#breaker.halfOpen ? 'half-open' : 'closed';
  }

  /** Milliseconds until the trial call; undefined if a call may run now, or if a trial is running. */
  get retryAfter(): number | undefined {
    return this.#breaker.opened ? Math.max(1, (this.#retryAt ?? 0) - Date.now()) : undefined;
  }

  /** Rejects with ToolError `CIRCUIT_OPEN` if the call was not run; otherwise settles as `run` does. `run` must not throw synchronously. */
  fire<T>(run: () => PromiseLike<T>): Promise<T> {
    if (this.#closed || this.#gate?.closed)
      return Promise.reject(new ToolError('ENGINE_CLOSED', `${this.name} was not called: the engine is closed.`, { outcome: 'not-run' }));
    // opossum stores the latency of every call in its window; rotating by count bounds that without a timer per circuit
    if (++this.#fired % WINDOW === 0) this.#rotate.emit('rotate');
    return (this.#breaker.fire(run) as Promise<T>).catch(this.#explain);
  }

  /** Stops the timer and refuses further calls. Running calls end normally. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#breaker.shutdown();
  }

  readonly #explain = (error: unknown): never => {
    if (!this.#refused.has(error as object)) throw error;
    const { retryAfter } = this;
    const when = retryAfter === undefined ? 'a trial call is under way' : `it may be tried again in ${retryAfter} ms`;
    throw new ToolError('CIRCUIT_OPEN', `${this.name} was not called: it failed ${this.#failures} times in a row, and ${when}.`, {
      outcome: 'not-run',
      retryable: true,
      retryAfter,
    });
  };

  #build(state?: typeof OPEN): Wrapped {
    const options = {
      name: this.name,
      // opossum's timeout would abort all other calls of the breaker; ours is inside `run`
      timeout: false as const,
      resetTimeout: this.#recovery,
      // never opens by itself: #trip() decides
      errorThresholdPercentage: 100,
      volumeThreshold: Number.MAX_SAFE_INTEGER,
      rollingCountBuckets: 1,
      rollingPercentilesEnabled: false,
      enableSnapshots: false,
      rotateBucketController: this.#rotate,
      // must not throw: the call would never settle
      errorFilter: (error: unknown): boolean => this.#judge(breaker, error),
      ...(state && { state }),
    };
    const breaker: Wrapped = new Opossum((run: () => PromiseLike<unknown>) => run() as Promise<unknown>, options);
    // none of these may throw: opossum would turn a success into a failure
    breaker.on('success', () => {
      if (!this.#noEvidence) this.#failures = 0;
      this.#noEvidence = false;
    });
    breaker.on('failure', () => {
      this.#failures++;
      if (this.#failures >= this.#threshold) this.#trip();
    });
    breaker.on('reject', (error) => this.#refused.add(error));
    breaker.on('halfOpen', () => this.#tell('half-open'));
    breaker.on('close', () => this.#tell('closed'));
    return breaker;
  }

  /** Whether opossum must treat an error as a success. */
  #judge(breaker: Wrapped, error: unknown): boolean {
    const evidence = evidenceOf(error);
    if (evidence === 'service') return false;
    if (evidence === 'none' && this.#breaker === breaker) {
      // the success of a trial would close the circuit, so this breaker is replaced and the new one waits for another trial
      if (breaker.halfOpen) this.#replace(HALF_OPEN);
      else this.#noEvidence = true;
    }
    return true;
  }

  /**
   * Opens the circuit by replacing the breaker with a new, open one. Running calls belong to the old one, so a late result can neither
   * close nor open the circuit.
   */
  #trip(): void {
    this.#retryAt = Date.now() + this.#recovery;
    this.#replace(OPEN);
    this.#tell('open');
  }

  #replace(state: typeof OPEN): void {
    this.#breaker.shutdown();
    this.#breaker = this.#build(state);
  }

  #tell(state: CircuitState): void {
    try {
      this.#onState?.(this, state);
    } catch {}
  }
}

/** @see Circuit */
export const circuit = (o: CircuitOptions): Circuit => new Circuit(o);

/** Whose fault an error is; `none` if this side ended the call, or the service was never called. */
function evidenceOf(error: unknown): Fault {
  return Cancelled.is(error) || Expired.boundOf(error) === 'outer' ? 'none' : classify(error).fault;
}

/** Most circuits of one owner. A step's name may contain an id and be new in every run, so the oldest are evicted. */
const MOST_CIRCUITS = 100;

/** The circuits of an owner by name and options, the least recently used first, and the last one that was asked for. */
interface Owned {
  readonly all: Map<string, Circuit>;
  last?: { readonly name: string; readonly failures: number; readonly recovery: number; readonly circuit: Circuit };
}

type OnChange = (circuit: Circuit, state: CircuitState, target: BreakerTarget) => void;

/**
 * The circuits of an engine, one per owner (a tool, a model, a node), name and options: those who call with the same options share one. They
 * live as long as their owner.
 */
export class Breakers {
  readonly #circuits = new WeakMap<object, Owned>();
  /** Circuits that are open or half-open. Only these have a timer. */
  readonly #tripped = new Set<Circuit>();
  readonly #gate = { closed: false };
  readonly #onState: OnChange | undefined;

  constructor(onState?: OnChange) {
    this.#onState = onState;
  }

  /**
   * The circuit of an owner, a name and these options, created at the first call; undefined if the policy disables it.
   * @param target what it guards, for telemetry.
   */
  of(owner: object, name: string, policy: BreakerPolicy, target: BreakerTarget): Circuit | undefined {
    if (policy === false) return undefined;
    let owned = this.#circuits.get(owner);
    if (!owned) {
      owned = { all: new Map() };
      this.#circuits.set(owner, owned);
    }
    const { all, last } = owned;
    const { failures, recovery } = policy;
    // most owners have one circuit, and making its key would cost each call more than all else here
    if (last && last.name === name && last.failures === failures && last.recovery === recovery) return last.circuit;
    const key = `${failures} ${recovery} ${name}`;
    const circuit =
      all.get(key) ?? new Circuit({ name, ...policy, gate: this.#gate, onState: (c, state) => this.#changed(c, state, target) });
    // moves it to the end: the first one is the least recently used
    all.delete(key);
    all.set(key, circuit);
    owned.last = { name, failures, recovery, circuit };
    if (all.size > MOST_CIRCUITS) all.delete(all.keys().next().value as string);
    return circuit;
  }

  /** The circuits that are open or half-open. */
  tripped(): readonly Circuit[] {
    return [...this.#tripped];
  }

  /** Stops all timers and refuses further calls. Running calls end normally and start no timer. */
  close(): void {
    this.#gate.closed = true;
    for (const tripped of this.#tripped) tripped.close();
    this.#tripped.clear();
  }

  #changed(changed: Circuit, state: CircuitState, target: BreakerTarget): void {
    if (this.#gate.closed) {
      changed.close();
      return;
    }
    if (state === 'closed') this.#tripped.delete(changed);
    else this.#tripped.add(changed);
    this.#onState?.(changed, state, target);
  }
}
