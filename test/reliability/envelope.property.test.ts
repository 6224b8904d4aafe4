import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ToolError } from '../../src/errors.ts';
import { circuit } from '../../src/reliability/breaker.ts';
import { CancelSource } from '../../src/reliability/cancel.ts';
import { type FailedAttempt, guard } from '../../src/reliability/envelope.ts';
import type { EnvelopePolicy } from '../../src/reliability/policy.ts';
import { fullJitter } from '../../src/reliability/retry.ts';

/** How one attempt of a scripted tool goes: it answers or throws after so many ms, whatever its signal says. */
interface Step {
  end: 'ok' | 'not-run' | 'failed' | 'unknown' | 'final' | 'plain';
  ms: number;
  sync: boolean;
  retryAfter: number | undefined;
}
const step: fc.Arbitrary<Step> = fc.record({
  end: fc.constantFrom('ok', 'not-run', 'failed', 'unknown', 'final', 'plain'),
  ms: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 3_000 })),
  sync: fc.boolean(),
  retryAfter: fc.option(fc.integer({ min: 0, max: 5_000 }), { nil: undefined, freq: 4 }),
});
const policy: fc.Arbitrary<EnvelopePolicy> = fc.record(
  {
    effect: fc.constantFrom('read' as const, 'idempotent' as const, 'once' as const),
    attempts: fc.integer({ min: 1, max: 6 }),
    initialDelay: fc.integer({ min: 0, max: 1_000 }),
    maxDelay: fc.integer({ min: 0, max: 4_000 }),
    timeout: fc.integer({ min: 1, max: 2_000 }),
    deadline: fc.integer({ min: 1, max: 8_000 }),
    on: fc.subarray(['BUSY', 'FINAL', 'TOOL_FAILED', 'TIMEOUT']),
  },
  { requiredKeys: ['effect', 'attempts', 'initialDelay', 'maxDelay'] },
);
const world = fc.record({
  policy,
  steps: fc.array(step, { minLength: 6, maxLength: 6 }),
  deadlineIn: fc.option(fc.integer({ min: 0, max: 8_000 }), { nil: undefined, freq: 2 }),
  cancelIn: fc.option(fc.integer({ min: 0, max: 6_000 }), { nil: undefined, freq: 2 }),
  breaker: fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }),
  random: fc.array(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), { minLength: 6, maxLength: 6 }),
});
type World = typeof world extends fc.Arbitrary<infer W> ? W : never;

interface Seen {
  /** When each attempt began, and what it was to do. */
  runs: { at: number; step: Step }[];
  failed: (FailedAttempt & { at: number })[];
  late: number[];
  endedAt: number;
  result: Awaited<ReturnType<typeof guard>>;
}

const thrown = ({ end, retryAfter }: Step): unknown => {
  const again = { retryable: true, ...(retryAfter !== undefined && { retryAfter }) };
  if (end === 'plain') return new Error('plain');
  if (end === 'final') return new ToolError('FINAL', 'final');
  return new ToolError('BUSY', 'busy', { outcome: end as 'not-run' | 'failed' | 'unknown', ...again });
};

async function play(w: World): Promise<Seen> {
  const start = Date.now();
  const runs: Seen['runs'] = [];
  const failed: Seen['failed'] = [];
  const late: number[] = [];
  const cancel = new CancelSource();
  const c = w.breaker === undefined ? undefined : circuit({ name: 'x', failures: w.breaker, recovery: 500 });
  if (w.cancelIn !== undefined) setTimeout(() => cancel.cancel('stop'), w.cancelIn);
  let draws = 0;
  let endedAt = Number.NaN;
  const call = guard<unknown>(
    () => {
      const s = w.steps[runs.length] as Step;
      runs.push({ at: Date.now(), step: s });
      if (s.sync) {
        if (s.end === 'ok') return 'ok';
        throw thrown(s);
      }
      return new Promise((resolve, reject) => setTimeout(() => (s.end === 'ok' ? resolve('ok') : reject(thrown(s))), s.ms));
    },
    {
      policy: w.policy,
      circuit: c,
      cancel,
      deadlineAt: w.deadlineIn === undefined ? undefined : start + w.deadlineIn,
      fallbackCode: 'TOOL_FAILED',
      onAttemptFailed: (f) => void failed.push({ ...f, at: Date.now() }),
      onLate: (l) => void late.push(l.attempt),
      random: () => w.random[draws++ % 6] as number,
    },
  );
  const ended = call.then(() => {
    endedAt = Date.now() - start;
  });
  await vi.runAllTimersAsync();
  await ended;
  const result = await call;
  c?.close();
  return { runs: runs.map((r) => ({ ...r, at: r.at - start })), failed, late, endedAt, result };
}

const always = async (check: (w: World, seen: Seen) => void) => {
  await fc.assert(
    fc.asyncProperty(world, async (w) => {
      vi.setSystemTime(1_000_000);
      check(w, await play(w));
      expect(vi.getTimerCount()).toBe(0);
    }),
    { numRuns: 300 },
  );
};
const attemptsOf = ({ result }: Seen) => (result.ok ? result.attempts : result.error.attempts);

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
});
afterEach(() => {
  vi.useRealTimers();
});

describe('whatever the tool does', () => {
  it('runs at most `attempts` times, and says how often', () =>
    always((w, seen) => {
      expect(seen.runs.length).toBeLessThanOrEqual(w.policy.attempts);
      expect(attemptsOf(seen)).toBe(seen.runs.length);
    }));

  it('a `once` call runs again only after an attempt that is known not to have run', () =>
    always((w, seen) => {
      if (w.policy.effect !== 'once') return;
      const { timeout = Infinity } = w.policy;
      for (const { step: s } of seen.runs.slice(0, -1)) {
        expect(s.end).toBe('not-run');
        if (!s.sync) expect(s.ms).toBeLessThanOrEqual(timeout);
      }
    }));

  it('ends by its deadlines, and at once when cancelled', () =>
    always((w, seen) => {
      const bound = Math.min(w.policy.deadline ?? Infinity, w.deadlineIn ?? Infinity, w.cancelIn ?? Infinity);
      if (bound < Infinity) expect(seen.endedAt).toBeLessThanOrEqual(bound);
      for (const { at } of seen.runs) expect(at).toBeLessThanOrEqual(bound);
      if (!seen.result.ok && seen.result.cancelled) expect(seen.endedAt).toBe(w.cancelIn);
    }));

  it('every attempt ends by its timeout', () =>
    always((w, seen) => {
      const { timeout = Infinity } = w.policy;
      for (const f of seen.failed) {
        const run = seen.runs[f.attempt - 1] as Seen['runs'][number];
        expect(f.at - 1_000_000 - run.at).toBeLessThanOrEqual(timeout);
      }
    }));

  it('waits within the jitter, or as long as asked, and no attempt begins earlier', () =>
    always((w, seen) => {
      for (const f of seen.failed) {
        if (f.retryIn === undefined) continue;
        const { step: s } = seen.runs[f.attempt - 1] as Seen['runs'][number];
        const asked = f.code === 'BUSY' ? (s.retryAfter ?? 0) : 0;
        const most = Math.min(w.policy.maxDelay, w.policy.initialDelay * 2 ** (f.attempt - 1));
        expect(f.retryIn).toBeGreaterThanOrEqual(asked);
        expect(f.retryIn).toBeLessThanOrEqual(Math.max(asked, most));
        const next = seen.runs[f.attempt];
        if (next) expect(next.at).toBeGreaterThanOrEqual(f.at - 1_000_000 + f.retryIn);
      }
    }));

  it('the late result of each timed-out attempt is reported once, and no other', () =>
    always((w, seen) => {
      expect(new Set(seen.late).size).toBe(seen.late.length);
      const given = seen.runs.length - seen.failed.length - (seen.result.ok ? 1 : 0);
      const timedOut = seen.failed.filter((f) => f.code === 'TIMEOUT').length;
      expect(seen.late.length).toBe(given + timedOut);
      expect(given === 0 || w.cancelIn !== undefined).toBe(true);
    }));

  it('claims `not-run` only where no attempt may have run, and a read is never unknown', () =>
    always((w, seen) => {
      if (seen.result.ok) return;
      const { outcome } = seen.result.error;
      const told = new Map(seen.failed.map((f) => [f.attempt, f]));
      const harmless = seen.runs.every(({ step: s }, i) => s.end === 'not-run' && told.get(i + 1)?.code === 'BUSY');
      expect(outcome === 'not-run').toBe(harmless);
      if (w.policy.effect === 'read') expect(outcome).not.toBe('unknown');
      if (w.policy.effect === 'once' && outcome === 'unknown') expect(seen.result.error.retryable).toBe(false);
    }));
});

describe('full jitter', () => {
  it('lies in [0, min(maxDelay, initialDelay * 2^i)], for any attempt', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 2_000 }),
        fc.nat(100_000),
        fc.nat(10_000_000),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (attempt, initialDelay, maxDelay, r) => {
          const ms = fullJitter(attempt, { initialDelay, maxDelay }, () => r);
          expect(Number.isInteger(ms)).toBe(true);
          expect(ms).toBeGreaterThanOrEqual(0);
          expect(ms).toBeLessThanOrEqual(maxDelay);
          if (attempt < 40) expect(ms).toBeLessThanOrEqual(initialDelay * 2 ** (attempt - 1));
        },
      ),
    );
  });

  it('is 0 for a delay of 0, however large the factor', () => {
    expect(fullJitter(2_000, { initialDelay: 0, maxDelay: 10 }, () => 0.5)).toBe(0);
  });

  it('uses the whole of it', () => {
    const o = { initialDelay: 100, maxDelay: 20_000 };
    const draws = Array.from({ length: 2_000 }, (_, i) => fullJitter(3, o, () => i / 2_000));
    expect(Math.min(...draws)).toBe(0);
    expect(Math.max(...draws)).toBe(399);
    expect(new Set(draws).size).toBe(400);
  });
});
