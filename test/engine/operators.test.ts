/** What an operator's page reads: the inbox of approvals, the registered agents, and the entries of a run. */
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import {
  agent,
  askHuman,
  Engine,
  graph,
  handoff,
  type Journal,
  memoryJournal,
  type Policy,
  type Principal,
  tool,
} from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { onDisk } from '../attacks/setup.ts';
import { all, around, entriesOf, entryOf, journals } from '../kit/journals.ts';
import { anything, asks, ends, refused } from '../kit/runs.ts';
import { deferred } from '../kit/time.ts';

const ana: Principal = { id: 'ana', tenant: 'acme' };
const eve: Principal = { id: 'eve', tenant: 'evil' };

const sign = tool({ name: 'sign', description: '', input: anything, approval: true, execute: () => 'signed' });
/** An agent that asks for as many approvals at once. */
const asking = (name: string, calls = 1) => {
  const model = scripted([asks(...Array.from({ length: calls }, (_, n) => ['sign', { n }] as const)), 'done']);
  return agent({ name, instructions: '', model, tools: [sign] });
};

/** A journal that lists what is read of which run, and the clock by which entries are stamped, from 1,000 on. */
function clocked(inner: Journal) {
  vi.useFakeTimers({ toFake: ['Date'], now: 1_000 });
  onTestFinished(() => void vi.useRealTimers());
  const reads: string[] = [];
  const journal = around(inner, {
    read: (runId, after) => {
      reads.push(runId);
      return inner.read(runId, after);
    },
  });
  return { journal, reads };
}

describe.each(journals)('the open approvals of all runs on $name', ({ make }) => {
  test('come with their run, agent, path and session, also in another process', async () => {
    const { journal, another } = make();
    const below = asking('below');
    const top = agent({ name: 'top', instructions: '', model: scripted([asks(['below', { task: 'go' }])]), agents: [below] });
    const paused = await ends(new Engine({ journal }).run(top, 'go', { session: 's', by: ana }), 'paused');
    const found = await all(new Engine({ journal: another() }).approvals({ by: ana }));
    expect(found).toEqual([{ ...paused.approvals[0], agent: 'top', session: 's' }]);
    expect(found[0]).toMatchObject({ runId: paused.runId, path: ['top', 'below'], kind: 'tool', tool: 'sign' });
  });

  test('are found without reading the runs that only sleep', async () => {
    const { journal, reads } = clocked(make().journal);
    const sleeper = graph({
      name: 'sleeper',
      state: anything,
      nodes: { rest: { wait: () => ({ for: 86_400_000 }) } },
      edges: { start: 'rest', rest: 'end' },
    });
    const engine = new Engine({ journal });
    for (let i = 0; i < 5; i++) await ends(engine.run(sleeper, {}), 'paused');
    const { runId, approvals } = await ends(engine.run(asking('a', 2), 'go'), 'paused');
    const ids = async () => {
      reads.length = 0;
      return (await all(engine.approvals())).map(({ id }) => id);
    };
    expect((await ids()).sort()).toEqual(approvals.map(({ id }) => id).sort());
    expect(reads).toEqual([runId]);
    await engine.decide(runId, [{ approval: approvals[0]?.id ?? '', type: 'approve' }], { by: ana });
    expect(await ids()).toEqual([approvals[1]?.id]);
    await engine.decide(runId, [{ approval: approvals[1]?.id ?? '', type: 'approve' }], { by: ana });
    expect([await ids(), reads]).toEqual([[], []]);
  });

  test('are those of paused runs that are not decided yet', async () => {
    const { journal } = make();
    const engine = new Engine({ journal });
    const hold = deferred();
    const slow = tool({ name: 'slow', description: '', input: anything, effect: 'read', execute: () => hold.promise });
    const model = scripted([asks(['sign', {}], ['slow', {}])]);
    const running = engine.run(agent({ name: 'running', instructions: '', model, tools: [sign, slow] }), 'go');
    await entryOf(journal, running.id, 'approval.requested');
    await ends(engine.run(agent({ name: 'done', instructions: '', model: scripted(['done']) }), 'go'), 'completed');
    const { runId, approvals } = await ends(engine.run(asking('two', 2), 'go'), 'paused');
    const [first, second] = approvals;
    await engine.decide(runId, [{ approval: first.id, type: 'approve' }], { by: ana });
    expect((await all(engine.approvals())).map((a) => a.id)).toEqual([second?.id]);
    hold.resolve();
    await ends(running, 'paused');
    expect(new Set((await all(engine.approvals())).map((a) => a.runId))).toEqual(new Set([runId, running.id]));
  });

  test('are those of the tenant and of none', async () => {
    const { journal } = make();
    const engine = new Engine({ journal });
    const ours = await ends(engine.run(asking('ours'), 'go', { by: ana }), 'paused');
    const shared = await ends(engine.run(asking('shared'), 'go'), 'paused');
    const seen = async (by?: Principal) => (await all(engine.approvals(by ? { by } : {}))).map((a) => a.runId).sort();
    expect(await seen(ana)).toEqual([ours.runId, shared.runId].sort());
    expect(await seen(eve)).toEqual([shared.runId]);
    expect(await seen()).toEqual([shared.runId]);
  });
});

test('approvals come oldest first, page by page, however the runs started', async () => {
  const { journal } = clocked(memoryJournal());
  const engine = new Engine({ journal });
  const twice = scripted([asks(['sign', { n: 1 }]), asks(['sign', { n: 2 }])]);
  const early = await ends(engine.run(agent({ name: 'early', instructions: '', model: twice, tools: [sign] }), 'go'), 'paused');
  vi.setSystemTime(2_000);
  await ends(engine.run(asking('middle', 3), 'go'), 'paused');
  vi.setSystemTime(3_000);
  // the run that started first asks last
  await engine.decide(early.runId, [{ approval: early.approvals[0].id, type: 'approve' }], { by: ana });
  await ends(engine.resume(early.runId), 'paused');
  vi.setSystemTime(4_000);
  await ends(engine.run(asking('late'), 'go'), 'paused');

  const whole = await all(engine.approvals());
  expect(whole.map((a) => [a.agent, a.askedAt])).toEqual([
    ['middle', 2_000],
    ['middle', 2_000],
    ['middle', 2_000],
    ['early', 3_000],
    ['late', 4_000],
  ]);
  const paged = [];
  for (let page = await all(engine.approvals({ limit: 2 })); page.length > 0; ) {
    expect(page.length).toBeLessThanOrEqual(2);
    paged.push(...page);
    const after = page.at(-1);
    page = await all(engine.approvals({ limit: 2, ...(after && { after }) }));
  }
  expect(paged).toEqual(whole);
  expect(await all(engine.approvals({ limit: 0 }))).toEqual([]);
});

test('a page reads the paused runs that it needs, and no other', async () => {
  const { journal, reads } = clocked(memoryJournal());
  const engine = new Engine({ journal });
  await ends(engine.run(agent({ name: 'done', instructions: '', model: scripted(['done']) }), 'go'), 'completed');
  const first = await ends(engine.run(asking('first'), 'go'), 'paused');
  vi.setSystemTime(2_000);
  await ends(engine.run(asking('second'), 'go'), 'paused');
  reads.length = 0;
  expect((await all(engine.approvals({ limit: 1 }))).map((a) => a.agent)).toEqual(['first']);
  expect(reads).toEqual([first.runId]);
});

test('the policy is asked for each run, and approvals of a run that may not be inspected are left out', async () => {
  const asked: unknown[] = [];
  const policy: Policy = {
    decide: () => ({ allow: true }),
    access(r) {
      if (r.point === 'inspect') asked.push({ ...r, runId: '' });
      return { allow: r.point !== 'inspect' || r.agent === 'open' };
    },
  };
  const engine = new Engine({ policy });
  await ends(engine.run(asking('closed'), 'go', { by: ana, session: 's' }), 'paused');
  await ends(engine.run(asking('open'), 'go', { by: ana }), 'paused');
  expect((await all(engine.approvals({ by: ana }))).map((a) => a.agent)).toEqual(['open']);
  expect(asked).toContainEqual({ point: 'inspect', by: ana, agent: 'closed', runId: '', session: 's', owner: ana });
});

test('a run whose journal is damaged hides no approval of another run', async () => {
  const disk = onDisk();
  const engine = new Engine({ journal: disk.open() });
  const bad = await ends(engine.run(asking('bad'), 'go'), 'paused');
  const good = await ends(engine.run(asking('good'), 'go'), 'paused');
  await engine.close();
  damage(disk.path, bad.approvals[0].id);
  const later = new Engine({ journal: disk.open() });
  expect((await all(later.approvals())).map((a) => a.runId)).toEqual([good.runId]);
  await refused('JOURNAL_DAMAGED', later.inspect(bad.runId));
});

/** Changes the rows that hold a text, and not their checksums. */
function damage(path: string, text: string): void {
  const db = new DatabaseSync(path);
  const { changes } = db.prepare(`UPDATE entry SET body = replace(body, ?, 'x') WHERE body LIKE ?`).run(text, `%${text}%`);
  db.close();
  expect(changes).toBeGreaterThan(0);
}

test('the registered agents are plain data', () => {
  const read = tool({ name: 'read', description: 'Reads', input: anything, effect: 'read', execute: () => 1 });
  const rule = tool({ name: 'rule', description: '', input: anything, approval: ({ n }) => n === 1, execute: () => 1 });
  const never = tool({ name: 'never', description: '', input: anything, approval: false, execute: () => 1 });
  const model = scripted(['x']);
  const helper = agent({ name: 'helper', description: 'Helps', instructions: '', model });
  const top = agent({
    name: 'top',
    instructions: 'secret',
    model,
    tools: [read, sign, rule, never, askHuman(), { name: 'mcp', open: async () => ({ list: async () => [], close: async () => {} }) }],
    agents: [handoff(helper)],
    limits: { steps: 3, costUsd: Number.MAX_SAFE_INTEGER },
  });
  const flow = graph({
    name: 'flow',
    state: { type: 'object', properties: { text: { type: 'string' } } },
    nodes: { help: { agent: helper, input: () => 'go', output: () => ({}) } },
    edges: { start: 'help', help: 'end' },
  });
  const engine = new Engine({ agents: [top] });
  engine.register(flow);
  const agents = engine.agents();
  expect(JSON.parse(JSON.stringify(agents))).toEqual(agents);
  expect(agents.map((a) => [a.name, a.kind, a.model, a.agents.map((b) => b.name)])).toEqual([
    ['top', 'loop', 'scripted/script', ['helper']],
    ['flow', 'graph', undefined, ['helper']],
  ]);
  expect(agents[0]?.agents[0]).toEqual({
    name: 'helper',
    description: 'Helps',
    kind: 'loop',
    model: 'scripted/script',
    tools: [],
    sources: [],
    agents: [],
    limits: {},
  });
  expect(agents[0]?.tools.map((t) => [t.name, t.effect, t.approval, t.agent])).toEqual([
    ['read', 'read', false, undefined],
    ['sign', 'once', true, undefined],
    ['rule', 'once', true, undefined],
    ['never', 'once', false, undefined],
    ['ask_human', expect.any(String), true, undefined],
    ['handoff_to_helper', expect.any(String), false, 'helper'],
  ]);
  expect(agents[0]).toMatchObject({ sources: ['mcp'], limits: { steps: 3, costUsd: Number.MAX_SAFE_INTEGER } });
  expect(new Engine().agents()).toEqual([]);
});

describe.each(journals)('the entries of a run on $name', ({ make }) => {
  test('are those of its journal, also in another process, and from any one on', async () => {
    const { journal, another } = make();
    const run = await ends(new Engine({ journal }).run(asking('a'), 'go', { by: ana }), 'paused');
    const committed = await entriesOf(journal, run.runId);
    const engine = new Engine({ journal: another() });
    expect(await all(engine.entries(run.runId, { by: ana }))).toEqual(committed);
    expect(await all(engine.entries(run.runId, { by: ana, after: 1 }))).toEqual(committed.slice(2));
    expect(await all(engine.entries(run.runId, { by: ana, after: committed.length - 1 }))).toEqual([]);
    await refused('CONFIG_INVALID', all(engine.entries(run.runId, { by: ana, after: 0.5 })));
  });

  test('are copies: a caller that changes them changes no journal', async () => {
    const { journal } = make();
    const engine = new Engine({ journal });
    const { runId } = await ends(engine.run(asking('a'), 'go'), 'paused');
    const before = structuredClone(await entriesOf(journal, runId));
    for await (const entry of engine.entries(runId)) {
      if (entry.type === 'model.responded') (entry.content as unknown[]).length = 0;
      (entry as { type: string }).type = 'changed';
    }
    expect(await entriesOf(journal, runId)).toEqual(before);
  });

  test('do not exist for other tenants, nor for callers whom the policy refuses', async () => {
    const { journal } = make();
    const { runId } = await ends(new Engine({ journal }).run(asking('a'), 'go', { by: ana, session: 's' }), 'paused');
    const engine = new Engine({ journal });
    for (const by of [undefined, eve]) {
      const { message } = await refused('RUN_NOT_FOUND', all(engine.entries(runId, by ? { by } : {})));
      const absent = await refused('RUN_NOT_FOUND', all(engine.entries('none', by ? { by } : {})));
      expect(message.replaceAll(runId, 'none')).toBe(absent.message);
    }
    const policy: Policy = {
      decide: () => ({ allow: true }),
      access: ({ point, session }) => ({ allow: point === 'run' && session === 's' }),
    };
    await refused('NOT_PERMITTED', all(new Engine({ journal, policy }).entries(runId, { by: ana })));
  });
});

test('entries of a running run are those that are committed so far', async () => {
  const engine = new Engine();
  const hold = deferred();
  const slow = tool({ name: 'slow', description: '', input: anything, execute: () => hold.promise });
  const run = engine.run(agent({ name: 'a', instructions: '', model: scripted([asks(['slow', {}]), 'done']), tools: [slow] }), 'go');
  for await (const event of run) if (event.type === 'tool.started') break;
  expect((await all(engine.entries(run.id))).map((e) => e.type)).toEqual(['run.started', 'model.responded', 'call.started']);
  hold.resolve();
  await ends(run, 'completed');
});

test('entries of a damaged journal end with the error that names the entry', async () => {
  const disk = onDisk();
  const engine = new Engine({ journal: disk.open() });
  const { runId, approvals } = await ends(engine.run(asking('a'), 'go'), 'paused');
  await engine.close();
  damage(disk.path, approvals[0].id);
  const error = await refused('JOURNAL_DAMAGED', all(new Engine({ journal: disk.open() }).entries(runId)));
  expect(error.details).toMatchObject({ runId, seq: 1 });
});

test.each([
  ['an entry is missing', (seq: number) => seq !== 1, { seq: 1 }],
  ['the first entry is missing', (seq: number) => seq !== 0, { seq: 1 }],
])('entries of a store where %s end with JOURNAL_DAMAGED', async (_, keep, details) => {
  const inner = memoryJournal();
  const { runId } = await ends(new Engine({ journal: inner }).run(asking('a'), 'go'), 'paused');
  const journal = around(inner, {
    read: async function* (...a) {
      for await (const entry of inner.read(...a)) if (keep(entry.seq)) yield entry;
    },
  });
  expect((await refused('JOURNAL_DAMAGED', all(new Engine({ journal }).entries(runId)))).details).toMatchObject({ runId, ...details });
});
