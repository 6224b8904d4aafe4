import { EventEmitter } from 'node:events';
import Opossum from 'opossum';
import { ToolError } from '../errors.ts';
import { classify } from './classify.ts';
import type { Fault } from './codes.ts';
import { type BreakerPolicy, DEFAULTS } from './policy.ts';
import { Cancelled, Expired } from './timeout.ts';

export type CircuitState = 'closed' | 'open' | 'half-open';

export interface CircuitOptions {
  /** What it guards, for messages. */
  name: string;
  /** Faults of the service in a row that open it. Default 5. */
  failures?: number;
  /** Milliseconds until one call may try again. Default 30,000. */
  recovery?: number;
  /** Called after every change of state. What it throws is ignored. */
  onState?: (circuit: Circuit, state: CircuitState) => void;
  /** Refuses every call once it says so; shared by the circuits of an engine. */
  gate?: { readonly closed: boolean };
}

type Wrapped = Opossum<[() => PromiseLike<unknown>], unknown>;

/** How many calls opossum counts before its window, which we do not use, is emptied. */
const WINDOW = 1_024;
const OPEN = { closed: false, halfOpen: false };
const HALF_OPEN = { closed: false, halfOpen: true };

/**
 * A circuit breaker for calls that are few and slow. It opens after so many service faults in a row, and `recovery` ms later lets
 * one call try. A caller's fault (bad arguments, not found, denied) is an answer, and as good as a success; a cancelled call, or an
 * error that no table knows, says nothing, not even as the trial. While open, `fire` rejects with CIRCUIT_OPEN, and nothing ran.
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

  /** `failures` in a row so far; `retryAt` (epoch ms) while open. */
  get status(): { state: CircuitState; failures: number; retryAt?: number } {
    const { state } = this;
    return { state, failures: this.#failures, ...(state === 'open' && { retryAt: this.#retryAt }) };
  }

  get state(): CircuitState {
    return this.#breaker.opened ? 'open' : this.#breaker.halfOpen ? 'half-open' : 'closed';
  }

  /** Milliseconds until a call may try again: undefined where one may now, or where it hangs on a trial that is under way. */
  get retryAfter(): number | undefined {
    return this.#breaker.opened ? Math.max(1, (this.#retryAt ?? 0) - Date.now()) : undefined;
  }

  /** @throws ToolError `CIRCUIT_OPEN` (rejects) where the call was not run; otherwise ends as `run` ends. `run` must not throw. */
  fire<T>(run: () => PromiseLike<T>): Promise<T> {
    if (this.#closed || this.#gate?.closed)
      return Promise.reject(new ToolError('ENGINE_CLOSED', `${this.name} was not called: the engine is closed.`, { outcome: 'not-run' }));
    // opossum keeps the latency of every call of its window; rotating by count bounds that without a timer per circuit
    if (++this.#fired % WINDOW === 0) this.#rotate.emit('rotate');
    return (this.#breaker.fire(run) as Promise<T>).catch(this.#explain);
  }

  /** Stops the timer and refuses further calls; those under way end as they would have. */
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
      ...(retryAfter !== undefined && { retryAfter }),
    });
  };

  #build(state?: typeof OPEN): Wrapped {
    const options = {
      name: this.name,
      // its timeout would abort every other call of the breaker; ours is inside
      timeout: false as const,
      resetTimeout: this.#recovery,
      // whether to open is our decision alone
      errorThresholdPercentage: 100,
      volumeThreshold: Number.MAX_SAFE_INTEGER,
      rollingCountBuckets: 1,
      rollingPercentilesEnabled: false,
      enableSnapshots: false,
      rotateBucketController: this.#rotate,
      // must not throw: the call would then never end
      errorFilter: (error: unknown): boolean => this.#judge(breaker, error),
      ...(state && { state }),
    };
    const breaker: Wrapped = new Opossum((run: () => PromiseLike<unknown>) => run() as Promise<unknown>, options);
    // none of these may throw: a listener that does turns a success into a failure
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

  /** Whether opossum is to take an error for a success. */
  #judge(breaker: Wrapped, error: unknown): boolean {
    const evidence = evidenceOf(error);
    if (evidence === 'service') return false;
    if (evidence === 'none' && this.#breaker === breaker) {
      // the success would close the circuit: let it close one that is no longer ours, and wait for another trial
      if (breaker.halfOpen) this.#replace(HALF_OPEN);
      else this.#noEvidence = true;
    }
    return true;
  }

  /**
   * Opens the circuit, as a new breaker that is born open. The calls still under way belong to the old one, so a straggler that ends
   * during the trial can neither close nor open the circuit.
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

/** What an error says about the service: nothing, where the call was cut off from our side or the service was never asked. */
function evidenceOf(error: unknown): Fault {
  return Cancelled.is(error) || Expired.boundOf(error) === 'outer' ? 'none' : classify(error).fault;
}

/** Names of one owner that have a circuit. A name made of an id is new in every run, so the oldest ones go. */
const MOST_NAMES = 100;

/** The circuits of an engine, one per owner and name, such as a tool, or a step of a node; they live as long as their owner. */
export class Breakers {
  readonly #circuits = new WeakMap<object, Map<string, Circuit>>();
  /** Only a circuit that is not closed holds a timer. */
  readonly #tripped = new Set<Circuit>();
  readonly #gate = { closed: false };
  readonly #onState: CircuitOptions['onState'];

  constructor(onState?: CircuitOptions['onState']) {
    this.#onState = onState;
  }

  /** The circuit of an owner under this name, made at the first call; undefined where the policy wants none. */
  of(owner: object, name: string, policy: BreakerPolicy): Circuit | undefined {
    if (policy === false) return undefined;
    let named = this.#circuits.get(owner);
    if (!named) {
      named = new Map();
      this.#circuits.set(owner, named);
    }
    let found = named.get(name);
    if (found && named.size === 1) return found;
    found ??= new Circuit({ name, ...policy, gate: this.#gate, onState: (c, state) => this.#changed(c, state) });
    // the newest is the last
    named.delete(name);
    named.set(name, found);
    if (named.size > MOST_NAMES) named.delete(named.keys().next().value as string);
    return found;
  }

  /** The circuits that are open or half-open. */
  tripped(): readonly Circuit[] {
    return [...this.#tripped];
  }

  /** Stops all timers and refuses further calls. Those under way end as they would have; none leaves a timer behind. */
  close(): void {
    this.#gate.closed = true;
    for (const tripped of this.#tripped) tripped.close();
    this.#tripped.clear();
  }

  #changed(changed: Circuit, state: CircuitState): void {
    if (this.#gate.closed) {
      changed.close();
      return;
    }
    if (state === 'closed') this.#tripped.delete(changed);
    else this.#tripped.add(changed);
    this.#onState?.(changed, state);
  }
}
