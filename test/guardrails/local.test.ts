import { describe, expect, test } from 'vitest';
import {
  type PatternOptions,
  patternGuardrail,
  piiGuardrail,
  type TopicOptions,
  topicGuardrail,
} from '../../src/adapters/guardrails/index.ts';
import { agent, Engine, type Guardrail, type GuardrailRuling, type Json } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { ends, refused } from '../kit/runs.ts';

const ask = async (guardrail: Guardrail, value: Json): Promise<GuardrailRuling> =>
  guardrail.check({
    point: 'input',
    by: undefined,
    agent: 'a',
    runId: 'r',
    session: undefined,
    value,
    conversation: [],
    signal: AbortSignal.abort(),
  });

describe('topics', () => {
  test('are found by whole words of their phrases, in any case, spacing and width', async () => {
    const guard = topicGuardrail({ denied: [{ name: 'medicine', phrases: ['diagnosis', 'side effects'] }] });
    for (const text of ['My DIAGNOSIS?', 'side\n effects', 'ｓｉｄｅ effects', 'side-effects', { a: ['x', { b: 'diagnosis' }] }])
      expect(await ask(guard, text)).toEqual({ action: 'block', reason: 'it is about medicine', findings: [{ category: 'medicine' }] });
    for (const text of ['diagnosisx', 'effects side', 'hello', '']) expect(await ask(guard, text)).toEqual({ action: 'allow' });
    const notice = topicGuardrail({ denied: [{ name: 'notice', phrases: ['Kündigung'] }] });
    for (const form of ['NFC', 'NFD'] as const)
      expect(await ask(notice, 'Meine Kündigung'.normalize(form)), form).toMatchObject({ action: 'block' });
    // a vowel of Devanagari is a mark, and tells words apart
    const hindi = topicGuardrail({ denied: [{ name: 'x', phrases: ['दिन'] }] });
    expect(await ask(hindi, 'दिन')).toMatchObject({ action: 'block' });
    expect(await ask(hindi, 'दान')).toEqual({ action: 'allow' });
  });

  test('are found by closeness to examples; these get their vectors once', async () => {
    const calls: (readonly string[])[] = [];
    // a vector of how often a text speaks of pills and of boats
    const embed = async (texts: readonly string[]) => {
      calls.push(texts);
      return texts.map((text) => [text.split('pill').length - 1 + 0.01, text.split('boat').length - 1 + 0.01]);
    };
    const guard = topicGuardrail({ embed, denied: [{ name: 'medicine', examples: ['take a pill'], threshold: 0.9 }] });
    expect(await ask(guard, 'which pill is it')).toMatchObject({
      action: 'block',
      findings: [{ category: 'medicine', score: expect.any(Number) }],
    });
    expect(await ask(guard, `${'a boat '.repeat(200)} and a pill`)).toMatchObject({ action: 'allow' });
    expect(await ask(guard, `${'boat '.repeat(200)}${'pill '.repeat(100)}`)).toMatchObject({ action: 'block' });
    expect(calls.filter((texts) => texts[0] === 'take a pill')).toHaveLength(1);
  });

  test('an embedder that fails once blocks that value, and not the next', async () => {
    let n = 0;
    const embed = async (texts: readonly string[]) => {
      if (n++ === 0) throw new Error('down');
      return texts.map(() => [1, 0]);
    };
    const engine = new Engine({
      guardrails: [topicGuardrail({ embed, points: ['input'], denied: [{ name: 'x', examples: ['y'], threshold: 1 }] })],
    });
    const a = agent({ name: 'a', instructions: '', model: scripted(['hi']) });
    await refused('GUARDRAIL_FAILED', engine.run(a, 'hello'));
    await refused('INPUT_REFUSED', engine.run(a, 'hello'));
  });

  test.each<[string, () => Promise<readonly (readonly number[])[]>]>([
    ['too few vectors', async () => []],
    ['vectors of other lengths', async () => [[Math.random()], [1, 2]]],
    ['no vectors', async () => ['x'] as never],
    ['vectors of nothing', async () => [[0, 0]]],
  ])('%s block', async (_, embed) => {
    const guard = topicGuardrail({ embed, denied: [{ name: 'x', examples: ['y'] }] });
    await expect(ask(guard, 'hello')).rejects.toThrow();
  });

  test.each<[string, unknown]>([
    ['no topics', { denied: [] }],
    ['a topic without a name', { denied: [{ phrases: ['x'] }] }],
    ['a topic of nothing', { denied: [{ name: 'x' }] }],
    ['examples without embed', { denied: [{ name: 'x', examples: ['y'] }] }],
    ['a phrase without words', { denied: [{ name: 'x', phrases: ['!'] }] }],
    ['a threshold of 2', { denied: [{ name: 'x', phrases: ['y'], threshold: 2 }] }],
    ['a misspelt field', { denied: [{ name: 'x', phrase: ['y'] }] }],
  ])('%s are refused', async (_, o) => {
    await refused('CONFIG_INVALID', () => topicGuardrail(o as TopicOptions));
  });
});

describe('patterns', () => {
  test('mask or block what they match; a text is looked for as it is', async () => {
    const guard = patternGuardrail({
      patterns: [
        { name: 'ORDER', pattern: /\bord-\d{6}\b/i },
        { name: 'PROJECT', pattern: 'Project (X)' },
      ],
    });
    expect(await ask(guard, { note: 'ORD-123456 and ord-654321 of project (x)' })).toEqual({
      action: 'mask',
      value: { note: '[ORDER] and [ORDER] of [PROJECT]' },
      findings: [
        { category: 'ORDER', count: 2 },
        { category: 'PROJECT', count: 1 },
      ],
    });
    const patterns = [
      { name: 'NAME', pattern: 'Müller' },
      { name: 'CODE', pattern: /é\d{3}/u },
    ];
    for (const form of ['NFC', 'NFD'] as const)
      expect(await ask(patternGuardrail({ patterns }), 'an Müller, é１23, é124'.normalize(form)), form).toMatchObject({
        value: 'an [NAME], [CODE], [CODE]',
      });
    // asked again, it begins at the start
    expect(await ask(guard, 'ord-123456')).toMatchObject({ action: 'mask' });
    expect(await ask(patternGuardrail({ patterns: [{ name: 'X', pattern: /x*/, action: 'block' }] }), 'abc')).toEqual({ action: 'allow' });
    expect(await ask(patternGuardrail({ patterns: [{ name: 'X', pattern: 'x', action: 'block' }] }), 'axb')).toEqual({
      action: 'block',
      reason: 'it holds X',
      findings: [{ category: 'X', count: 1 }],
    });
  });

  test.each<[string, unknown]>([
    ['none', { patterns: [] }],
    ['one without a name', { patterns: [{ pattern: 'x' }] }],
    ['an empty text', { patterns: [{ name: 'X', pattern: '' }] }],
    ['another action', { patterns: [{ name: 'X', pattern: 'x', action: 'drop' }] }],
  ])('%s are refused', async (_, o) => {
    await refused('CONFIG_INVALID', () => patternGuardrail(o as PatternOptions));
  });
});

test('in an engine: a person’s data does not reach the model, and its answer is masked', async () => {
  const model = scripted(({ messages }) => `you said ${JSON.stringify(messages)} and I say ben@example.com`);
  const engine = new Engine({ guardrails: [piiGuardrail()] });
  const { output } = await ends(engine.run(agent({ name: 'a', instructions: '', model }), 'I am ana@example.com'), 'completed');
  expect(JSON.stringify(model.requests[0]?.messages)).toContain('I am [EMAIL_1]');
  expect(output).toContain('I say [EMAIL_2]');
});
