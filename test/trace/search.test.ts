/** Runs are found by what happened in them. */
import { describe, expect, test } from 'vitest';
import { agent, Engine, memoryJournal, type SearchPage, type SearchQuery, ToolError, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { around, journals } from '../kit/journals.ts';
import { anything, asks, ends, refused } from '../kit/runs.ts';

const ana = { id: 'ana', tenant: 'acme' };
const pay = tool({
  name: 'pay',
  description: '',
  input: anything,
  execute: (input) => {
    if ('bad' in input) throw new ToolError('CARD_DECLINED', 'the card [x] was declined');
    return { receipt: `Receipt ${'.'.repeat(500)} 42 (a+b)` };
  },
});
const clerk = (input: { readonly [k: string]: string }) =>
  agent({ name: 'clerk', instructions: '', model: scripted([asks(['pay', input]), 'All Done']), tools: [pay] });
const idsOf = ({ runs }: SearchPage) => runs.map(({ runId }) => runId);

describe.each(journals)('search, on $name', ({ make }) => {
  test('finds runs by tool, code, outcome and text, newest first, with the calls that match', async () => {
    const { journal } = make();
    const engine = new Engine({ journal });
    const good = (await ends(engine.run(clerk({}), 'Pay ORDER seven', { session: 's' }), 'completed')).runId;
    const declined = (await ends(engine.run(clerk({ bad: 'yes' }), 'pay order eight'), 'completed')).runId;
    const plain = (await ends(engine.run(agent({ name: 'b', instructions: '', model: scripted(['hm']) }), 'order'), 'completed')).runId;
    const find = async (q: SearchQuery) => (await engine.search(q)).runs;
    expect((await find({ tool: 'pay' })).map((r) => r.runId).toSorted()).toEqual([good, declined].toSorted());
    expect(await find({ errorCode: 'CARD_DECLINED' })).toMatchObject([
      {
        runId: declined,
        status: 'completed',
        agent: 'clerk',
        more: false,
        matches: [{ from: 'tool', tool: 'pay', step: 1, path: ['clerk'], errorCode: 'CARD_DECLINED', callId: expect.any(String) }],
      },
    ]);
    expect((await find({ tool: 'pay', outcome: 'done' })).map((r) => r.runId)).toEqual([good]);
    expect((await find({ text: 'order' })).map((r) => r.runId).toSorted()).toEqual([good, declined, plain].toSorted());
    expect((await find({ text: 'all done' })).every((r) => r.matches[0]?.from === 'agent')).toBe(true);
    expect((await find({ text: '[X]' }))[0]?.matches).toMatchObject([{ from: 'tool', excerpt: 'the card [x] was declined' }]);
    const [receipt] = await find({ text: '(A+B)', tool: 'pay' });
    expect(receipt?.matches[0]?.excerpt).toMatch(/^\.{70,80} 42 \(a\+b\)$/);
    expect(await find({ text: '.*' })).toEqual([]);
    expect(await find({ text: 'order', tool: 'pay' })).toEqual([]);
    expect((await find({ text: 'order', session: 's' })).map((r) => r.runId)).toEqual([good]);
    expect(await find({ text: 'order', since: Date.now() + 60_000 })).toEqual([]);
  });

  test('answers in pages, each run once', async () => {
    const { journal } = make();
    const engine = new Engine({ journal });
    const ids: string[] = [];
    for (let i = 0; i < 5; i++) ids.push((await ends(engine.run(clerk({}), 'go'), 'completed')).runId);
    const paged: string[][] = [];
    for (let page = await engine.search({ tool: 'pay', limit: 2 }); ; ) {
      paged.push(idsOf(page));
      if (!page.cursor) break;
      page = await engine.search({ tool: 'pay', limit: 2, cursor: page.cursor });
    }
    expect(paged.map((p) => p.length)).toEqual([2, 2, 1]);
    const whole = await engine.search({ tool: 'pay' });
    expect(paged.flat()).toEqual(idsOf(whole));
    const starts = whole.runs.map((r) => r.startedAt);
    expect(starts).toEqual(starts.toSorted((a, b) => b - a));
    expect(paged.flat().toSorted()).toEqual(ids.toSorted());
  });

  test('has an outcome that became known in place of the one before', async () => {
    const { journal } = make();
    const engine = new Engine({ journal });
    const lost = tool({
      name: 'lost',
      description: '',
      input: anything,
      execute: () => {
        throw new ToolError('TIMEOUT', 'no answer', { outcome: 'unknown' });
      },
    });
    const a = agent({ name: 'a', instructions: '', model: scripted([asks(['lost', {}]), 'done']), tools: [lost] });
    const { runId } = await ends(engine.run(a, 'go'), 'completed');
    const found = await engine.search({ outcome: 'unknown' });
    expect(idsOf(found)).toEqual([runId]);
    await engine.settle(runId, found.runs[0]?.matches[0]?.callId ?? '', { outcome: 'done', by: { id: 'ben' } });
    expect(idsOf(await engine.search({ outcome: 'unknown' }))).toEqual([]);
    expect((await engine.search({ tool: 'lost', outcome: 'done' })).runs).toMatchObject([{ runId, matches: [{ outcome: 'done' }] }]);
  });
});

test('shows the caller only runs of its tenant that the policy lets it inspect', async () => {
  const journal = memoryJournal();
  const engine = new Engine({ journal });
  const { runId } = await ends(engine.run(clerk({}), 'go', { by: ana }), 'completed');
  expect(idsOf(await engine.search({ tool: 'pay', by: { id: 'ben', tenant: 'acme' } }))).toEqual([runId]);
  for (const by of [{ id: 'eve', tenant: 'other' }, { id: 'eve' }]) expect(idsOf(await engine.search({ tool: 'pay', by }))).toEqual([]);
  const policy = { decide: () => ({ allow: true }), access: (r: { point: string }) => ({ allow: r.point !== 'inspect' }) };
  expect(idsOf(await new Engine({ journal, policy }).search({ tool: 'pay', by: ana }))).toEqual([]);
});

test('a page reads 200 runs at most, and a run shows 20 matches', async () => {
  const inner = memoryJournal();
  let read = 0;
  const journal = around(inner, {
    read: (...args) => {
      read++;
      return inner.read(...args);
    },
  });
  const engine = new Engine({ journal });
  const many = scripted([asks(...Array.from({ length: 25 }, () => ['pay', {}] as const)), 'done']);
  const first = await ends(engine.run(agent({ name: 'many', instructions: '', model: many, tools: [pay] }), 'go'), 'completed');
  const quiet = agent({ name: 'quiet', instructions: '', model: scripted(() => 'ok') });
  for (let i = 0; i < 205; i++) await engine.run(quiet, 'go', { id: `quiet-${i}` });
  read = 0;
  const page = await engine.search({ tool: 'pay', limit: 1 });
  expect(read).toBeLessThanOrEqual(200);
  const rest = page.cursor && (await engine.search({ tool: 'pay', cursor: page.cursor }));
  const [found] = [...page.runs, ...(rest?.runs ?? [])];
  expect(found).toMatchObject({ runId: first.runId, more: true });
  expect(found?.matches).toHaveLength(20);
});

test('lists a run that cannot be read, and finds the others', async () => {
  const inner = memoryJournal();
  const engine = new Engine({ journal: inner });
  const good = await ends(engine.run(clerk({}), 'go'), 'completed');
  const bad = await ends(engine.run(clerk({}), 'go'), 'completed');
  const read = (runId: string, after?: number) => [...(inner.read(runId, after) as never[])].slice(0, runId === bad.runId ? 2 : undefined);
  const torn = around(inner, {
    read: (runId, after) =>
      runId === bad.runId
        ? read(runId, after).map((e, i) => (i === 1 ? { ...(e as object), type: 'odd' } : e) as never)
        : inner.read(runId, after),
  });
  const page = await new Engine({ journal: torn }).search({ tool: 'pay' });
  expect(idsOf(page)).toEqual([good.runId]);
  expect(page.unreadable).toEqual([bad.runId]);
});

test.each<[string, object]>([
  ['tool', { tool: 7 }],
  ['errorCode', { errorCode: '' }],
  ['outcome', { outcome: 'lost' }],
  ['text', { text: '' }],
  ['text', { text: 'x'.repeat(201) }],
  ['session', { tool: 'a', session: '' }],
  ['since', { tool: 'a', since: Number.NaN }],
  ['limit', { tool: 'a', limit: 0 }],
  ['cursor', { tool: 'a', cursor: 'next' }],
  ['tools', { tools: 'a' }],
  ['errorCode, outcome or text', {}],
])('refuses what is wrong, naming %s', async (field, query) => {
  const error = await refused('CONFIG_INVALID', new Engine().search(query as SearchQuery));
  expect(error.message).toContain(field);
});
