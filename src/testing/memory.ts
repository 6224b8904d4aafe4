import assert from 'node:assert/strict';
import { checkOptions } from '../options.ts';
import type { Fact, Memory, RecallRequest } from '../ports/memory.ts';
import type { Message } from '../ports/model.ts';
import type { Principal } from '../ports/principal.ts';
import { declare, Lacking, lackingOf, type SuiteCase, type TestFunction } from './suite.ts';

export interface MemoryConformanceOptions {
  /** `test` of vitest, jest or node:test. Default: the global one. */
  test?: TestFunction;
  /** Waits until recorded conversations can be recalled. For a memory that processes them in the background. */
  settled?: (memory: Memory) => Promise<void>;
}

type Make = () => Memory | Promise<Memory>;
type Settled = (memory: Memory) => Promise<void>;
type Case = readonly [name: string, check: (memory: Memory, settled: Settled) => Promise<void>];

const ana: Principal = { id: 'ana', tenant: 'acme' };
const others: readonly Principal[] = [{ id: 'ben', tenant: 'acme' }, { id: 'ana', tenant: 'other' }, { id: 'ana' }];
const fresh = () => new AbortController().signal;
const say = (role: 'user' | 'assistant', text: string): Message => ({ role, content: [{ type: 'text', text }] });
const key = (n: number) => n.toString(16).padStart(2, '0').repeat(32);
/** The conversation that the tests record and recall. Its wording is easy to find for every kind of memory. */
const TALK = [
  say('user', 'My favourite drink is rooibos tea. Please remember that.'),
  say('assistant', 'Noted: your favourite drink is rooibos tea.'),
];
const QUESTION = 'What is my favourite drink? Is it rooibos tea?';

const record = (memory: Memory, n: number, over: { by?: Principal; session?: string; messages?: readonly Message[] } = {}) =>
  memory.record({
    by: ana,
    session: 's1',
    agent: 'clerk',
    run: `run-${n}`,
    messages: TALK,
    idempotencyKey: key(n),
    signal: fresh(),
    ...over,
  });

async function recall(memory: Memory, over: Partial<RecallRequest> = {}): Promise<readonly Fact[]> {
  const facts: unknown = await memory.recall({ by: ana, agent: 'clerk', text: QUESTION, tokens: 2_000, signal: fresh(), ...over });
  assert.ok(Array.isArray(facts), 'recall answers a list');
  return facts.map((fact): Fact => {
    if (typeof fact === 'string') return { id: fact, text: fact };
    assert.equal(typeof fact?.text, 'string', 'a fact has a text');
    assert.ok(typeof fact.id === 'string' && fact.id !== '' && fact.id.length <= 500, 'a fact has an id of 1 to 500 characters');
    assert.ok(fact.score === undefined || Number.isFinite(fact.score), 'a score is a number');
    return fact;
  });
}
const knows = async (memory: Memory, over?: Partial<RecallRequest>) =>
  (await recall(memory, over)).some(({ text }) => /rooibos/i.test(text));

const cases: readonly Case[] = [
  ['an empty memory recalls nothing', async (memory) => assert.deepEqual(await recall(memory), [])],
  [
    'what was recorded is recalled in another session of the same principal',
    async (memory, settled) => {
      await record(memory, 1);
      await settled(memory);
      assert.ok(await knows(memory, { session: 's2' }));
    },
  ],
  [
    'ids of facts are the same in the next recall, and differ from each other',
    async (memory, settled) => {
      await record(memory, 1);
      await settled(memory);
      const ids = (await recall(memory)).map(({ id }) => id);
      assert.equal(new Set(ids).size, ids.length);
      assert.deepEqual((await recall(memory)).map(({ id }) => id).sort(), ids.sort());
    },
  ],
  [
    'a conversation that is recorded twice under one key is stored once',
    async (memory, settled) => {
      await record(memory, 1);
      await settled(memory);
      const once = await recall(memory);
      await record(memory, 1);
      await settled(memory);
      assert.equal((await recall(memory)).length, once.length);
    },
  ],
  [
    'a conversation that is recorded twice at the same time is stored once',
    async (memory, settled) => {
      await Promise.all([record(memory, 1), record(memory, 1)]);
      await settled(memory);
      const twice = await recall(memory);
      await record(memory, 1);
      await settled(memory);
      assert.equal((await recall(memory)).length, twice.length);
      const texts = twice.map(({ text }) => text);
      assert.equal(new Set(texts).size, texts.length, 'no fact is there twice');
    },
  ],
  [
    'what one principal said is not recalled for another, nor for one of the same id in another tenant or in none',
    async (memory, settled) => {
      await record(memory, 1);
      await settled(memory);
      for (const by of others) assert.ok(!(await knows(memory, { by })), JSON.stringify(by));
    },
  ],
  [
    'facts fit in the requested number of tokens, of about four characters each',
    async (memory, settled) => {
      for (let n = 1; n <= 20; n++)
        await record(memory, n, { messages: [say('user', `Rooibos tea number ${n} is my favourite drink, ${'and '.repeat(20)}so on.`)] });
      await settled(memory);
      const chars = (await recall(memory, { tokens: 100 })).reduce((sum, { text }) => sum + text.length, 0);
      assert.ok(chars <= 600, `${chars} characters for 100 tokens`);
    },
  ],
  [
    'a conversation without text is accepted',
    async (memory) => {
      await record(memory, 1, { messages: [] });
      await record(memory, 2, { messages: [{ role: 'assistant', content: [{ type: 'toolCall', id: 'x', name: 'act', input: {} }] }] });
    },
  ],
];

const forgetCases: readonly Case[] = [
  [
    'a forgotten session is not recalled, and others still are',
    async (memory, settled) => {
      await record(memory, 1);
      await record(memory, 2, { session: 's2', messages: [say('user', 'My favourite drink used to be cocoa. Remember that.')] });
      await settled(memory);
      await memory.forget?.({ by: ana, session: 's1', signal: fresh() });
      assert.ok(!(await knows(memory)));
      assert.ok((await recall(memory, { text: 'Did my favourite drink use to be cocoa?' })).some(({ text }) => /cocoa/i.test(text)));
    },
  ],
  [
    'forgetting a principal removes all of their sessions, and nothing of others',
    async (memory, settled) => {
      await record(memory, 1);
      await record(memory, 2, { session: 's2' });
      for (const [i, by] of others.entries()) await record(memory, 3 + i, { by });
      await settled(memory);
      await memory.forget?.({ by: ana, signal: fresh() });
      assert.ok(!(await knows(memory)));
      for (const by of others) assert.ok(await knows(memory, { by }), JSON.stringify(by));
    },
  ],
  [
    'forgetting twice, or something unknown, changes nothing',
    async (memory) => {
      for (let i = 0; i < 2; i++) await memory.forget?.({ by: ana, session: 's1', signal: fresh() });
      await memory.forget?.({ by: { id: 'stranger' }, signal: fresh() });
      assert.deepEqual(await recall(memory), []);
    },
  ],
];

/**
 * Every guarantee of the {@link Memory} port as a test. Call it at the top of a test file, or inside a `describe`.
 * @param make opens a new, empty memory. Called for each test.
 */
export function memoryConformance(make: Make, o: MemoryConformanceOptions = {}): void {
  declare('memory', memoryCases(make, o), o.test);
}

/** The tests as a list, for other test runners. Those of `forget` say that the memory has none. */
export function memoryCases(make: Make, o: Omit<MemoryConformanceOptions, 'test'> = {}): readonly SuiteCase[] {
  checkOptions(o, { test: 'test', settled: 'settled: (memory) => memory.idle()' }, 'memoryCases()');
  const { settled = async () => undefined } = o;
  const all = [...cases.map((c) => [c, false] as const), ...forgetCases.map((c) => [c, true] as const)];
  return all.map(([[name, check], forgets]) => ({
    name,
    run: () =>
      lackingOf(async () => {
        const memory = await make();
        if (forgets && !memory.forget) throw new Lacking('forget');
        await check(memory, settled);
      }),
  }));
}
