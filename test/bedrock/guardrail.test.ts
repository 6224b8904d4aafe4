/** `bedrockGuardrail()`, through the official client, against a server that answers in the service's form. */
import { describe, expect, test } from 'vitest';
import { type BedrockGuardrailOptions, bedrockGuardrail } from '../../src/adapters/bedrock/index.ts';
import { agent, Engine, memoryJournal, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { entriesOf } from '../kit/journals.ts';
import { anything, asks, ends, refused, shown } from '../kit/runs.ts';
import { fails, http1Client } from '../wire/bedrock.ts';
import type { Answer, Call } from '../wire/server.ts';
import { wire } from './setup.ts';

const w = wire();
const guard = (o: Partial<BedrockGuardrailOptions> = {}) =>
  bedrockGuardrail({ id: 'gr-1', version: '2', endpoint: w.server.url, region: 'eu-west-1', ...o });
const named = (steps: Parameters<typeof scripted>[0], tools: Parameters<typeof agent>[0]['tools'] = []) => {
  const model = scripted(steps);
  return { model, a: agent({ name: 'a', instructions: '', model, tools }) };
};

const USAGE = {
  topicPolicyUnits: 1,
  contentPolicyUnits: 2,
  wordPolicyUnits: 0,
  sensitiveInformationPolicyUnits: 1,
  sensitiveInformationPolicyFreeUnits: 1,
  contextualGroundingPolicyUnits: 0,
};
const passes: Answer = () => ({ output: { usage: USAGE, action: 'NONE', outputs: [], assessments: [{}] } });
const textsIn = ({ input }: Call): { text: string; qualifiers?: string[] }[] => input.content.map((block: { text: object }) => block.text);
/** It masks every address, as a guardrail with a filter of EMAIL that anonymises does. */
const anonymises: Answer = (call) => {
  const texts = textsIn(call).map(({ text }) => text);
  const told = texts.map((text) => text.replace(/\S+@\S+/g, '{EMAIL}'));
  if (String(told) === String(texts)) return passes(call);
  const piiEntities = [{ match: 'ana@example.com', type: 'EMAIL', action: 'ANONYMIZED', detected: true }];
  return {
    output: {
      usage: USAGE,
      action: 'GUARDRAIL_INTERVENED',
      outputs: told.map((text) => ({ text })),
      assessments: [{ sensitiveInformationPolicy: { piiEntities, regexes: [] } }],
    },
  };
};
const blocks =
  (assessment: object): Answer =>
  () => ({
    output: { usage: USAGE, action: 'GUARDRAIL_INTERVENED', outputs: [{ text: 'Sorry, not that.' }], assessments: [assessment] },
  });

describe('an input', () => {
  test('is sent as INPUT, signed for the region, and masked with what comes back', async () => {
    w.server.otherwise = anonymises;
    const journal = memoryJournal();
    const { a, model } = named(['done']);
    const engine = new Engine({ journal, guardrails: [guard({ prices: { topic: 0.15, content: 0.15, sensitiveInformation: 0.1 } })] });
    const { runId } = await ends(engine.run(a, 'I am ana@example.com now'), 'completed');
    const [first] = w.server.calls;
    expect(first?.operation).toBe('ApplyGuardrail');
    expect(first?.input).toMatchObject({
      guardrailIdentifier: 'gr-1',
      guardrailVersion: '2',
      source: 'INPUT',
      content: [{ text: { text: 'I am ana@example.com now' } }],
    });
    expect(first?.headers.authorization).toContain('/eu-west-1/bedrock/aws4_request');
    expect(w.server.calls.map(({ input }) => input.source)).toEqual(['INPUT', 'OUTPUT']);
    expect(model.requests[0]?.messages[0]?.content).toEqual([{ type: 'text', text: 'I am {EMAIL} now' }]);
    const entries = await entriesOf(journal, runId);
    expect(entries[0]?.verdicts).toMatchObject([{ guardrail: 'bedrock', action: 'mask', findings: [{ category: 'EMAIL', count: 1 }] }]);
    expect(entries[0]?.verdicts?.[0]?.usd).toBeCloseTo((1 * 0.15 + 2 * 0.15 + 1 * 0.1) / 1000);
    expect(JSON.stringify(entries)).not.toContain('ana@example.com');
  });

  test.each<[string, object, object[]]>([
    [
      'a denied topic',
      { topicPolicy: { topics: [{ name: 'medicine', type: 'DENY', action: 'BLOCKED', detected: true }] } },
      [{ category: 'medicine', count: 1 }],
    ],
    [
      'a content filter over its threshold',
      {
        contentPolicy: {
          filters: [{ type: 'PROMPT_ATTACK', confidence: 'HIGH', filterStrength: 'HIGH', action: 'BLOCKED', detected: true }],
        },
      },
      [{ category: 'PROMPT_ATTACK', count: 1 }],
    ],
    [
      'words',
      {
        wordPolicy: {
          customWords: [{ match: 'sword', action: 'BLOCKED', detected: true }],
          managedWordLists: [{ match: 'damn', type: 'PROFANITY', action: 'BLOCKED', detected: true }],
        },
      },
      [
        { category: 'WORD', count: 1 },
        { category: 'PROFANITY', count: 1 },
      ],
    ],
    [
      'personal data, some masked and some blocked',
      {
        sensitiveInformationPolicy: {
          piiEntities: [
            { match: 'ana@example.com', type: 'EMAIL', action: 'ANONYMIZED', detected: true },
            { match: '123-45-6789', type: 'US_SOCIAL_SECURITY_NUMBER', action: 'BLOCKED', detected: true },
          ],
          regexes: [{ name: 'order', match: 'ord-1', regex: 'ord-\\d', action: 'BLOCKED', detected: true }],
        },
      },
      [
        { category: 'EMAIL', count: 1 },
        { category: 'US_SOCIAL_SECURITY_NUMBER', count: 1 },
        { category: 'order', count: 1 },
      ],
    ],
    ['what it does not tell', {}, []],
  ])('with %s is refused with the message of the guardrail; what was matched is not kept', async (_, assessment, findings) => {
    w.server.next(blocks(assessment));
    const error = await refused('INPUT_REFUSED', new Engine({ guardrails: [guard()] }).run(named([]).a, 'x'));
    expect(error.message).toContain('Sorry, not that.');
    const [verdict] = (error.details as { verdicts: { findings?: object[] }[] }).verdicts;
    expect(verdict?.findings ?? []).toEqual(findings);
    expect(JSON.stringify(error.details)).not.toMatch(/ana@|6789|sword|damn|ord-1/);
  });

  test('that only was detected passes, with its finding', async () => {
    const detected = { contentPolicy: { filters: [{ type: 'INSULTS', confidence: 'LOW', action: 'NONE', detected: true }] } };
    w.server.next(() => ({ output: { usage: USAGE, action: 'NONE', outputs: [], assessments: [detected] } }));
    const journal = memoryJournal();
    const { runId } = await ends(
      new Engine({ journal, guardrails: [guard({ points: ['input'] })] }).run(named(['ok']).a, 'x'),
      'completed',
    );
    expect((await entriesOf(journal, runId))[0]?.verdicts).toMatchObject([
      { action: 'allow', findings: [{ category: 'INSULTS', count: 1 }] },
    ]);
  });
});

describe('texts', () => {
  test('of JSON are sent one by one in one request, and come back to their places', async () => {
    w.server.otherwise = anonymises;
    const look = tool({
      name: 'look',
      description: '',
      input: anything,
      execute: () => ({ who: ['ana@example.com', ' ', 7], at: 'home' }),
    });
    const { a, model } = named([asks(['look', {}]), 'done'], [look]);
    await ends(new Engine({ guardrails: [guard({ points: ['result'] })] }).run(a, 'go'), 'completed');
    expect(w.server.calls).toHaveLength(1);
    expect(textsIn(w.server.calls[0] as Call).map(({ text }) => text)).toEqual(['who', 'ana@example.com', 'at', 'home']);
    expect(JSON.parse(shown(model.requests[1])[0]?.text ?? '')).toEqual({ who: ['{EMAIL}', ' ', 7], at: 'home' });
  });

  test('are asked about one by one where the answer has another number of outputs', async () => {
    w.server.otherwise = async (call) => {
      const answer = (await anonymises(call)) as { output: { outputs: { text: string }[] } };
      const { outputs } = answer.output;
      return outputs.length < 2 ? answer : { output: { ...answer.output, outputs: [{ text: outputs.map(({ text }) => text).join('') }] } };
    };
    const look = tool({ name: 'look', description: '', input: anything, execute: () => ['ana@example.com', 'plain'] });
    const { a, model } = named([asks(['look', {}]), 'done'], [look]);
    await ends(new Engine({ guardrails: [guard({ points: ['result'] })] }).run(a, 'go'), 'completed');
    expect(w.server.calls).toHaveLength(3);
    expect(shown(model.requests[1])[0]?.text).toBe('["{EMAIL}","plain"]');
  });

  test('that are long are sent in pieces and put together again', async () => {
    w.server.otherwise = anonymises;
    const text = `${'word '.repeat(9_000)}ana@example.com ${'word '.repeat(3_000)}`;
    const { a, model } = named(['ok']);
    await ends(new Engine({ guardrails: [guard({ points: ['input'] })] }).run(a, text), 'completed');
    expect(w.server.calls.length).toBeGreaterThan(2);
    for (const call of w.server.calls) expect(textsIn(call).reduce((sum, t) => sum + t.text.length, 0)).toBeLessThanOrEqual(20_000);
    expect(model.requests[0]?.messages[0]?.content).toEqual([{ type: 'text', text: text.replace('ana@example.com', '{EMAIL}') }]);
  });
});

describe('a long text', () => {
  const card = '4111 1111 1111 1111';
  /** It masks a card that it sees whole, and blocks two words that stand together. */
  const service: Answer = (call) => {
    const texts = textsIn(call).map(({ text }) => text);
    const told = texts.map((text) => text.replaceAll(card, '{CARD}'));
    const topic = { topicPolicy: { topics: [{ name: 'arms', type: 'DENY', action: 'BLOCKED', detected: true }] } };
    if (texts.some((text) => text.includes('build a bomb'))) return blocks(topic)(call);
    if (String(told) === String(texts)) return passes(call);
    const piiEntities = [{ match: card, type: 'CREDIT_DEBIT_CARD_NUMBER', action: 'ANONYMIZED', detected: true }];
    const assessments = [{ sensitiveInformationPolicy: { piiEntities, regexes: [] } }];
    return { output: { usage: USAGE, action: 'GUARDRAIL_INTERVENED', outputs: told.map((text) => ({ text })), assessments } };
  };
  const asking = async (text: string) => {
    w.server.otherwise = service;
    const { a, model } = named(['ok']);
    const run = new Engine({ guardrails: [guard({ points: ['input'] })] }).run(a, text);
    return { run, sent: async () => (await ends(run, 'completed')) && model.requests[0]?.messages[0]?.content };
  };

  test.each([19_981, 19_985, 19_990, 19_999, 39_990])('has what lies across the cut near %i masked', async (before) => {
    const text = `${'x'.repeat(before)} ${card} ${'y '.repeat(12_000)}`;
    const { sent } = await asking(text);
    expect(await sent()).toEqual([{ type: 'text', text: text.replace(card, '{CARD}') }]);
  });

  test('is refused for what lies across a cut', async () => {
    const { run } = await asking(`${'x'.repeat(19_993)} build a bomb ${'y '.repeat(5_000)}`);
    const error = await refused('INPUT_REFUSED', run);
    expect(error.details).toMatchObject({ verdicts: [{ findings: [{ category: 'arms', count: 1 }] }] });
  });

  test('that is masked as far as can be seen from a cut cannot be asked about, and is refused', async () => {
    w.server.otherwise = (call) => {
      const texts = textsIn(call).map(({ text }) => text);
      const piiEntities = [{ match: 'x', type: 'NAME', action: 'ANONYMIZED', detected: true }];
      const assessments = [{ sensitiveInformationPolicy: { piiEntities, regexes: [] } }];
      return { output: { usage: USAGE, action: 'GUARDRAIL_INTERVENED', outputs: texts.map(() => ({ text: '{NAME}' })), assessments } };
    };
    const { a } = named([]);
    await refused('GUARDRAIL_FAILED', new Engine({ guardrails: [guard({ points: ['input'] })] }).run(a, 'x'.repeat(30_000)));
  });
});

describe('grounding', () => {
  test('an answer is checked against the results of the run’s tools and what was asked, and blocked below the threshold', async () => {
    w.server.otherwise = passes;
    const look = tool({ name: 'look', description: '', input: anything, effect: 'read', execute: () => 'The shop opens at nine.' });
    const { a } = named([asks(['look', {}]), 'It opens at six.'], [look]);
    w.server.next(
      blocks({
        contextualGroundingPolicy: {
          filters: [
            { type: 'GROUNDING', threshold: 0.7, score: 0.1, action: 'BLOCKED', detected: true },
            { type: 'RELEVANCE', threshold: 0.5, score: 0.9, action: 'NONE', detected: false },
          ],
        },
      }),
    );
    const journal = memoryJournal();
    const { error, runId } = await ends(
      new Engine({ journal, guardrails: [guard({ points: ['output'], grounding: true })] }).run(a, 'When?'),
      'failed',
    );
    expect(error.code).toBe('OUTPUT_REFUSED');
    expect(textsIn(w.server.calls[0] as Call)).toEqual([
      { text: 'The shop opens at nine.', qualifiers: ['grounding_source'] },
      { text: 'When?', qualifiers: ['query'] },
      { text: 'It opens at six.', qualifiers: ['guard_content'] },
    ]);
    const answered = (await entriesOf(journal, runId)).filter((e) => e.type === 'model.responded').at(-1);
    expect(answered?.verdicts).toMatchObject([{ action: 'block', findings: [{ category: 'GROUNDING', score: 0.1 }] }]);
  });

  test('without results there is nothing to compare with', async () => {
    w.server.otherwise = passes;
    await ends(new Engine({ guardrails: [guard({ points: ['output'], grounding: true })] }).run(named(['Hi.']).a, 'Hello'), 'completed');
    expect(textsIn(w.server.calls[0] as Call)).toEqual([{ text: 'Hi.' }]);
  });
});

describe('trouble', () => {
  test('a throttled request is sent again; one that is refused blocks, and says why', async () => {
    w.server.next(fails('ThrottlingException', 'slow down', { status: 429 }), passes);
    await ends(new Engine({ guardrails: [guard({ points: ['input'] })] }).run(named(['ok']).a, 'x'), 'completed');
    expect(w.server.calls).toHaveLength(2);
    w.server.next(fails('AccessDeniedException', 'not authorized to perform bedrock:ApplyGuardrail', { status: 403 }));
    const error = await refused('GUARDRAIL_FAILED', new Engine({ guardrails: [guard()] }).run(named([]).a, 'x'));
    expect(error.message).toContain('not authorized to perform bedrock:ApplyGuardrail');
  });

  test('a guardrail that does not answer in time blocks, and its request is cut', async () => {
    const never = new Promise<never>(() => undefined);
    w.server.next({ wait: never, reply: { destroy: true } });
    const error = await refused('GUARDRAIL_FAILED', new Engine({ guardrails: [guard({ timeout: 50 })] }).run(named([]).a, 'x'));
    expect(error.details).toMatchObject({ verdicts: [{ code: 'GUARDRAIL_TIMEOUT' }] });
    expect(await w.server.calls[0]?.closed).toBe('cut');
  });

  test('a client of one’s own is used', async () => {
    w.server.next(passes);
    const client = http1Client(w.server.url);
    const own = bedrockGuardrail({ id: 'gr-1', version: 'DRAFT', client, points: ['input'] });
    await ends(new Engine({ guardrails: [own] }).run(named(['ok']).a, 'x'), 'completed');
    client.destroy();
    expect(w.server.calls[0]?.protocol).toBe('http/1.1');
  });

  test('a cost is unknown where a kind of policy has no price', async () => {
    w.server.next(passes);
    const journal = memoryJournal();
    const priced = guard({ points: ['input'], prices: { topic: 0.15 } });
    const { runId } = await ends(new Engine({ journal, guardrails: [priced] }).run(named(['ok']).a, 'x'), 'completed');
    expect((await entriesOf(journal, runId))[0]?.verdicts?.[0]).not.toHaveProperty('usd');
  });

  test.each<[string, unknown]>([
    ['no id', { version: '1' }],
    ['no version', { id: 'x' }],
    ['a region beside a client', { id: 'x', version: '1', region: 'eu-west-1', client: {} }],
    ['a misspelt option', { id: 'x', version: '1', ground: true }],
  ])('%s is refused', async (_, o) => {
    await refused('CONFIG_INVALID', () => bedrockGuardrail(o as BedrockGuardrailOptions));
  });
});
