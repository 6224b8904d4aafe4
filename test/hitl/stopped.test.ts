/** An approval beside a limit or an error that ended the run for now. */
import { describe, expect, test } from 'vitest';
import { agent, approve, Engine, graph, ToolError, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { all, headOf, journals } from '../kit/journals.ts';
import { anything, asks, ends } from '../kit/runs.ts';
import { ben } from './setup.ts';

/** One sub-agent asks a person, and the other one comes to a limit of the run. */
function team() {
  const paid: string[] = [];
  const look = tool({ name: 'look', description: '', input: anything, effect: 'read', execute: () => 'seen' });
  const pay = tool({ name: 'pay', description: '', input: anything, approval: true, execute: () => void paid.push('paid') });
  const payer = agent({ name: 'payer', instructions: '', model: scripted([asks(['pay', {}]), 'paid']), tools: [pay] });
  const looker = agent({
    name: 'looker',
    instructions: '',
    model: scripted([asks(['look', {}]), asks(['look', {}]), asks(['look', {}]), 'seen']),
    tools: [look],
  });
  const model = scripted([asks(['payer', { task: 'pay' }], ['looker', { task: 'look' }]), 'done']);
  return { paid, a: agent({ name: 'top', instructions: '', model, agents: [payer, looker] }) };
}

describe.each(journals)('an approval of a run that stopped at a limit, on $name', ({ make }) => {
  test('is in the result and in the list, and counts once the run is resumed with a higher limit', async () => {
    const { journal, another } = make();
    const { a, paid } = team();
    const stopped = await ends(new Engine({ journal, agents: [a] }).run(a, 'go', { limits: { toolCalls: 4 } }), 'stopped');
    expect(stopped.approvals).toMatchObject([{ kind: 'tool', tool: 'pay', path: ['top', 'payer'] }]);
    const other = new Engine({ journal: another(), agents: [a] });
    const [listed] = await all(other.approvals());
    expect([listed]).toMatchObject(stopped.approvals ?? []);
    expect(await other.decide(stopped.runId, [approve(listed?.id as string)], { by: ben })).toEqual([]);
    expect(await all(other.approvals())).toEqual([]);
    // a worker does not raise the limit
    await other.sweep();
    expect((await other.inspect(stopped.runId)).status).toBe('stopped');
    expect(paid).toEqual([]);
    const resumed = await ends(other.resume(stopped.runId, { limits: { toolCalls: 9 } }), 'completed');
    expect(paid).toEqual(['paid']);
    expect(resumed).not.toHaveProperty('approvals');
  });

  test('is not told where there is none', async () => {
    const { journal } = make();
    const look = tool({ name: 'look', description: '', input: anything, effect: 'read', execute: () => 'seen' });
    const a = agent({ name: 'a', instructions: '', model: scripted([asks(['look', {}]), 'done']), tools: [look] });
    const stopped = await ends(new Engine({ journal }).run(a, 'go', { limits: { steps: 1 } }), 'stopped');
    expect(stopped).not.toHaveProperty('approvals');
    expect((await headOf(journal, stopped.runId))?.asks).toBeUndefined();
  });
});

/** One node asks a person, and the one beside it fails the first time. */
function split(retryable: boolean) {
  const paid: string[] = [];
  let asked = 0;
  const pay = tool({ name: 'pay', description: '', input: anything, approval: true, execute: () => void paid.push('paid') });
  const payer = agent({ name: 'payer', instructions: '', model: scripted([asks(['pay', {}]), 'paid']), tools: [pay] });
  const a = graph({
    name: 'split',
    state: anything,
    nodes: {
      payer: { agent: payer, input: () => 'pay', output: () => ({}) },
      flaky: () => {
        if (asked++ === 0) throw new ToolError('AWAY', 'the service is away', { retryable });
        return {};
      },
    },
    edges: { start: ['payer', 'flaky'], payer: 'end', flaky: 'end' },
  });
  return { paid, a };
}

describe.each(journals)('an approval of a run that failed, on $name', ({ make }) => {
  test('is in the result and in the list if the error may pass, and counts once the run is resumed', async () => {
    const { journal, another } = make();
    const { a, paid } = split(true);
    const failed = await ends(new Engine({ journal, agents: [a] }).run(a, {}), 'failed');
    expect(failed.approvals).toMatchObject([{ kind: 'tool', tool: 'pay', path: ['split', 'payer'] }]);
    const other = new Engine({ journal: another(), agents: [a] });
    const [listed] = await all(other.approvals());
    expect([listed]).toMatchObject(failed.approvals ?? []);
    expect((await other.inspect(failed.runId)).result).toMatchObject({ approvals: failed.approvals });
    await other.decide(failed.runId, [approve(listed?.id as string)], { by: ben });
    expect(await all(other.approvals())).toEqual([]);
    expect(paid).toEqual([]);
    expect(await ends(other.resume(failed.runId), 'completed')).not.toHaveProperty('approvals');
    expect(paid).toEqual(['paid']);
  });

  test('is not open any more if the run has failed for good', async () => {
    const { journal } = make();
    const { a } = split(false);
    const engine = new Engine({ journal });
    const failed = await ends(engine.run(a, {}), 'failed');
    expect(failed).not.toHaveProperty('approvals');
    expect(await all(engine.approvals())).toEqual([]);
    expect((await headOf(journal, failed.runId))?.asks).toBeUndefined();
  });
});
