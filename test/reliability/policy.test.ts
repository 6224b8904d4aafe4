import { describe, expect, it } from 'vitest';
import { RondoError } from '../../src/errors.ts';
import { mayRetry, resolvePolicy } from '../../src/reliability/policy.ts';
import { LONGEST_TIMER } from '../../src/reliability/timer.ts';

describe('resolvePolicy', () => {
  it('has defaults', () => {
    expect(resolvePolicy()).toEqual({
      effect: 'once',
      timeout: 60_000,
      attempts: 3,
      initialDelay: 100,
      maxDelay: 20_000,
      breaker: { failures: 5, recovery: 30_000 },
    });
    expect(resolvePolicy(undefined, {}, { retry: {}, breaker: {} })).toEqual(resolvePolicy());
  });

  it('takes each option from the most specific layer that has it', () => {
    const tool = { effect: 'read', timeout: 1, retry: { attempts: 2 }, breaker: { failures: 1 } } as const;
    const agent = { timeout: 2, deadline: 20, retry: { attempts: 4, on: ['A'] }, breaker: { failures: 2, recovery: 200 } };
    const engine = { deadline: 30, retry: { on: ['B'], initialDelay: 3, maxDelay: 33 }, breaker: { recovery: 300 } };
    expect(resolvePolicy(tool, agent, engine)).toEqual({
      effect: 'read',
      timeout: 1,
      deadline: 20,
      attempts: 2,
      on: ['A'],
      initialDelay: 3,
      maxDelay: 33,
      breaker: { failures: 1, recovery: 200 },
    });
  });

  it('`breaker: false` switches it off for the layers below, and a declaration above on again', () => {
    expect(resolvePolicy({ breaker: false }, { breaker: { failures: 2 } }).breaker).toBe(false);
    expect(resolvePolicy({}, { breaker: false }).breaker).toBe(false);
    expect(resolvePolicy({ breaker: { failures: 2 } }, { breaker: false }, { breaker: { recovery: 7 } }).breaker).toEqual({
      failures: 2,
      recovery: 7,
    });
  });

  it("does not keep the caller's list", () => {
    const on = ['A'];
    const policy = resolvePolicy({ retry: { on } });
    on.push('B');
    expect(policy.on).toEqual(['A']);
  });

  it.each([
    [{ timeout: 0 }, 'timeout must be a number of milliseconds, at least 1, not 0.'],
    [{ timeout: -1 }, 'timeout'],
    [{ timeout: Number.NaN }, 'timeout'],
    [{ timeout: Infinity }, 'timeout'],
    [{ timeout: '5' }, 'timeout'],
    [{ deadline: 0 }, 'deadline'],
    [{ deadline: null }, 'deadline'],
    [{ retry: { attempts: 0 } }, 'retry.attempts must be a whole number, at least 1 (1 means no retry), not 0.'],
    [{ retry: { attempts: 1.5 } }, 'retry.attempts'],
    [{ retry: { attempts: Infinity } }, 'retry.attempts'],
    [{ retry: { initialDelay: -1 } }, 'retry.initialDelay'],
    [{ retry: { maxDelay: Number.NaN } }, 'retry.maxDelay'],
    [{ retry: { on: 'THROTTLING' } }, "retry.on must be a list of codes such as ['THROTTLING'], not THROTTLING."],
    [{ retry: { on: [''] } }, 'retry.on'],
    [{ retry: 3 }, 'retry must be an object such as { attempts: 3 }, not 3.'],
    [{ breaker: true }, 'breaker must be false or an object such as { failures: 5 }, not true.'],
    [{ breaker: { failures: 0 } }, 'breaker.failures'],
    [{ breaker: { recovery: 0 } }, 'breaker.recovery'],
    [{ breaker: { recovery: LONGEST_TIMER + 1 } }, 'breaker.recovery'],
    [{ effect: 'twice' }, "effect must be 'read', 'idempotent' or 'once', not twice."],
  ])('%j is refused', (bad, message) => {
    let error: unknown;
    try {
      resolvePolicy({ name: 'tool refund', ...bad } as object);
    } catch (e) {
      error = e;
    }
    expect(RondoError.is(error, 'CONFIG_INVALID')).toBe(true);
    expect((error as Error).message).toContain(`tool refund: ${message}`);
    // also where a more specific layer hides it
    expect(() => resolvePolicy({ timeout: 1, deadline: 1, retry: {}, effect: 'read' }, bad as object)).toThrow(RondoError);
  });

  it('long times are fine', () => {
    expect(resolvePolicy({ timeout: LONGEST_TIMER * 10, deadline: LONGEST_TIMER * 10 }).timeout).toBe(LONGEST_TIMER * 10);
  });
});

describe('mayRetry', () => {
  it('once: every combination but one is a no', () => {
    for (const outcome of ['not-run', 'failed', 'unknown'] as const)
      for (const retryable of [true, false])
        for (const on of [undefined, ['A'], ['B'], []]) {
          const yes = outcome === 'not-run' && retryable && (on === undefined || on[0] === 'A');
          expect(mayRetry({ code: 'A', outcome, retryable }, { effect: 'once', ...(on && { on }) })).toBe(yes);
        }
  });

  it.each(['read', 'idempotent'] as const)('%s: what `on` names, else what is retryable', (effect) => {
    for (const outcome of ['not-run', 'failed', 'unknown'] as const)
      for (const retryable of [true, false]) {
        expect(mayRetry({ code: 'A', outcome, retryable }, { effect })).toBe(retryable);
        expect(mayRetry({ code: 'A', outcome, retryable }, { effect, on: ['A'] })).toBe(true);
        expect(mayRetry({ code: 'A', outcome, retryable }, { effect, on: ['B'] })).toBe(false);
      }
  });
});
