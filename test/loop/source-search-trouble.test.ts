/** Sources that are searched, and lie, hang, fail, or get in each other's way. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  agent,
  delegate,
  Engine,
  type Failure,
  type Json,
  type Middleware,
  memoryJournal,
  type OpenedSource,
  type Tool,
  ToolError,
  type ToolSource,
  tool,
} from '../../src/index.ts';
import { heldTool } from '../../src/loop/tools/tool.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { asks, ends, failure, shown } from '../kit/runs.ts';
import { deferred } from '../kit/time.ts';
import { answerIn, call, find, named, searched } from './searched.ts';

let warned: ReturnType<typeof vi.spyOn>;
beforeEach(() => {
  warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});
const warnings = () => warned.mock.calls.map((c: readonly unknown[]) => String(c[0])).filter((text: string) => text.includes('left out'));

/** Searches once, and calls each of `calls`. */
async function over(sources: readonly ToolSource[], calls: readonly ReturnType<typeof call>[] = [], more: object = {}) {
  const steps = [asks(find('pay')), ...(calls.length > 0 ? [asks(...calls)] : []), 'done'];
  const model = scripted(steps);
  await using engine = new Engine();
  await ends(engine.run(agent({ name: 'clerk', instructions: '', model, tools: sources, ...more }), 'go'), 'completed');
  const [found, ...called] = shown(model.requests.at(-1));
  return { found, called };
}

const lying = (search: unknown, over: Partial<OpenedSource> = {}, name?: string) =>
  searched([], { search: search as OpenedSource['search'] & {}, ...over }, name).made;
const fine = () => searched([named('pay')], {}, 'fine').made;

// holds found.I4
describe('a source whose search', () => {
  test.each<[string, unknown, RegExp]>([
    ['throws', () => Promise.reject(new Error('the index is gone')), /the index is gone/],
    [
      'throws at once',
      () => {
        throw new Error('not now');
      },
      /not now/,
    ],
    ['throws no error', () => Promise.reject('down'), /down/],
    ['answers nothing', async () => undefined, /no list of tools/],
    ['answers an object', async () => ({ length: 3, 0: named('pay') }), /no list of tools/],
  ])('%s is told to the model, with what the others found', async (_, search, reason) => {
    const { found, called } = await over([lying(search), fine()], [call('pay')]);
    const answer = answerIn(found);
    expect(answer.tools.map((t) => t.name)).toEqual(['pay']);
    expect(answer.unavailable).toMatchObject([{ source: 'shop', reason: expect.stringMatching(reason) }]);
    expect(called[0]?.text).toBe('pay {}');
    const alone = await over([lying(search)]);
    expect(failure(alone.found)).toMatchObject({ code: 'SOURCE_UNAVAILABLE', outcome: 'not-run', message: expect.stringMatching(reason) });
  });

  test('hangs is given up, its signal aborted, and what the others found is told', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
    const asked = deferred<AbortSignal>();
    const hangs = lying((_: string, { signal }: { signal: AbortSignal }) => {
      asked.resolve(signal);
      return new Promise(() => {});
    });
    const run = over([hangs, fine()]);
    const signal = await asked.promise;
    await vi.advanceTimersByTimeAsync(20_000);
    const { found } = await run;
    expect(answerIn(found)).toMatchObject({ tools: [{ name: 'pay' }], unavailable: [{ source: 'shop' }] });
    expect(signal.aborted).toBe(true);
  });

  test('hangs has half of the time that the agent gives its tools', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
    const asked = deferred();
    const hangs = lying(() => {
      asked.resolve();
      return new Promise(() => {});
    });
    const run = over([hangs, fine()], [], { reliability: { tools: { timeout: 2_000 } } });
    await asked.promise;
    await vi.advanceTimersByTimeAsync(1_000);
    expect(answerIn((await run).found).unavailable).toMatchObject([{ reason: expect.stringContaining('1000 ms') }]);
  });

  test('answers anything but tools has that left out, and the operator told once', async () => {
    const forged = { name: 'pay', description: 'x', spec: { name: 'pay', description: 'x', input: {} } };
    const reserved = ['ask_human', 'handoff_to_eve', 'rondo_admin'].map((name) => named(name));
    const odd = [null, 7, 'pay', undefined, forged, ...reserved, heldTool('held', 'It rests'), named('pay')];
    let asked = 0;
    const model = scripted([asks(find('pay')), asks(find('pay')), asks(call('ask_human'), call('held')), 'done']);
    const source = lying(async () => {
      asked++;
      return odd;
    });
    await ends(new Engine().run(agent({ name: 'a', instructions: '', model, tools: [source] }), 'go'), 'completed');
    const [first, second, human, held] = shown(model.requests[3]);
    expect(answerIn(first).tools.map((t) => t.name)).toEqual(['pay']);
    expect(answerIn(second).tools.map((t) => t.name)).toEqual(['pay']);
    expect(asked).toBe(2);
    expect([human, held].map((s) => failure(s).code)).toEqual(['TOOL_NOT_FOUND', 'TOOL_NOT_FOUND']);
    expect(warnings()).toHaveLength(4);
  });

  test('answers 10,000 tools has twenty of them told', async () => {
    const many = Array.from({ length: 10_000 }, (_, i) => named(`pay_${i}`));
    const { found } = await over([lying(async () => many)]);
    expect(answerIn(found)).toEqual({ tools: many.slice(0, 20).map((t) => expect.objectContaining({ name: t.name })) });
  });

  test('answers the same tool again and again has it told once', async () => {
    const pay = named('pay');
    const { found } = await over([lying(async () => Array(10).fill(pay))]);
    expect(answerIn(found).tools).toHaveLength(1);
    expect(warnings()).toEqual([]);
  });

  test('describes its tools at length has the descriptions cut, and the answer stays within its bound', async () => {
    const wordy = (name: string, properties: { [k: string]: Json } = {}) =>
      tool({ name, description: 'long '.repeat(200_000), input: { type: 'object', properties } as never, execute: () => name });
    const large = (size: number) => ({ field: { type: 'string', description: 'x'.repeat(size) } });
    const some = [wordy('too_large', large(17_000)), ...Array.from({ length: 9 }, (_, i) => wordy(`pay_${i}`, large(8_000)))];
    const { found } = await over([lying(async () => some)]);
    const { tools, others } = answerIn(found);
    expect(tools.map((t) => t.name)).toEqual(['pay_0', 'pay_1', 'pay_2']);
    expect(tools[0]?.description).toMatch(/^long .*\[cut: 998000 characters of this description are not shown\]$/);
    expect(found?.text.length).toBeLessThan(45_000);
    expect(others).toHaveLength(6);
    expect(warnings()).toEqual([expect.stringMatching(/too_large: its input schema is too large/)]);
  });

  test('finds nothing says so', async () => {
    const { found } = await over([searched([]).made]);
    expect(answerIn(found)).toEqual({ tools: [], note: expect.stringContaining('other words') });
  });

  test('answers a question that is none is not asked', async () => {
    const { made, asked } = searched([]);
    const model = scripted([asks(['find_tools', { query: '' }], ['find_tools', {}], ['find_tools', { query: 'x'.repeat(1_001) }]), 'done']);
    await ends(new Engine().run(agent({ name: 'a', instructions: '', model, tools: [made] }), 'go'), 'completed');
    expect(shown(model.requests[1]).map((s) => failure(s).code)).toEqual(Array(3).fill('INVALID_ARGUMENTS'));
    expect(asked).toEqual([]);
  });
});

describe('a name that two have', () => {
  test('is that of the tool which is listed', async () => {
    const own = named('pay', { execute: () => 'the own one' });
    const { made } = searched([named('pay'), named('pay_more')]);
    const { found, called } = await over([made, own as unknown as ToolSource], [call('pay')]);
    expect(answerIn(found).tools.map((t) => t.name)).toEqual(['pay_more']);
    expect(called[0]?.text).toBe('the own one');
    expect(warnings()).toEqual([expect.stringMatching(/pay: the agent has a tool of that name/)]);
  });

  test('is that of the source which is declared first, where both find it', async () => {
    const [one, two] = ['one', 'two'].map((name) => searched([named('pay', { execute: () => name })], {}, name).made) as [
      ToolSource,
      ToolSource,
    ];
    const { found, called } = await over([two, one], [call('pay')]);
    expect(answerIn(found).tools).toHaveLength(1);
    expect(called[0]?.text).toBe('two');
    expect(warnings()).toEqual([expect.stringMatching(/source "one".*the source "two" has a tool of that name/)]);
  });

  // holds found.I2
  test('stays that of the source in which it was found, whatever another finds later', async () => {
    const one = searched([named('pay', { execute: () => 'one' })], {}, 'one');
    const two = searched([], {}, 'two');
    const own = named('own', {
      execute: () => {
        two.becomes(named('pay', { execute: () => 'two' }));
        one.becomes();
        return 'changed';
      },
    });
    const model = scripted([asks(find('pay')), asks(['own', {}]), asks(find('pay')), asks(call('pay')), 'done']);
    await ends(new Engine().run(agent({ name: 'a', instructions: '', model, tools: [own, two.made, one.made] }), 'go'), 'completed');
    const [, , again, called] = shown(model.requests[4]);
    expect(answerIn(again).tools).toEqual([]);
    expect(failure(called)).toMatchObject({ code: 'TOOL_NOT_FOUND', message: expect.stringContaining('any more') });
    expect(two.asked).toEqual(['search pay', 'search pay']);
  });

  test('is one of two searches at the same time only', async () => {
    const slow = deferred<readonly Tool[]>();
    const one = lying(
      async (query: string) => (query === 'first' ? slow.promise : []),
      { find: async () => named('pay', { execute: () => 'one' }) },
      'one',
    );
    const two = lying(
      async (query: string) => {
        if (query !== 'second') return [];
        queueMicrotask(() => slow.resolve([named('pay', { execute: () => 'one' })]));
        return [named('pay', { execute: () => 'two' })];
      },
      {},
      'two',
    );
    const model = scripted([asks(find('first'), find('second')), asks(call('pay')), 'done']);
    await ends(new Engine().run(agent({ name: 'a', instructions: '', model, tools: [one, two] }), 'go'), 'completed');
    const told = shown(model.requests[2]);
    expect(told.slice(0, 2).flatMap((s) => answerIn(s).tools)).toHaveLength(1);
    expect(['one', 'two']).toContain(told[2]?.text);
  });
});

test('a search that fails is not tried again by itself, and does not close the way for later ones', async () => {
  let asked = 0;
  const source = lying(async () => {
    if (++asked <= 6) throw new Error('down');
    return [named('pay')];
  });
  const model = scripted((_, n) => (n < 7 ? asks(find('pay')) : 'done'));
  await ends(new Engine().run(agent({ name: 'a', instructions: '', model, tools: [source] }), 'go'), 'completed');
  expect(asked).toBe(7);
  expect(answerIn(shown(model.requests[7])[6]).tools).toHaveLength(1);
});

test('a tool that is made again for each search keeps its circuit', async () => {
  let ran = 0;
  const make = () =>
    named('pay', {
      breaker: { failures: 1 },
      execute: () => {
        ran++;
        throw new ToolError('SERVICE_UNAVAILABLE', 'down');
      },
    });
  const model = scripted([asks(find('pay')), asks(call('pay')), asks(find('pay')), asks(call('pay')), 'done']);
  const source = lying(async () => [make()], { find: async () => make() });
  await ends(new Engine().run(agent({ name: 'a', instructions: '', model, tools: [source] }), 'go'), 'completed');
  expect(failure(shown(model.requests[4])[3]).code).toBe('CIRCUIT_OPEN');
  expect(ran).toBe(1);
});

test('what stands for an agent is left out', async () => {
  const helper = agent({ name: 'helper', description: 'helps', instructions: '', model: scripted(['never']) });
  const { found } = await over([lying(async () => [delegate(helper), named('pay')])]);
  expect(answerIn(found).tools.map((t) => t.name)).toEqual(['pay']);
});

test('what a search found, and the model was not told, is not called', async () => {
  let now = named('pay');
  const { made } = searched([], { search: async () => [now], find: async () => now, changed: undefined as never });
  let searches = 0;
  const tool: NonNullable<Middleware['tool']> = async (c, next) => {
    const outcome = await next();
    if (c.name === 'find_tools' && ++searches === 2) return { ok: false, error: { code: 'WITHHELD', message: 'no' } as Failure };
    if (c.name === 'find_tools') now = named('pay', { description: 'pays twice' });
    return outcome;
  };
  const model = scripted([asks(find('pay')), asks(find('pay')), asks(call('pay')), 'done']);
  const a = agent({ name: 'a', instructions: '', model, tools: [made], use: [{ tool }] });
  await ends(new Engine().run(a, 'go'), 'completed');
  expect(failure(shown(model.requests[3])[2]).message).toContain('not what was found');
});

describe('a source whose find', () => {
  const pay = named('pay', { approval: true });
  async function resumed(find: unknown) {
    const model = scripted([asks(['find_tools', { query: 'pay' }]), asks(call('pay')), 'done']);
    const make = (over: Partial<OpenedSource>) => {
      const { made } = searched([pay], over);
      return agent({ name: 'clerk', instructions: '', model, tools: [made] });
    };
    const journal = memoryJournal();
    const paused = await ends(new Engine({ journal }).run(make({}), 'go'), 'paused');
    const engine = new Engine({ journal, agents: [make({ find: find as OpenedSource['find'] & {} })] });
    const approve = [{ approval: paused.approvals[0].id, type: 'approve' }] as const;
    await ends(engine.decide(paused.runId, approve, { by: { id: 'ben' }, resume: true }), 'completed');
    return shown(model.requests[2])[1];
  }

  test.each<[string, unknown, string]>([
    ['throws', () => Promise.reject(new Error('the index is gone')), 'SOURCE_UNAVAILABLE'],
    ['finds nothing', async () => undefined, 'TOOL_NOT_FOUND'],
    ['answers no tool', async () => ({ name: 'pay' }), 'TOOL_NOT_FOUND'],
    ['answers another tool', async () => named('refund'), 'TOOL_NOT_FOUND'],
    ['answers a tool that is held back', async () => heldTool('pay', 'It rests'), 'TOOL_HELD_BACK'],
  ])('%s does not run the call, and says why', async (_, find, code) => {
    expect(failure(await resumed(find))).toMatchObject({ code, outcome: 'not-run' });
  });

  test('hangs is given up', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
    const asked = deferred();
    const told = resumed(() => {
      asked.resolve();
      return new Promise(() => {});
    });
    await asked.promise;
    await vi.advanceTimersByTimeAsync(20_000);
    expect(failure(await told)).toMatchObject({ code: 'SOURCE_UNAVAILABLE', message: expect.stringContaining('20000 ms') });
  });
});

test('a run that is cancelled while a source searches ends', async () => {
  const asked = deferred<AbortSignal>();
  const hangs = lying((_: string, { signal }: { signal: AbortSignal }) => {
    asked.resolve(signal);
    return new Promise(() => {});
  });
  const engine = new Engine();
  const run = engine.run(agent({ name: 'a', instructions: '', model: scripted([asks(find('pay'))]), tools: [hangs] }), 'go');
  const signal = await asked.promise;
  await engine.cancel(run.id);
  await ends(run, 'cancelled');
  expect(signal.aborted).toBe(true);
});
