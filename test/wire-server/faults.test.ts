import { expect, test } from 'vitest';
import { type FaultKind, faultOf, faults, RATES, throttle } from '../../src/adapters/agentcore/wire/faults.ts';
import { movableClock } from '../../src/adapters/agentcore/wire/index.ts';

const KINDS: FaultKind[] = ['throttle', 'error', 'error-after', 'reset', 'reset-stream'];

test.each(KINDS)('a fault of the kind %s is read', (kind) => {
  expect(faultOf(`${kind}=CreateEvent:0.2`)).toEqual({ kind, operation: 'CreateEvent', probability: 0.2 });
  expect(faultOf(`${kind}=*`)).toEqual({ kind, operation: '*', probability: 1 });
});

test.each([
  '',
  'throttle',
  'throttle=',
  'slow=CreateEvent',
  'throttle=CreateEvent:2',
  'throttle=CreateEvent:x',
  'throttle=A B',
  'throttle=A:0.1.2',
  'throttle=createEvent',
])('%j is not a fault', (text) => {
  expect(() => faultOf(text)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
});

test('a fault of an operation that there is not would never happen: it is refused, with the name that was meant', () => {
  expect(() => faultOf('throttle=CreatEvent')).toThrow(
    expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining('Did you mean "CreateEvent"?') }),
  );
});

const drawn = (seed: number) => {
  const injected = faults([faultOf('throttle=CreateEvent:0.2')], seed);
  return Array.from({ length: 1_000 }, () => injected.happens('throttle', 'CreateEvent') !== undefined);
};

test('the seed says which calls meet a fault, and the probability how many', () => {
  expect(drawn(7)).toEqual(drawn(7));
  expect(drawn(7)).not.toEqual(drawn(8));
  const many = drawn(7).filter(Boolean).length;
  expect(many).toBeGreaterThan(150);
  expect(many).toBeLessThan(250);
});

test('a fault is of its operation and kind only', () => {
  const injected = faults([faultOf('throttle=CreateEvent'), faultOf('error=*')], 1);
  expect(injected.happens('throttle', 'GetEvent')).toBeUndefined();
  expect(injected.happens('error-after', 'CreateEvent')).toBeUndefined();
  expect(injected.happens('error', 'GetEvent')).toMatchObject({ operation: '*' });
});

test('a bucket lets as many calls through as a second has, and fills with the clock', async () => {
  const clock = movableClock({ start: 0, frozen: true });
  const { take } = throttle(clock);
  const passed = () => {
    let n = 0;
    try {
      for (; n < 10_000; n += 1) take('CreateEvent', RATES.CreateEvent as number);
    } catch (error) {
      expect(error).toMatchObject({ name: 'ThrottlingException', message: 'Rate exceeded' });
    }
    return n;
  };
  expect(passed()).toBe(200);
  expect(passed()).toBe(0);
  await clock.advance(500);
  expect(passed()).toBe(100);
  await clock.advance(3_600_000);
  expect(passed()).toBe(200);
  expect(() => take('ListEvents', 1)).not.toThrow();
});

test('of many keys those used longest ago are forgotten, though no time passes', () => {
  const { take } = throttle(movableClock({ start: 0, frozen: true }));
  const others = (from: number, to: number) => {
    for (let i = from; i < to; i++) take(`other ${i}`, 1);
  };
  take('first', 1);
  others(0, 9_999);
  expect(() => take('first', 1)).toThrow('Rate exceeded');
  expect(() => take('other 0', 1)).toThrow('Rate exceeded');
  others(9_999, 20_000);
  expect(() => take('first', 1)).not.toThrow();
});
