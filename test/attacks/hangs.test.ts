/** What never answers: a run can still be cancelled, meets its time limit, and lets its engine close. */
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { agent, Engine, type EngineOptions, memoryJournal, type ToolSource, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { around, entriesOf, expireLease } from '../kit/journals.ts';
import { anything, asks, ends, shown } from '../kit/runs.ts';
import { deferred, hurried, settle } from '../kit/time.ts';
import { type Anything, clerk, HANGS, ledgered, never, pause, settled, within } from './setup.ts';

const sluggish = {
  '~standard': { version: 1, vendor: 'x', validate: never, jsonSchema: { input: () => ({ type: 'object' }), output: () => ({}) } },
};
const source = (over: Partial<ToolSource>): ToolSource => ({
  name: 'source',
  open: async () => ({ list: async () => [], close: async () => undefined }),
  ...over,
});
const model = () => scripted([asks(['act', {}]), 'done']);

type Case = () => { engine?: EngineOptions; agent: ReturnType<typeof clerk> };
const cases: readonly [string, Case][] = [
  ['the model', () => ({ agent: clerk({ provider: 'm', id: 'm', generate: never }) })],
  ['a tool', () => ({ agent: clerk(model(), [ledgered({ execute: never }).tool]) })],
  ['an approval rule', () => ({ agent: clerk(model(), [ledgered({ approval: never }).tool]) })],
  ['the policy', () => ({ engine: { policy: { decide: never } }, agent: clerk(model(), [ledgered().tool]) })],
  [
    'the identity',
    () => ({ engine: { identity: { get: never } }, agent: clerk(model(), [ledgered({ credentials: { k: { provider: 'p' } } }).tool]) }),
  ],
  ['the memory', () => ({ engine: { memory: { recall: never, record: never } }, agent: clerk(model()) })],
  ['the instructions', () => ({ agent: clerk(model(), [], { instructions: never }) })],
  ['a wrapper of the model', () => ({ engine: { use: [{ model: never }] }, agent: clerk(model()) })],
  ['a wrapper of a tool', () => ({ engine: { use: [{ tool: never }] }, agent: clerk(model(), [ledgered().tool]) })],
  [
    'a wrapper of a tool, after the tool',
    () => ({ engine: { use: [{ tool: async (_, next) => (await next(), never()) }] }, agent: clerk(model(), [ledgered().tool]) }),
  ],
  ['the schema of a tool', () => ({ agent: clerk(model(), [ledgered({ input: sluggish as Anything }).tool]) })],
  ['opening a tool source', () => ({ agent: clerk(model(), [source({ open: never })]) })],
  [
    'listing a tool source',
    () => ({ agent: clerk(model(), [source({ open: async () => ({ list: never, close: async () => undefined }) })]) }),
  ],
  ['closing a tool source', () => ({ agent: clerk(model(), [source({ open: async () => ({ list: async () => [], close: never }) })]) })],
];

describe.each(cases)('%s never answers', (name, make) => {
  const begun = (limits?: { time: number }) => {
    const { engine: o, agent: a } = make();
    const engine = new Engine(o);
    const abort = new AbortController();
    return { engine, abort, run: engine.run(a, 'go', { by: { id: 'ana' }, signal: abort.signal, ...(limits && { limits }) }) };
  };

  test('an abort ends the run', async () => {
    const { run, abort } = begun();
    await settle(3);
    abort.abort();
    const result = await within(settled(run));
    // before its first entry there is no run to be cancelled
    expect(result).not.toBe(HANGS);
    if (name !== 'closing a tool source') expect(['cancelled', 'rejected']).toContain((result as { status: string }).status);
  });

  test('cancel() ends the run', async () => {
    const { engine, run } = begun();
    await settle(3);
    await within(engine.cancel(run.id, { reason: 'enough' }).catch(() => undefined));
    expect(await within(settled(run))).not.toBe(HANGS);
  });

  test('the time limit ends the run', async () => {
    // a source is opened before the run begins, and has time limits of its own
    if (name.endsWith('tool source')) return;
    const result = await within(settled(begun({ time: 15 }).run));
    expect(result).toMatchObject({ status: 'stopped', limit: { name: 'time' } });
  });
});

test('engine.close() ends, however many things hang, and a run that is given back can be resumed', async () => {
  const journal = memoryJournal();
  const engines = cases.map(([name, make]) => {
    const { engine: o, agent: a } = make();
    const engine = new Engine({ ...o, ...(o?.memory ? {} : { journal }) });
    return { name, engine, run: settled(engine.run(a, 'go', { by: { id: 'ana' } })) };
  });
  await settle(3);
  const hanging = async (what: (e: (typeof engines)[number]) => PromiseLike<unknown>) => {
    const ended = await Promise.all(engines.map(async (e) => [e.name, await within(what(e))] as const));
    return ended.filter(([, outcome]) => outcome === HANGS).map(([name]) => name);
  };
  await hurried(async () => expect(await hanging(({ engine }) => engine.close())).toEqual([]));
  expect(await hanging(({ run }) => run)).toEqual([]);
  for (const { run } of engines) {
    const result = (await run) as Anything;
    if (result.status === 'rejected') expect(result.error.code).toBe('ENGINE_CLOSED');
  }
});

test('a check that never answers: the resumed run can be cancelled, and meets its limit', async () => {
  for (const way of ['abort', 'limit']) {
    const journal = memoryJournal();
    const act = tool({ name: 'act', description: '', input: anything, execute: never, check: never });
    const a = agent({ name: 'a', instructions: '', model: model(), tools: [act] });
    const run = new Engine({ journal }).run(a, 'go');
    await settle(3);
    await expireLease(journal, run.id);
    const abort = new AbortController();
    const resumed = new Engine({ journal, agents: [a] }).resume(run.id, {
      signal: abort.signal,
      ...(way === 'limit' && { limits: { time: 60 } }),
    });
    await settle(3);
    if (way === 'abort') abort.abort();
    expect(await within(settled(resumed))).toMatchObject({ status: way === 'abort' ? 'cancelled' : 'stopped' });
  }
});

test('a call whose gate outlasted the time limit did not run, and a resume runs it', async () => {
  const open = deferred();
  const asked = { policy: 0 };
  const { tool: act, ledger } = ledgered();
  const journal = memoryJournal();
  const engine = new Engine({
    journal,
    policy: { decide: async () => (asked.policy++, asked.policy === 1 && (await open.promise), { allow: true }) },
  });
  const run = engine.run(clerk(model(), [act]), 'go', { limits: { time: 20 } });
  setTimeout(open.resolve, 80);
  await ends(run, 'stopped');
  await open.promise;
  await settle(3);
  expect(ledger).toEqual([]);
  expect((await entriesOf(journal, run.id)).map((e) => e.type)).not.toContain('call.started');
  await ends(engine.resume(run.id, { limits: { time: 60_000 } }), 'completed');
  expect(ledger).toHaveLength(1);
  expect((await engine.inspect(run.id)).unknowns).toEqual([]);
});

test.each<['once' | 'idempotent']>([['once'], ['idempotent']])(
  'a %s call that is halted while its intent is written is not unknown either',
  async (effect) => {
    const { tool: act, ledger } = ledgered({ effect });
    const inner = memoryJournal();
    const slow = around(inner, {
      async append(...args) {
        if (args[2].some((e) => e.type === 'call.started')) await pause(60);
        await inner.append(...args);
      },
    });
    const m = model();
    const run = new Engine({ journal: slow }).run(clerk(m, [act]), 'go', { limits: { time: 20 } });
    await ends(run, 'stopped');
    expect(ledger).toEqual([]);
    const later = new Engine({ journal: inner, agents: [clerk(m, [act])] });
    await ends(later.resume(run.id, { limits: { time: 60_000 } }), 'completed');
    expect((await later.inspect(run.id)).unknowns).toEqual([]);
    const told = shown(m.requests[1])[0];
    // it runs now, or the agent hears that it did not; no one is told that it may have
    if (ledger.length === 0) expect(JSON.parse(told?.text as string)).toMatchObject({ outcome: 'not-run' });
    else expect(told?.text).toBe('done');
  },
);

test('a success that is known stays known, though a wrapper still works when the limit strikes', async () => {
  const go = deferred();
  const { tool: act, ledger } = ledgered({ execute: () => 'sent' });
  const journal = memoryJournal();
  const engine = new Engine({
    journal,
    use: [
      {
        tool: async (_, next) => {
          const outcome = await next();
          await go.promise;
          return outcome;
        },
      },
    ],
  });
  const m = model();
  const run = engine.run(clerk(m, [act]), 'go', { limits: { time: 20 } });
  const stopped = await within(settled(run));
  expect(stopped).toMatchObject({ status: 'stopped' });
  go.resolve();
  await ends(engine.resume(run.id, { limits: { time: 60_000 } }), 'completed');
  expect(ledger).toHaveLength(1);
  expect(shown(m.requests[1])[0]).toMatchObject({ text: 'sent', isError: false });
  expect((await engine.inspect(run.id)).unknowns).toEqual([]);
});

test('a hook that hangs and rejects later causes no unhandled rejection, and changes nothing', async () => {
  const late = deferred<never>();
  const { tool: act, ledger } = ledgered({ approval: () => late.promise });
  const journal = memoryJournal();
  const abort = new AbortController();
  const run = new Engine({ journal }).run(clerk(model(), [act]), 'go', { signal: abort.signal });
  await settle(3);
  abort.abort();
  await ends(run, 'cancelled');
  const before = await entriesOf(journal, run.id);
  late.reject(new Error('too late'));
  await settle(5);
  expect(await entriesOf(journal, run.id)).toEqual(before);
  expect(ledger).toEqual([]);
});

test('nothing keeps the process alive after an abort and close(), even if a hook never answers', async () => {
  const set = vi.spyOn(globalThis, 'setTimeout');
  const clear = vi.spyOn(globalThis, 'clearTimeout');
  onTestFinished(() => void vi.restoreAllMocks());
  for (const [name, make] of cases.filter(([name]) => /rule|policy|identity|memory|instructions/.test(name))) {
    set.mockClear();
    clear.mockClear();
    const { engine: o, agent: a } = make();
    const engine = new Engine(o);
    const abort = new AbortController();
    const run = engine.run(a, 'go', { by: { id: 'ana' }, signal: abort.signal });
    await settle(3);
    abort.abort();
    await settled(run);
    await engine.close();
    await settle(3);
    const cleared = new Set(clear.mock.calls.map(([timer]) => timer));
    const left = set.mock.results
      .map((r) => r.value as NodeJS.Timeout)
      .filter((timer, i) => (set.mock.calls[i]?.[1] ?? 0) > 500 && !cleared.has(timer));
    expect(
      left.filter((timer) => timer.hasRef()),
      name,
    ).toEqual([]);
  }
});
