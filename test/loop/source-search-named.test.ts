/** What a search names without schemas: the model asks for it by its exact name, and calls it then. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { agent, Engine, memoryJournal, type OpenedSource, type Tool, type ToolSource, tool } from '../../src/index.ts';
import { type Scripted, scripted } from '../../src/testing/scripted.ts';
import { dies, entriesOf, expireLease, journals } from '../kit/journals.ts';
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

const WHOLE = 20;
const TOO_LARGE = { type: 'object', properties: { to: { type: 'string', description: 'x'.repeat(17_000) } } } as const;
/** `pay_0` and so on: those from the 21st on are named alone. */
const pays = (count: number, over: Parameters<typeof named>[1] = {}): Tool[] =>
  Array.from({ length: count }, (_, i) => named(`pay_${i}`, over));
const SHORT = `pay_${WHOLE}`;
/** A source that says it has so many tools that it is asked for all of these. */
const large = (tools: readonly Tool[], more: Partial<OpenedSource> = {}, name?: string) =>
  searched(tools, { count: async () => 12 * 170, ...more }, name);
const clerk = (tools: readonly (ToolSource | Tool)[], steps: Parameters<typeof scripted>[0], more: object = {}) => {
  const model = scripted(steps);
  return { model, agent: agent({ name: 'clerk', instructions: '', model, tools, ...more }) };
};

describe.each(journals)('what a search only names, on $name', ({ make }) => {
  // holds found.I1
  test('is in the journal, and may be called once its schema was asked for by its name', async () => {
    const { journal } = make();
    const { made, asked } = large(pays(22));
    const steps = [asks(find('pay')), asks(call(SHORT, { n: 1 })), asks(find(` ${SHORT} `)), asks(call(SHORT, { n: 2 })), 'done'];
    const { model, agent: a } = clerk([made], steps);
    const { runId } = await ends(new Engine({ journal }).run(a, 'go'), 'completed');
    const [first, early, second, called] = shown(model.requests[4]);
    const answer = answerIn(first);
    expect(answer.tools.map((t) => t.name)).toEqual(pays(WHOLE).map((t) => t.name));
    expect(answer.others).toEqual(['pay_20: does pay_20', 'pay_21: does pay_21']);
    expect(answer).not.toHaveProperty('note');
    expect(failure(early)).toMatchObject({
      code: 'TOOL_NOT_FOUND',
      outcome: 'not-run',
      message: expect.stringContaining(`find_tools({ query: "${SHORT}" })`),
    });
    expect(answerIn(second)).toEqual({ tools: [{ name: SHORT, description: `does ${SHORT}`, input: { type: 'object' } }] });
    expect(called?.text).toBe(`${SHORT} {"n":2}`);
    expect(asked).toEqual(['search pay', `find ${SHORT}`]);
    const ended = (await entriesOf(journal, runId)).filter((e) => e.type === 'call.finished');
    expect(ended.map((e) => [e.found?.length, e.named])).toEqual([
      [WHOLE, [{ source: 'shop', names: ['pay_20', 'pay_21'] }]],
      [undefined, undefined],
      [1, undefined],
      [undefined, undefined],
    ]);
  });

  test('is known in another process after a crash, and in a fork from there on, not in one from before', async () => {
    const { journal, another } = make();
    let answers = 0;
    const dying = new Engine({ journal: dies(journal, (e) => e.type === 'model.responded' && ++answers === 2) });
    const run = dying.run(clerk([large(pays(21)).made], [asks(find('pay')), 'never']).agent, 'go');
    await expect(run).rejects.toThrow('gone');
    await expireLease(journal, run.id);
    const second = large(pays(21));
    const { model, agent: a } = clerk([second.made], [asks(find(SHORT)), asks(call(SHORT)), 'done']);
    await ends(new Engine({ journal: another(), agents: [a] }).resume(run.id), 'completed');
    expect(second.asked).toEqual([`find ${SHORT}`]);
    expect(shown(model.requests[2])[2]?.text).toBe(`${SHORT} {}`);

    const entries = await entriesOf(journal, run.id);
    const ended = entries.find((e) => e.type === 'call.finished')?.seq ?? -1;
    const forked = async (at: number) => {
      const source = large(pays(21));
      const fork = clerk([source.made], [asks(find(SHORT)), 'done']);
      await ends(new Engine({ journal: another(), agents: [fork.agent] }).fork(run.id, { at }), 'completed');
      return source.asked;
    };
    expect(await forked(ended)).toEqual([`find ${SHORT}`]);
    expect(await forked(0)).toEqual([`search ${SHORT}`]);
  });
});

describe('a tool that was only named', () => {
  const over = async (sources: readonly ToolSource[], query: string, more: object = {}) => {
    const { model, agent: a } = clerk(sources, [asks(find('pay')), asks(find(query)), asks(call(query)), 'done'], more);
    await ends(new Engine().run(a, 'go'), 'completed');
    const [first, second, called] = shown(model.requests[3]);
    return { first: answerIn(first), second: answerIn(second), called };
  };

  // holds found.I2
  test('is asked for in the source that named it, and left out where another one finds it', async () => {
    const one = large(pays(21, { execute: () => 'one' }), {}, 'one');
    const two = large([], {}, 'two');
    const steps: Scripted[] = [asks(find('pay')), asks(find(SHORT.slice(1))), asks(find(SHORT)), asks(call(SHORT)), 'done'];
    const { model, agent: a } = clerk([two.made, one.made], (_, n) => {
      if (n === 1) {
        two.becomes(named(SHORT, { execute: () => 'two' }));
        one.becomes(named('other'), ...pays(21, { execute: () => 'one' }));
      }
      return steps[n] as Scripted;
    });
    await ends(new Engine().run(a, 'go'), 'completed');
    expect(shown(model.requests[4])[3]?.text).toBe('one');
    expect(two.asked).toEqual(['search pay', 'search ay_20']);
    expect(warned.mock.calls.map((c: readonly unknown[]) => String(c[0]))).toContainEqual(
      expect.stringMatching(/source "two".*pay_20: the source "one" has a tool of that name/),
    );
  });

  test.each<[string, OpenedSource['find']]>([
    ['is gone', async () => undefined],
    ['fails', () => Promise.reject(new Error('the index is gone'))],
    ['is another one', async () => named('refund')],
    ['is none', async () => ({ name: SHORT }) as never],
    ['stands for the engine', async () => named('rondo_admin')],
    ['has too large a schema', async () => tool({ name: SHORT, description: 'Pays', input: TOO_LARGE, execute: () => 1 })],
  ])('and %s when it is asked for has its words searched for', async (_, own) => {
    const asked: string[] = [];
    const search: OpenedSource['search'] = async (query) => {
      asked.push(query);
      return query === 'pay' ? pays(21) : [named('pay_by_mail')];
    };
    const { second, called } = await over([large([], { search, find: own }).made], SHORT);
    expect(second.tools.map((t) => t.name)).toEqual(['pay_by_mail']);
    expect(asked).toEqual(['pay', SHORT]);
    expect(failure(called).code).toBe('TOOL_NOT_FOUND');
  });

  test('in a source that hangs when it is asked for has its words searched for', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
    const asked = deferred<AbortSignal>();
    const hangs: OpenedSource['find'] = (_, { signal }) => {
      asked.resolve(signal);
      return new Promise(() => {});
    };
    const run = over([large(pays(21), { find: hangs }).made], SHORT);
    const signal = await asked.promise;
    await vi.advanceTimersByTimeAsync(20_000);
    expect((await run).second.tools.map((t) => t.name)).toEqual([SHORT]);
    expect(signal.aborted).toBe(true);
  });

  // holds found.I3
  test('is one that is granted', async () => {
    const { made, asked } = large(pays(30));
    const names = [...pays(WHOLE), named('pay_25')].map((t) => t.name);
    const { first } = await over([made], 'pay_25', { grants: { tools: names } });
    expect(first.others).toEqual(['pay_25: does pay_25']);
    expect(asked).toContain('find pay_25');
    const { second, called } = await over([made], 'pay_26', { grants: { tools: names } });
    expect(second.tools).toEqual([]);
    expect(failure(called).message).toContain('Search first');
  });

  test('is not asked for by a run whose grants were narrowed since', async () => {
    const journal = memoryJournal();
    const all = [...pays(21), named('stop', { approval: true })];
    const source = () => large(all, { search: async (query) => (query === 'pay' ? all : all.filter((t) => t.name === query)) });
    const steps = [asks(find('pay')), asks(find('stop')), asks(call('stop')), 'done'];
    const paused = await ends(new Engine({ journal }).run(clerk([source().made], steps).agent, 'go'), 'paused');
    const narrow = { grants: { tools: all.map((t) => t.name).filter((name) => name !== SHORT) } };
    const { model, agent: a } = clerk([source().made], [asks(find(SHORT)), asks(call(SHORT)), 'done'], narrow);
    const approvals = paused.approvals.map(({ id }) => ({ approval: id, type: 'approve' }) as const);
    const engine = new Engine({ journal, agents: [a] });
    await ends(engine.decide(paused.runId, approvals, { by: { id: 'ben' }, resume: true }), 'completed');
    const [asked, called] = shown(model.requests[2]).slice(-2);
    expect(answerIn(asked).tools).toEqual([]);
    expect(failure(called).message).toContain('There is no tool');
  });

  test('is a sub-agent’s own: another part of the run searches for its words', async () => {
    const { made, asked } = large(pays(21));
    const sub = agent({
      name: 'finder',
      description: 'finds',
      instructions: '',
      model: scripted([asks(find('pay')), 'found']),
      tools: [made],
    });
    const { agent: a } = clerk([made, sub as never], [asks(['finder', { task: 'pay' }]), asks(find(SHORT)), 'done']);
    await ends(new Engine().run(a, 'go'), 'completed');
    expect(asked).toEqual(['search pay', `search ${SHORT}`]);
  });
});

// holds found.I4
describe('what is named', () => {
  const answered = async (...lists: (readonly Tool[])[]) => {
    const sources = lists.map((list, i) => large([], { search: async () => list }, `shop${i}`).made);
    const { model, agent: a } = clerk(sources, [asks(find('pay')), 'done']);
    const journal = memoryJournal();
    const { runId } = await ends(new Engine({ journal }).run(a, 'go'), 'completed');
    const entry = (await entriesOf(journal, runId)).find((e) => e.type === 'call.finished');
    const [seen] = shown(model.requests[1]);
    return { ...answerIn(seen), text: seen?.text ?? '', entry };
  };

  test('is the first sentence, on one line, up to a bound', async () => {
    const said = [
      'Pays a bill. Never twice.',
      'Pays at\n  shop.example, e.g. bills! Then says so.',
      '支払う。二度はしない。',
      'no end',
      'long '.repeat(1_000),
      '',
    ];
    const tools = said.map((description, i) => named(`t_${i}`, { description }));
    const { others = [] } = await answered([...pays(WHOLE), ...tools]);
    expect(others.map((line) => line.slice(5))).toEqual([
      'Pays a bill.',
      'Pays at shop.example, e.g. bills!',
      '支払う。',
      'no end',
      expect.stringMatching(/^long .*…$/),
      '',
    ]);
    expect(Math.max(...others.map((line) => line.length))).toBeLessThanOrEqual(160);
  });

  test.each<[string, OpenedSource['count'], number]>([
    ['of which few are there', async () => 100, 20],
    ['of which 300 are there', async () => 300, 25],
    ['of which 100,000 are there', async () => 100_000, 170],
    ['of no known number', undefined, 20],
    ['of no number', async () => 'many' as never, 20],
    ['of a number that is none', async () => Number.NaN, 20],
    ['of a number that cannot be had', () => Promise.reject(new Error('down')), 20],
  ])('is a twelfth of the tools, %s', async (_, count, results) => {
    const limits: number[] = [];
    const search: OpenedSource['search'] = async (_, { limit }) => {
      limits.push(limit);
      return pays(200);
    };
    const { model, agent: a } = clerk([searched([], { search, count: count as never }).made], [asks(find('pay')), 'done']);
    await ends(new Engine().run(a, 'go'), 'completed');
    const { tools, others = [] } = answerIn(shown(model.requests[1])[0]);
    expect(limits).toEqual([results]);
    expect([tools.length, others.length]).toEqual([WHOLE, results - WHOLE]);
  });

  test('is of every source in turn', async () => {
    const own = (name: string) => Array.from({ length: 11 }, (_, i) => named(`${name}_${i}`));
    const { others, entry } = await answered(own('a'), own('b'));
    expect(others).toEqual(['a_10: does a_10', 'b_10: does b_10']);
    expect(entry?.named).toEqual([
      { source: 'shop0', names: ['a_10'] },
      { source: 'shop1', names: ['b_10'] },
    ]);
  });

  test('follows as soon as the schemas are too long, and is no longer than they may be', async () => {
    const properties = { field: { type: 'string', description: 'x'.repeat(12_000) } } as const;
    const wordy = Array.from({ length: 200 }, (_, i) =>
      tool({ name: `pay_${i}`, description: 'y'.repeat(400), input: { type: 'object', properties }, execute: () => null }),
    );
    const { tools, others = [], note, text } = await answered(wordy);
    expect(tools.map((t) => t.name)).toEqual(['pay_0', 'pay_1', 'pay_2']);
    expect(others[0]).toMatch(/^pay_3: y+…$/);
    expect(others.length).toBeGreaterThan(10);
    expect(text.length).toBeLessThan(42_000);
    expect(note).toMatch(/more than is shown/);
  });

  test('is never a tool that cannot be shown, and none twice', async () => {
    const huge = { field: { type: 'string', description: 'x'.repeat(17_000) } } as const;
    const tooLarge = tool({ name: 'large', description: '', input: { type: 'object', properties: huge }, execute: () => null });
    const { others } = await answered([...pays(WHOLE), tooLarge, named('ask_human'), null as never, named('pay_0'), named('last')]);
    expect(others).toEqual(['last: does last']);
  });
});
