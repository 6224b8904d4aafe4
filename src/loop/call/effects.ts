/**
 * The only executor of effects: tool calls, turns of foreign agents, durable steps. Its caller appends the intent (`call.started`)
 * before, and the end (`call.finished`) after. After a crash in between, `knownOf` tells what is known.
 *
 * I1. An attempt starts only while this process holds the lease on the run. After a wait, the store is asked.
 * I2. A `once` effect is retried only if no earlier attempt ran.
 * I3. All attempts of a call have the same idempotency key, in every process. Two calls share one only if they have one intent.
 * I4. A late result does not change what the model has seen. It is appended as `outcome.settled`; a late failure only where the call has failed.
 * I5. The outcome of a call is unknown only if it is `once`, has started, and the journal has neither its end nor a settled outcome.
 */

import { canonical, sha256 } from '../../journal/canonical.ts';
import type { Draft } from '../../journal/entries/entries.ts';
import type { Charge, Used } from '../../journal/entries/intent.ts';
import type { Call } from '../../journal/fold/fold.ts';
import type { Json } from '../../json.ts';
import type { Effect } from '../../ports/tool.ts';
import type { FallbackCode } from '../../reliability/classify.ts';
import { type Guarded, guard } from '../../reliability/envelope.ts';
import type { AttemptContext } from '../../reliability/timeout.ts';
import type { BreakerTarget } from '../../telemetry/trace.ts';
import { appendWithRetry, noted } from '../append-with-retry.ts';
import type { ResolvedPolicy, Scope } from '../types.ts';
import { holding, stillClaimed } from './intent.ts';
import { cameTo, type Kept, settleLate } from './late.ts';
import { Meter } from './meter.ts';

/**
 * The idempotency key of a call for external services. A call with an intent has the intent's, in every run; each later turn of a foreign
 * agent has one of its own. Any other key is the same for every attempt and after every crash, even if power loss took the model's answer and the model, asked again, makes the same call.
 */
export function idempotencyKey(
  { run, frame }: Pick<Scope, 'run' | 'frame'>,
  { id, step, name, input, intent }: Pick<Call, 'id' | 'step' | 'name' | 'input' | 'intent'>,
): string {
  const tenant = run.started.by?.tenant ?? null;
  const named = intent
    ? ['intent', tenant, intent.name, intent.key, intent.generation ?? 0, ...(frame.kind === 'foreign' && step > 1 ? [step] : [])]
    : [tenant, run.runId, frame.position, step, frame.kind === 'graph' ? id : indexOf(id), name, input];
  return sha256(canonical(named)).slice(0, 32);
}

/** The index in a call id. Unlike the sequence number, it is the same if the model is asked again after power loss. */
const indexOf = (id: string) => id.slice(id.indexOf('.') + 1);

/** The entry of an attempt that failed and is followed by another one. The last failure is in `call.finished`. */
export type FailedAttempt = Extract<Draft, { type: 'attempt.failed' }>;

/** An effect to execute. `V`: the input of one attempt; `T`: its result. */
export interface Performing<T, V> {
  call: Pick<Call, 'id' | 'step' | 'intent' | 'unsure'>;
  /** Timeouts, retries and breaker, with the effect that decides what may be retried. */
  policy: ResolvedPolicy;
  /** The owner of the circuit breaker, and its name in messages. */
  owner: object;
  name: string;
  /** What telemetry calls it. */
  target: BreakerTarget;
  /** The code of a thrown value that no table knows. */
  fallbackCode: FallbackCode;
  /** Makes the input of an attempt. It runs before the lease is checked, because it may take time. */
  prepare?(): V | Promise<V>;
  /** One attempt. It may still run after the call has ended: its signal is aborted, and nothing waits for it. */
  run(given: V, attempt: AttemptContext): T | PromiseLike<T>;
  /** The journaled form of a late result; undefined if it is not journaled. */
  keep(value: T): Kept | undefined | Promise<Kept>;
  /** Gets the entry of each failed attempt that another one follows, before it is appended, and may change it. */
  failedAttempt?(draft: FailedAttempt): void;
  /** US dollars of each attempt that runs, where they are known before. */
  usd?: number | undefined;
  /** What a late result cost, where that is known only now. */
  charge?(value: T): Charge & Used;
}

/** A result with what its last attempt cost, where `usd` was given. Those before have entries with theirs. */
export type Performed<T> = Guarded<T> & Pick<Charge, 'usd'>;

/**
 * Runs an effect with total deadline, retries, circuit breaker and timeouts. Failed attempts and late results are journaled.
 * @param waited time has passed since the intent was appended, so the store is asked whether this process still holds the lease.
 * @returns the result; failures resolve too. @throws RondoError if the journal fails, or `RUN_BUSY`.
 */
export async function perform<T, V = undefined>(scope: Scope, effect: Performing<T, V>, waited = false): Promise<Performed<T>> {
  const { call, policy } = effect;
  const { epoch, started } = scope.run;
  // cached results may be out of date from now on, and again once it has ended
  const wrote = policy.effect === 'read' ? undefined : () => scope.host.results.wrote(started.by);
  wrote?.();
  let entered = 0;
  const meter = effect.usd === undefined ? undefined : new Meter(scope, effect.usd);
  const enter = (given: V, attempt: AttemptContext) => {
    entered = attempt.attempt;
    if (meter) meter.entered = entered;
    return call.intent ? holding({ run: scope.run.runId, call: call.id }, () => effect.run(given, attempt)) : effect.run(given, attempt);
  };
  const checked = (given: V, attempt: AttemptContext) => {
    const owned = scope.drive.own();
    // once the lease has run out, another run may take the claim over, and leave this run to its owner
    const suspect = call.intent && policy.effect === 'once' && (owned || waited || attempt.attempt > 1);
    const asking = suspect ? stillClaimed(scope, effect, owned) : owned;
    if (!asking) return enter(given, attempt);
    return asking.then(() => {
      refuseGivenUp(attempt);
      return enter(given, attempt);
    });
  };
  // preparing may have outlasted the attempt's timeout; then it was reported as not run and must not start
  const prepared = (given: V, attempt: AttemptContext) => {
    refuseGivenUp(attempt);
    return checked(given, attempt);
  };
  // outside the attempt's timeout, because a slow store is not a slow effect
  if (waited) await scope.drive.own(true);
  const performing: Promise<Guarded<T>> = guard<T>(
    (attempt) => {
      const given = effect.prepare?.() as V | Promise<V>;
      return given instanceof Promise ? given.then((v) => prepared(v, attempt)) : checked(given, attempt);
    },
    {
      policy,
      before: () => scope.drive.own(true),
      circuit: scope.host.breakers.of(effect.owner, effect.name, policy.breaker, effect.target),
      cancel: scope.cancel,
      fallbackCode: effect.fallbackCode,
      mask: scope.secrets.mask,
      against: meter && ((outcome, attempt) => meter.against(outcome, attempt)),
      onAttemptFailed: (failed, outcome) => {
        const paid = meter?.failed(failed, outcome);
        // the last failure is part of `call.finished`
        if (failed.retryIn === undefined) return undefined;
        const draft: FailedAttempt = { type: 'attempt.failed', of: call.id, step: call.step, ...failed, ...paid };
        effect.failedAttempt?.(draft);
        // what was paid must not be lost
        return meter && paid ? appendWithRetry(scope, meter.counted(draft)) : noted(() => scope.append(() => [draft]));
      },
      onLate: (late) => {
        // an attempt that timed out before it started has done nothing
        if (late.attempt > entered) return;
        wrote?.();
        // a later attempt decides, and one that went well has decided
        if (!late.ok)
          return performing.then(
            ({ ok }) => {
              // of several attempts the last one proves nothing for those before, unless each is known not to have run
              const only = !call.unsure && (late.attempt === 1 || policy.effect === 'once');
              if (!ok && only && late.attempt === entered) settleLate(scope, call.id, epoch, cameTo(scope, late.error, policy.effect));
            },
            () => undefined,
          );
        const settle = (kept: Kept | undefined) => {
          if (kept) settleLate(scope, call.id, epoch, { ...kept, ...effect.charge?.(late.value) });
        };
        const kept = effect.keep(late.value);
        // a check never fails: it withholds
        if (kept instanceof Promise) void kept.then(settle);
        else settle(kept);
      },
    },
  );
  const ended = await performing;
  // an earlier start counts as an earlier attempt does
  const result: Guarded<T> = !ended.ok && call.unsure ? { ...ended, error: { ...ended.error, outcome: 'unknown' } } : ended;
  wrote?.();
  const paid = meter?.last(result.ok);
  // a `once` effect is retried only if earlier attempts did not run; so if the last one never started, nothing ran
  if (result.ok || policy.effect !== 'once' || entered >= result.error.attempts) return paid ? { ...result, ...paid } : result;
  return { ...result, error: { ...result.error, outcome: 'not-run' }, ...paid };
}

/** `open`: the effect has not happened, or it may run again. */
export type Known =
  | { outcome: 'done'; output: Json }
  | { outcome: 'failed'; message: string }
  | { outcome: 'unknown' }
  | { outcome: 'open' };

/**
 * The outcome of an earlier call by its journal entries. Only a `once` call can be unknown. Any other call may run again, so only its
 * result counts, or an operator's statement.
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
