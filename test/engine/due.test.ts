import { describe, expect, test } from 'vitest';
import { agent, Engine, type Journal, memoryJournal, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/index.ts';
import { all, around, entryOf, expireLease } from '../kit/journals.ts';
import { anything, asks, ends } from '../kit/runs.ts';

/** A journal that counts the heads which it hands out. */
function counted(inner: Journal): { journal: Journal; heads: () => number } {
  let heads = 0;
  const counting = <F>(list: (filter: F) => ReturnType<Journal['heads']>) =>
    async function* (filter: F) {
      for await (const head of list(filter)) {
        heads++;
        yield head;
      }
    };
  const journal = around(inner, { heads: counting(inner.heads), due: inner.due && counting(inner.due) });
  return { journal, heads: () => heads };
}

const pay = tool({ name: 'pay', description: '', input: anything, approval: true, execute: () => 'paid' });
const named = (name: string) => agent({ name, instructions: '', model: scripted(() => asks(['pay', {}])), tools: [pay] });

/** Paused runs that were approved, and so wait for a process. */
async function approved(journal: Journal, name: string, count: number): Promise<string[]> {
  const engine = new Engine({ journal });
  const ids: string[] = [];
  for (let i = 0; i < count; i++) {
    const { runId, approvals } = await ends(engine.run(named(name), 'go', { id: `${name}-${i}` }), 'paused');
    await engine.decide(runId, [{ approval: approvals[0]?.id as string, type: 'approve' }], { by: { id: 'ben' } });
    ids.push(runId);
  }
  return ids;
}

describe('sweep() and recover()', () => {
  test('read the heads of what is due, however many runs have ended or wait for people', async () => {
    const inner = memoryJournal();
    const engine = new Engine({ journal: inner });
    for (let i = 0; i < 30; i++) {
      await ends(engine.run(agent({ name: 'clerk', instructions: '', model: scripted(['done']) }), 'go'), 'completed');
      await ends(engine.run(named('clerk'), 'go'), 'paused');
    }
    const ids = await approved(inner, 'clerk', 3);
    const { journal, heads } = counted(inner);
    const other = new Engine({ journal, agents: [named('clerk')] });
    const before = heads();
    const found = await other.sweep();
    expect(found.map(({ runId }) => runId).sort()).toEqual(ids);
    expect(await other.recover()).toEqual([]);
    expect(heads() - before).toBe(3);
  });

  test('find what is due behind any number of runs that they cannot drive', async () => {
    const journal = memoryJournal();
    await approved(journal, 'a-stranger', 205);
    const [id] = await approved(journal, 'known', 1);
    const engine = new Engine({ journal, agents: [named('known')] });
    expect((await all(engine.sweep())).map(({ runId }) => runId)).toEqual([id]);
  });

  test('drive on more runs than they read at a time, each once', async () => {
    const journal = memoryJournal();
    const ids = await approved(journal, 'clerk', 250);
    const engine = new Engine({ journal, agents: [named('clerk')] });
    const found = await engine.sweep();
    expect(found.map(({ runId }) => runId).sort()).toEqual(ids.sort());
  });

  test('work with a store that cannot say what is due', async () => {
    const inner = memoryJournal();
    const [swept] = await approved(inner, 'clerk', 1);
    const never = tool({ name: 'pay', description: '', input: anything, effect: 'read', execute: () => new Promise(() => undefined) });
    const stuck = agent({ name: 'clerk', instructions: '', model: scripted(() => asks(['pay', {}])), tools: [never] });
    void new Engine({ journal: inner }).run(stuck, 'go', { id: 'left' });
    await entryOf(inner, 'left', 'call.started');
    await expireLease(inner, 'left');
    await ends(new Engine({ journal: inner }).run(named('clerk'), 'go', { id: 'people' }), 'paused');
    const engine = new Engine({ journal: around(inner, { due: undefined }), agents: [named('clerk')] });
    expect((await all(engine.sweep())).map(({ runId }) => runId)).toEqual([swept]);
    expect((await all(engine.recover())).map(({ runId }) => runId)).toEqual(['left']);
  });
});

describe('runs()', () => {
  test('pages by the last run of the page before', async () => {
    const engine = new Engine();
    const clerk = agent({ name: 'clerk', instructions: '', model: scripted(() => 'done') });
    for (let i = 0; i < 7; i++) await engine.run(clerk, 'go', { session: 's' });
    for (const filter of [{}, { session: 's' }, { status: 'completed' }] as const) {
      const whole = (await all(engine.runs(filter))).map(({ runId }) => runId);
      expect(whole).toHaveLength(7);
      const found: string[] = [];
      let page = await all(engine.runs({ ...filter, limit: 3 }));
      while (page.length > 0 && found.length < 10) {
        found.push(...page.map(({ runId }) => runId));
        page = await all(engine.runs({ ...filter, limit: 3, after: page.at(-1) }));
      }
      expect(found).toEqual(whole);
    }
  });
});
