import { expect, test } from 'vitest';
import type { Price } from '../../src/pricing/price.ts';
import { BEDROCK } from '../../src/pricing/price-table.ts';
import { checkPrices, price } from '../../src/pricing/prices.ts';

const mine = (input: number): Price => ({ input, output: 1, source: 'contract', date: '2026-01-01' });

test('every price says where it is from and for which day', () => {
  for (const [name, { from, rates, long }] of Object.entries(BEDROCK)) {
    expect(from.source, name).toMatch(/^https:\/\//);
    expect(from.date, name).toMatch(/^20\d\d-\d\d-\d\d$/);
    for (const rate of [...rates, ...(long?.rates ?? [])]) expect(rate, name).toBeGreaterThan(0);
    // what every price list has in common; a row that breaks it was mistyped
    const [input, output, cacheRead = 0, cacheWrite = input] = rates;
    expect(output, name).toBeGreaterThanOrEqual(input);
    expect(cacheRead, name).toBeLessThan(input);
    expect(cacheWrite, name).toBeGreaterThanOrEqual(input);
    expect(price(`bedrock/${name}`), name).toBeDefined();
  }
});

test('an ARN says where the model is called: where no price was found for that, it is unknown', () => {
  const arn = (partition: string, region: string, model: string) =>
    price(`bedrock/arn:${partition}:bedrock:${region}::foundation-model/${model}`);
  expect(arn('aws', 'us-west-2', 'amazon.nova-pro-v1:0')).toMatchObject({ input: 0.8 });
  expect(arn('aws', 'eu-central-1', 'amazon.nova-pro-v1:0')).toBeUndefined();
  expect(arn('aws', 'eu-central-1', 'anthropic.claude-haiku-4-5')).toMatchObject({ input: 1.1 });
  expect(arn('aws-us-gov', 'us-gov-west-1', 'anthropic.claude-haiku-4-5')).toBeUndefined();
});

test.each([
  [{ 'a/b': { ...mine(1), cachRead: 0.1 } }, 'Did you mean "cacheRead"?'],
  [{ 'a/b': { ...mine(1), long: { over: 1, input: 1, output: 1, cachedRead: 1 } } }, 'long has no option "cachedRead"'],
  [{ 'a/b': 5 }, "needs 'input'"],
  [5, 'by model'],
])('prices that would be left out in part are refused: %j', (prices, message) => {
  expect(() => checkPrices(prices as never)).toThrow(message);
});

test('ids with a date, a version, a geography or an ARN are the same model', () => {
  const haiku = { input: 1, output: 5, cacheRead: 0.1, cacheWrite: 1.25 };
  const dearer = { input: 1.1, output: 5.5, cacheRead: 0.11, cacheWrite: 1.375 };
  expect(price('bedrock/global.anthropic.claude-haiku-4-5-20251001-v1:0')).toMatchObject(haiku);
  for (const id of [
    'anthropic.claude-haiku-4-5-20251001-v1:0',
    'us.anthropic.claude-haiku-4-5-20251001-v1:0',
    'eu.anthropic.claude-haiku-4-5',
    'apac.anthropic.claude-haiku-4-5-v1',
    'arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-haiku-4-5-20251001-v1:0',
  ])
    expect(price(`bedrock/${id}`), id).toMatchObject(dearer);
  expect(price('bedrock/anthropic.claude-opus-4-6-v1')).toMatchObject({ input: 5.5, output: 27.5 });
  expect(price('bedrock/amazon.nova-pro-v1:0')).toMatchObject({ input: 0.8, output: 3.2, cacheRead: 0.2 });
  expect(price('bedrock/us.meta.llama4-scout-17b-instruct-v1:0')).toMatchObject({ input: 0.17, output: 0.66 });
  expect(price('bedrock/mistral.pixtral-large-2502-v1:0')).toMatchObject({ input: 2, output: 6 });
  expect(price('bedrock/eu.anthropic.claude-haiku-5-5')).toMatchObject({ input: 0.11, long: { over: 100_000, input: 0.55, output: 2.75 } });
});

test('a longer or shorter name is another model, and what is not known is undefined', () => {
  for (const key of [
    'bedrock/anthropic.claude-sonnet-5-6',
    'bedrock/anthropic.claude-sonnet',
    'bedrock/anthropic.claude-3-haiku-20240307-v1:0',
    'bedrock/us-gov.anthropic.claude-sonnet-5',
    // seen for us-east-1 only
    'bedrock/eu.amazon.nova-pro-v1:0',
    'bedrock/apac.meta.llama3-3-70b-instruct-v1:0',
    'bedrock/arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123',
    'bedrock/constructor',
    'bedrock/',
    'openai/gpt-5',
    'anthropic.claude-sonnet-5',
    '',
  ])
    expect(price(key), key).toBeUndefined();
});

test('no model, no price: stand-ins are free, and say so', () => {
  for (const key of ['scripted/list', 'standin/rules'])
    expect(price(key)).toMatchObject({ input: 0, output: 0, cacheRead: 0, cacheWrite: 0, source: 'no model' });
});

test('an override wins by its exact key, then by its longest prefix', () => {
  const overrides = { 'bedrock/*': mine(1), 'bedrock/eu.*': mine(2), 'bedrock/eu.amazon.nova-pro-v1:0': mine(3), 'local/tiny': mine(4) };
  expect(price('bedrock/anthropic.claude-sonnet-5', overrides)?.input).toBe(1);
  expect(price('bedrock/eu.anthropic.claude-sonnet-5', overrides)?.input).toBe(2);
  expect(price('bedrock/eu.amazon.nova-pro-v1:0', overrides)?.input).toBe(3);
  expect(price('bedrock/eu.anthropic.claude-sonnet-5', { 'bedrock/eu.*': mine(2), 'bedrock/*': mine(1) })?.input).toBe(2);
  expect(price('local/tiny', overrides)?.input).toBe(4);
  expect(price('local/tiny-2', overrides)).toBeUndefined();
  expect(price('scripted/x', overrides)?.source).toBe('no model');
  // and leave the table as it was for everybody else
  expect(price('bedrock/global.anthropic.claude-sonnet-5')?.input).toBe(2);
});

test('an invalid price is refused, with its name', () => {
  const over = { over: 10, input: 1, output: 1 };
  expect(checkPrices({ 'a/b': { ...mine(0), long: over } })).toBeTruthy();
  for (const [bad, rate] of [
    [{ ...mine(1), input: -1 }, 'input'],
    [{ ...mine(1), output: Number.NaN }, 'output'],
    [{ ...mine(1), output: Number.POSITIVE_INFINITY }, 'output'],
    [{ ...mine(1), cacheRead: '1' as unknown as number }, 'cacheRead'],
    [{ ...mine(1), cacheWrite: -0.1 }, 'cacheWrite'],
    [{ ...mine(1), long: { ...over, over: -1 } }, 'over'],
    [{ ...mine(1), long: { ...over, cacheRead: -1 } }, 'cacheRead'],
    [undefined as unknown as Price, 'input'],
  ] as const)
    expect(() => checkPrices({ 'a/b': bad })).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID', details: { key: 'a/b', rate } }));
});
