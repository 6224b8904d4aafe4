/**
 * The one executor of effects: a tool's call, a turn of a foreign agent, a durable step. Its caller appends the intent
 * (`call.started`) before, and the end (`call.finished`) after; `knownOf` answers where a crash came between.
 *
 * I1. An attempt begins only while the lease says that the run is this process's; after a wait, the store is asked.
 * I2. A `once` effect begins again only where every attempt before did not run.
 * I3. All attempts of a call have one idempotency key, in every process; two calls never share one.
 * I4. A result that comes too late changes nothing that was seen; it is appended as `outcome.settled`.
 * I5. A call is unknown only if it is `once`, was begun, and the journal has neither its end nor a settlement.
 */

import { canonical, sha256 } from '../journal/canonical.ts';
import type { Draft } from '../journal/entries.ts';
import type { Call } from '../journal/fold.ts';
import type { Json } from '../json.ts';
import type { Effect } from '../ports/tool.ts';
import type { FallbackCode } from '../reliability/classify.ts';
import { type Guarded, guard } from '../reliability/envelope.ts';
import type { AttemptContext } from '../reliability/timeout.ts';
import { noted } from './held.ts';
import { cameTo, settleLate } from './late.ts';
import type { ResolvedPolicy, Scope } from './types.ts';

/**
 * Names a call to the outside world. It stays the same for every attempt and after every crash, also where a power cut took the
 * model's answer and the model, asked again, asked for the same call.
 */
export const idempotencyKey = (
  { run, frame }: Pick<Scope, 'run' | 'frame'>,
  { id, step, name, input }: Pick<Call, 'id' | 'step' | 'name' | 'input'>,
) =>
  sha256(
    canonical([run.started.by?.tenant ?? null, run.runId, frame.position, step, frame.kind === 'graph' ? id : indexOf(id), name, input]),
  ).slice(0, 32);

/** The sequence number differs after a power cut, the index does not. */
const indexOf = (id: string) => id.slice(id.indexOf('.') + 1);

export type FailedAttempt = Extract<Draft, { type: 'attempt.failed' }>;

/** What is executed. `V`: what one attempt is given; `T`: its result. */
export interface Performed<T, V> {
  call: Pick<Call, 'id' | 'step'>;
  policy: ResolvedPolicy;
  /** Who has the circuit breaker, and its name in messages. */
  owner: object;
  name: string;
  fallbackCode: FallbackCode;
  /** Makes what an attempt is given. It comes before the check of the lease, because it may take time. */
  prepare?(): V | Promise<V>;
  run(given: V, attempt: AttemptContext): T | PromiseLike<T>;
  /** What the journal keeps of a result that comes late; undefined for nothing. */
  keep(value: T): Json | undefined;
  failedAttempt?(draft: FailedAttempt): void;
}

/**
 * Runs an effect in its envelope: total deadline, retry, circuit breaker, timeout. Failed attempts and late results go to the journal.
 * @param waited something was waited for since the intent was appended, so the store is asked whether the run is still ours.
 * @returns how it ended; never what a failure threw. @throws RondoError where the journal cannot go on, or `RUN_BUSY`.
 */
export function perform<T, V = undefined>(scope: Scope, effect: Performed<T, V>, waited = false): Promise<Guarded<T>> {
  const { call, policy } = effect;
  const { epoch } = scope.run;
  let entered = 0;
  const enter = (given: V, attempt: AttemptContext) => {
    entered = attempt.attempt;
    return effect.run(given, attempt);
  };
  const checked = (given: V, attempt: AttemptContext) => {
    const asking = scope.own();
    if (!asking) return enter(given, attempt);
    return asking.then(() => {
      refuseGivenUp(attempt);
      return enter(given, attempt);
    });
  };
  // after a wait: the attempt's time may be over, and then it was told as not run
  const prepared = (given: V, attempt: AttemptContext) => {
    refuseGivenUp(attempt);
    return checked(given, attempt);
  };
  const guarded = () =>
    guard<T>(
      (attempt) => {
        const given = effect.prepare?.() as V | Promise<V>;
        return given instanceof Promise ? given.then((v) => prepared(v, attempt)) : checked(given, attempt);
      },
      {
        policy,
        before: () => scope.own(true),
        circuit: scope.host.breakers.of(effect.owner, effect.name, policy.breaker),
        cancel: scope.cancel,
        fallbackCode: effect.fallbackCode,
        mask: scope.drive.secrets.mask,
        onAttemptFailed: (failed) => {
          // the end of the call tells the last failure
          if (failed.retryIn === undefined) return undefined;
          const draft: FailedAttempt = { type: 'attempt.failed', of: call.id, step: call.step, ...failed };
          effect.failedAttempt?.(draft);
          return noted(() => scope.append(() => [draft]));
        },
        onLate: (late) => {
          // an attempt that was given up before it was entered has done nothing
          if (late.attempt > entered) return;
          const output = late.ok ? effect.keep(late.value) : undefined;
          if (!late.ok) settleLate(scope, call.id, epoch, cameTo(scope, late.error, policy.effect));
          else if (output !== undefined) settleLate(scope, call.id, epoch, { output });
        },
      },
    ).then((result): Guarded<T> => {
      // a `once` effect gets a further attempt only where the ones before it did not run, so one that was not entered did nothing
      if (result.ok || policy.effect !== 'once' || entered >= result.error.attempts) return result;
      return { ...result, error: { ...result.error, outcome: 'not-run' } };
    });
  // outside the timeout of an attempt: a slow store is not a slow effect
  const asking = waited ? scope.own(true) : undefined;
  return asking ? asking.then(guarded) : guarded();
}

/** `open`: the effect has not happened, or it may happen again. */
export type Known =
  | { outcome: 'done'; output: Json }
  | { outcome: 'failed'; message: string }
  | { outcome: 'unknown' }
  | { outcome: 'open' };

/**
 * What the journal says of a call that was begun before. Only a `once` call can be unknown: any other may run again, so only its result
 * counts, and what an operator said of it.
 */
export function knownOf({ status, settled, finished }: Call, effect: Effect): Known {
  const once = effect === 'once';
  if (finished?.ok) return { outcome: 'done', output: finished.output ?? null };
  if (settled?.outcome === 'done') return { outcome: 'done', output: settled.output ?? null };
  if (settled?.outcome === 'failed' && (once || settled.source === 'operator'))
    return { outcome: 'failed', message: settled.note ?? 'It failed.' };
  const begun = status === 'started' || finished?.error?.outcome === 'unknown';
  return { outcome: once && begun && !settled ? 'unknown' : 'open' };
}

function refuseGivenUp({ signal }: AttemptContext): void {
  if (signal.aborted) throw new Error('the attempt was given up before it began');
}
