import { describe, expect, test } from 'vitest';
import { month, type PaperSession, paperSession, pricedModels, sessionOf } from '../../src/bench/index.ts';
import { price } from '../../src/pricing/prices.ts';
import { aRun } from './reports.ts';

const PRICES = { 'test/m': { input: 1, output: 10, cacheRead: 0.1, cacheWrite: 1.25, source: 'test', date: '2026-11-01' } };
const now = Date.parse('2026-11-29');
const session = (o: Partial<PaperSession> = {}): PaperSession => ({
  calls: [
    { input: 1_000, output: 100, cacheRead: 0, cacheWrite: 900, before: 0 },
    { input: 1_500, output: 200, cacheRead: 900, cacheWrite: 500, before: 1_000 },
  ],
  models: ['test/m'],
  paidUsd: 0.00609,
  toolsUsd: 0.002,
  toolCalls: 1,
  ms: 7_200,
  workMs: 3_600,
  ...o,
});

describe('a month', () => {
  test('is the sum of a hand computation, as measured, without and with caching', () => {
    const { models, others, paidUsd, session: mean } = month([session()], { sessions: 1_000, prices: PRICES, memoryGb: 1, now });
    // as measured: 100 * 1 + 900 * 1.25 + 100 * 10 = 2,225; 100 * 1 + 900 * 0.1 + 500 * 1.25 + 200 * 10 = 2,815
    // without: 1,000 + 1,000 and 1,500 + 2,000; at best: 1,000 * 1.25 + 1,000 and 1,000 * 0.1 + 500 * 1.25 + 2,000
    expect(models).toEqual([
      {
        model: 'test/m',
        measuredUsd: 5.04,
        uncachedUsd: 5.5,
        cachedUsd: 4.975,
        inputUsd: 2.5,
        price: { date: '2026-11-01', days: 28, source: 'test' },
      },
    ]);
    expect(paidUsd).toBe(6.09);
    expect(mean).toEqual({ calls: 2, inputTokens: 2_500, outputTokens: 300, toolCalls: 1 });
    // 3.6 s of a CPU are a thousandth of an hour, 7.2 s of a GB two
    expect(others).toMatchObject([
      { name: "Tools' own cost", usd: 2 },
      { name: 'AgentCore Runtime', usd: 0.0895 + 2 * 0.00945 },
      { name: 'AgentCore Gateway', usd: 0.005 },
      { name: 'AgentCore Memory', usd: 1.75 },
    ]);
  });

  test('caches nothing of a prefix that is shorter than what the model caches from', () => {
    const calls = [1_000, 1_500, 2_000].map((input, i) => ({
      input,
      output: 0,
      cacheRead: 0,
      cacheWrite: 0,
      before: [0, 1_000, 1_500][i] as number,
    }));
    const at = (cacheFrom: number) =>
      month([session({ calls })], { sessions: 1_000, prices: { 'test/m': { ...PRICES['test/m'], cacheFrom } } }).models[0]?.cachedUsd;
    // 1,000 tokens are written, or not; 1,500 are read and written, written as a whole, or not
    expect(at(1_000)).toBe(1.25 + (0.1 + 0.625) + (0.15 + 0.625));
    expect(at(1_001)).toBe(1 + 1.875 + (0.15 + 0.625));
    // what is written is not read again
    expect(at(1_501)).toBe(1 + 1.5 + 2);
  });

  test('is of the mean of several sessions', () => {
    const cheap = session({ calls: [{ input: 500, output: 0, cacheRead: 0, cacheWrite: 0, before: 0 }] });
    expect(month([session(), cheap], { sessions: 10, prices: PRICES }).models[0]?.uncachedUsd).toBe(0.03);
  });

  test('a model without a price, and a rate that is needed and unknown, are unknown and never 0', () => {
    const prices = { 'test/m': { input: 1, output: 10, source: 'test', date: '2026-11-01' } };
    expect(month([session()], { sessions: 1, prices }).models[0]).toMatchObject({
      measuredUsd: null,
      uncachedUsd: 0.0055,
      cachedUsd: null,
    });
    const [unknown] = month([session()], { sessions: 1, models: ['acme/x'] }).models;
    expect(unknown).toEqual({ model: 'acme/x', measuredUsd: null, uncachedUsd: null, cachedUsd: null, inputUsd: null });
    expect(month([session({ toolsUsd: null }), session()], { sessions: 1 }).others[0]).toMatchObject({ usd: null });
  });

  test('calls that were made with a model count as they were charged, and where that is not the price of the table nothing else is said', () => {
    const charged = (usd: number | null) => session({ calls: session().calls.map((call) => ({ ...call, model: 'test/m', usd })) });
    const of = (usd: number | null, model = 'test/m') =>
      month([charged(usd)], { sessions: 10, prices: PRICES, models: [model], now }).models[0];
    expect(of(0.5)).toEqual({ model: 'test/m', measuredUsd: 10, uncachedUsd: null, cachedUsd: null, inputUsd: null, otherPrice: true });
    expect(of(null)).toMatchObject({ measuredUsd: null, uncachedUsd: 0.055 });
    // another model is as the table has it
    expect(of(0.5, 'bedrock/amazon.nova-pro-v1:0')?.otherPrice).toBeUndefined();
    // by the price of the table, as 2,225 and 2,815 millionths
    const calls = session().calls.map((call, i) => ({ ...call, model: 'test/m', usd: [0.002225, 0.002815][i] as number }));
    expect(month([session({ calls })], { sessions: 1_000, prices: PRICES, now }).models[0]).toMatchObject({
      measuredUsd: 5.04,
      uncachedUsd: 5.5,
    });
  });

  test('a thousand sessions of 5 steps with 2,000 tokens of context: 10 million tokens of input', () => {
    const { models, others } = month([paperSession({ steps: 5, context: 2_000, output: 0 })], { sessions: 1_000, models: pricedModels() });
    const of = (name: string) => models.find(({ model }) => model.endsWith(name));
    expect(of('claude-haiku-4-5')).toMatchObject({ inputUsd: 10, uncachedUsd: 10 });
    expect(of('claude-haiku-5-5')).toMatchObject({ inputUsd: 1 });
    expect(of('claude-sonnet-4-5')).toMatchObject({ inputUsd: 30 });
    expect(of('claude-sonnet-5-5')).toMatchObject({ inputUsd: 20 });
    // caches from 4,096 tokens on, so nothing of 2,000; Sonnet from 1,024: one write and four reads of 2,000
    expect(of('claude-haiku-4-5')).toMatchObject({ cachedUsd: 10, cacheFrom: 4_096 });
    expect(of('claude-sonnet-4-5')).toMatchObject({ cachedUsd: 7.5 + 2.4, cacheFrom: 1_024 });
    // a session that was not measured has no times
    expect(others.map(({ name }) => name)).not.toContain('AgentCore Runtime');
  });

  test.each([
    [() => month([], { sessions: 1 }), 'no session to count'],
    [() => month([session()], { sessions: 0.5 }), 'whole number'],
    [() => month([session()], { sessions: 1, memoryGb: -1 }), 'in GB'],
    [() => month([session()], { sessions: 1, prices: { 'test/m': { input: -1 } } as never }), "needs 'input'"],
    [() => month([session()], { sessions: 1, prices: { 'test/m': { ...PRICES['test/m'], cacheFrom: -1 } } }), 'least prefix'],
  ])('bad options are refused', (make, why) => {
    expect(make).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining(why) }));
  });
});

test('the dollars of tools are summed without drift', () => {
  const [call] = aRun().calls;
  const calls = [0.1, 0.2, 0.3].map((costUsd) => ({ ...(call as NonNullable<typeof call>), costUsd }));
  expect(sessionOf({ ...aRun(), costUsd: 1, calls })).toMatchObject({ toolsUsd: 0.6, paidUsd: 0.4 });
});

test('a session of a run: what a call had before it is that of the same agent, not of another one', () => {
  const [step] = aRun().steps;
  const steps = [
    { ...step, step: 1, usage: { input: 100, output: 10 } },
    { ...step, step: 1, frame: '1.0', usage: { input: 40, output: 10 } },
    { ...step, step: 2, usage: { input: 50, output: 10, cacheRead: 90, cacheWrite: 10 } },
    { ...step, step: 2, frame: '1.0', usage: { input: 30, output: 10 } },
  ] as never;
  expect(sessionOf(aRun({ steps }))?.calls.map(({ input, before }) => [input, before])).toEqual([
    [100, 0],
    [40, 0],
    [150, 100],
    [30, 30],
  ]);
  expect(sessionOf(aRun({ steps: [{ ...step, usage: undefined }] as never }))).toBeUndefined();
});

test('all that was paid for models counts: lost attempts and summaries are no steps, and tools are no models', () => {
  const [step] = aRun().steps;
  const steps = [step, { ...step, step: 2, model: 'scripted/dear' }] as never;
  const calls = [{ costUsd: 0.1 }] as never;
  expect(sessionOf(aRun({ steps, calls, costUsd: 0.5 }))).toMatchObject({
    models: ['scripted/m', 'scripted/dear'],
    paidUsd: 0.4,
    toolsUsd: 0.1,
  });
  expect(sessionOf(aRun({ steps, costUsd: null }))).toMatchObject({ paidUsd: null });
  // guardrails are no models either
  const guarded = sessionOf(aRun({ steps, calls, costUsd: 0.5, guardrailsUsd: 0.15 }));
  expect(guarded).toMatchObject({ paidUsd: 0.25, toolsUsd: 0.1, guardrailsUsd: 0.15 });
  expect(month([guarded as never], { sessions: 100 }).others[1]).toMatchObject({ name: 'Guardrails', usd: 15 });
  expect(sessionOf(aRun({ steps, calls, costUsd: 0.5, guardrailsUsd: null }))).toMatchObject({ paidUsd: null });
});

test('every model that is offered has a price', () => {
  expect(pricedModels().length).toBeGreaterThan(20);
  for (const model of pricedModels()) expect(price(model), model).toBeDefined();
});
