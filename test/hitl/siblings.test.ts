import { describe, expect, test } from 'vitest';
import { agent, Engine, type Json, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { around, entriesOf, entryOf, headOf, journals, typesOf } from '../kit/journals.ts';
import { anything, asks, ends, failure, shown } from '../kit/runs.ts';
import { deferred } from '../kit/time.ts';
import { ana, ben, elsewhere } from './setup.ts';

/** Two calls that need a person, two that need no one, mixed; a ledger of what ran. */
function mixed(parallel = 8) {
  const ledger: Json[] = [];
  const free = tool({
    name: 'free',
    description: '',
    input: anything,
    execute: ({ n }) => {
      ledger.push(`free ${n}`);
      return `free ${n}`;
    },
  });
  const sign = tool({
    name: 'sign',
    description: '',
    input: anything,
    approval: true,
    execute: ({ n }) => {
      ledger.push(`sign ${n}`);
      return `sign ${n}`;
    },
  });
  const model = scripted([asks(['sign', { n: 1 }], ['free', { n: 2 }], ['sign', { n: 3 }], ['free', { n: 4 }]), 'done']);
  return { a: agent({ name: 'a', instructions: '', model, tools: [free, sign], parallel }), ledger, model };
}

describe.each(journals)('siblings on $name', ({ make }) => {
  // holds act.I1
  test('that need no approval run first, and never twice; the next model call waits for all', async () => {
    const { journal, another } = make();
    const { a, ledger, model } = mixed();
    const paused = await ends(new Engine({ journal }).run(a, 'go'), 'paused');
    expect(ledger).toEqual(['free 2', 'free 4']);
    expect(paused.approvals.map((p) => p.kind === 'tool' && p.input)).toEqual([{ n: 1 }, { n: 3 }]);
    expect(model.requests).toHaveLength(1);
    const engine = elsewhere(another(), a);
    await engine.decide(
      paused.runId,
      [
        { approval: paused.approvals[1]?.id as string, type: 'approve' },
        { approval: paused.approvals[0].id, type: 'reject', reason: 'no' },
      ],
      { by: ben },
    );
    await ends(engine.resume(paused.runId), 'completed');
    expect(ledger).toEqual(['free 2', 'free 4', 'sign 3']);
    expect(shown(model.requests[1]).map((s) => [s.id, s.isError ? failure(s).code : s.text])).toEqual([
      ['sign-0', 'REJECTED'],
      ['free-1', 'free 2'],
      ['sign-2', 'sign 3'],
      ['free-3', 'free 4'],
    ]);
  });

  test('resume applies existing decisions, starts the calls that they allow, and returns paused with the rest', async () => {
    const { journal } = make();
    const { a, ledger, model } = mixed();
    const engine = new Engine({ journal });
    const paused = await ends(engine.run(a, 'go'), 'paused');
    const [one, two] = paused.approvals;
    expect(await engine.decide(paused.runId, [{ approval: one.id, type: 'approve' }], { by: ben })).toEqual([two]);
    const rest = await ends(engine.resume(paused.runId), 'paused');
    expect(rest.approvals).toEqual([two]);
    expect(ledger).toEqual(['free 2', 'free 4', 'sign 1']);
    expect(model.requests).toHaveLength(1);
    expect(await ends(engine.resume(paused.runId), 'paused')).toEqual(rest);
    await engine.decide(paused.runId, [{ approval: two?.id as string, type: 'approve' }], { by: ben });
    await ends(engine.resume(paused.runId), 'completed');
    expect(ledger).toEqual(['free 2', 'free 4', 'sign 1', 'sign 3']);
  });

  test('a decision that comes while siblings still run is acted upon without a pause', async () => {
    const { journal } = make();
    const hold = deferred<string>();
    const ledger: string[] = [];
    const slow = tool({ name: 'slow', description: '', input: anything, execute: () => hold.promise });
    const sign = tool({ name: 'sign', description: '', input: anything, approval: true, execute: () => void ledger.push('signed') });
    const model = scripted([asks(['sign', {}], ['slow', {}]), 'done']);
    const engine = new Engine({ journal });
    const run = engine.run(agent({ name: 'a', instructions: '', model, tools: [slow, sign] }), 'go');
    let approval = '';
    for await (const e of run)
      if (e.type === 'approval.asked') {
        approval = e.approval.id;
        break;
      }
    expect(await engine.decide(run.id, [{ approval, type: 'approve' }], { by: ben })).toEqual([]);
    expect(ledger).toEqual([]);
    hold.resolve('slept');
    await ends(run, 'completed');
    expect(ledger).toEqual(['signed']);
    expect(typesOf(await entriesOf(journal, run.id)).filter((t) => t === 'run.settled' || t === 'run.claimed')).toEqual(['run.settled']);
  });

  test('a decision from another process while siblings still run is taken too', async () => {
    const { journal, another } = make();
    const hold = deferred<string>();
    const ledger: string[] = [];
    const slow = tool({ name: 'slow', description: '', input: anything, execute: () => hold.promise });
    const sign = tool({ name: 'sign', description: '', input: anything, approval: true, execute: () => void ledger.push('signed') });
    const a = agent({ name: 'a', instructions: '', model: scripted([asks(['sign', {}], ['slow', {}]), 'done']), tools: [slow, sign] });
    const run = new Engine({ journal }).run(a, 'go', { by: ana });
    const other = new Engine({ journal: another() });
    const { id: approval } = await entryOf(journal, run.id, 'approval.requested');
    await other.decide(run.id, [{ approval, type: 'approve' }], { by: ben });
    // the run is still its owner's
    expect((await headOf(journal, run.id))?.owner).toBeDefined();
    hold.resolve('slept');
    await ends(run, 'completed');
    expect(ledger).toEqual(['signed']);
  });

  test('a decision that arrives just before the pause is appended: the run continues instead', async () => {
    const { journal, another } = make();
    const ledger: string[] = [];
    const sign = tool({ name: 'sign', description: '', input: anything, approval: true, execute: () => void ledger.push('signed') });
    const a = agent({ name: 'a', instructions: '', model: scripted([asks(['sign', {}]), 'done']), tools: [sign] });
    const other = new Engine({ journal: another() });
    let decided = 0;
    const slow = around(journal, {
      async append(...args) {
        const [runId, , entries] = args;
        if (entries.some((e) => e.type === 'run.settled') && decided++ === 0) {
          const { id: approval } = await entryOf(journal, runId, 'approval.requested');
          await other.decide(runId, [{ approval, type: 'approve' }], { by: ben });
        }
        return journal.append(...args);
      },
    });
    const run = new Engine({ journal: slow }).run(a, 'go');
    await ends(run, 'completed');
    expect(ledger).toEqual(['signed']);
    expect(typesOf(await entriesOf(journal, run.id)).filter((t) => t === 'run.settled')).toHaveLength(1);
  });

  test('calls beyond the cap wait their turn behind approved ones', async () => {
    const { journal } = make();
    const { a, ledger } = mixed(1);
    const engine = new Engine({ journal });
    const paused = await ends(engine.run(a, 'go'), 'paused');
    expect(ledger).toEqual(['free 2', 'free 4']);
    await engine.decide(
      paused.runId,
      paused.approvals.map((p) => ({ approval: p.id, type: 'approve' as const })),
      { by: ben },
    );
    await ends(engine.resume(paused.runId), 'completed');
    expect(ledger).toEqual(['free 2', 'free 4', 'sign 1', 'sign 3']);
  });
});
