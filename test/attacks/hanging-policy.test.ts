/** A policy that never answers: after 10 seconds it has denied. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Engine, type Policy } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { asks, ends, failure, refused, shown } from '../kit/runs.ts';
import { until } from '../kit/time.ts';
import { clerk, ledgered } from './setup.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
afterEach(() => void vi.useRealTimers());

/** Hangs in one of its methods, and says when it was asked. */
function hanging(method: keyof Policy): { policy: Policy; asked: () => boolean } {
  let asked = false;
  const never = () => {
    asked = true;
    return new Promise<never>(() => undefined);
  };
  return { policy: { decide: () => ({ allow: true }), [method]: never }, asked: () => asked };
}

test('about a call: it does not run, and the model is told so', async () => {
  const { tool, ledger } = ledgered();
  const model = scripted([asks(['act', {}]), 'done']);
  const { policy, asked } = hanging('decide');
  const run = new Engine({ policy }).run(clerk(model, [tool]), 'go');
  await until(asked);
  await vi.advanceTimersByTimeAsync(9_999);
  expect(model.requests).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1);
  await ends(run, 'completed');
  expect(ledger).toEqual([]);
  expect(failure(shown(model.requests[1])[0])).toMatchObject({ code: 'NOT_PERMITTED', outcome: 'not-run' });
});

test.each([
  ['access', 'NOT_PERMITTED'],
  ['content', 'INPUT_REFUSED'],
] as const)('about the %s of a run: it does not start', async (method, code) => {
  const model = scripted([]);
  const { policy, asked } = hanging(method);
  const run = refused(code, new Engine({ policy }).run(clerk(model), 'go'));
  await until(asked);
  await vi.advanceTimersByTimeAsync(10_000);
  await run;
  expect(model.requests).toEqual([]);
});
