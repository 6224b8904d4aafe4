import { expect, test } from 'vitest';
import { agent, Engine, memoryJournal, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { entriesOf, journals } from '../kit/journals.ts';
import { anything, asks, ends } from '../kit/runs.ts';
import { ana, ben } from './setup.ts';

/** A model that makes one call and then answers. */
const once = (tool: string) => scripted(({ messages }) => (messages.at(-1)?.role === 'tool' ? 'done' : asks([tool, { task: 'x' }])));

/** A sub-agent below another one, each of which a policy asks a person about, and the tool of the last. */
function company() {
  const paid: string[] = [];
  const pay = tool({ name: 'pay', description: '', input: anything, execute: (_, { runId }) => void paid.push(runId) });
  const payer = agent({ name: 'payer', instructions: '', model: once('pay'), tools: [pay] });
  const office = agent({ name: 'office', instructions: '', model: once('payer'), agents: [payer] });
  const a = agent({ name: 'top', instructions: '', model: once('office'), agents: [office] });
  return { a, paid, policy: { decide: () => ({ ask: true as const }) } };
}

test.each(journals)(
  'on $name a fork from any entry goes on with approved sub-agents that had begun, and asks about all others',
  async ({ make }) => {
    const { journal, another } = make();
    const { a, paid, policy } = company();
    const engine = new Engine({ journal, policy });
    let result = await engine.run(a, 'go', { by: ana });
    const { runId } = result;
    while (result.status === 'paused') {
      const decisions = result.approvals.map(({ id }) => ({ approval: id, type: 'approve' }) as const);
      result = (await engine.decide(runId, decisions, { by: ben, resume: true })) as typeof result;
    }
    expect(result.status).toBe('completed');
    const entries = await entriesOf(journal, runId);
    const ended = entries.findIndex((e) => e.type === 'call.finished' && e.frame === undefined);
    const other = new Engine({ journal: another(), policy, agents: [a] });
    for (const { seq } of entries.slice(0, ended)) {
      paid.length = 0;
      const began = entries.filter((e) => e.type === 'frame.opened' && e.seq <= seq).length;
      const acted = entries.some((e) => e.type === 'call.finished' && e.seq <= seq);
      let fork = await other.fork(runId, { at: seq, id: `fork-${seq}` });
      let asked = 0;
      for (; fork.status === 'paused'; asked++) {
        const [{ id }] = (await ends(Promise.resolve(fork), 'paused')).approvals;
        fork = (await other.decide(fork.runId, [{ approval: id, type: 'approve' }], { by: ben, resume: true })) as typeof fork;
      }
      expect(fork.status).toBe('completed');
      expect([seq, asked]).toEqual([seq, acted ? 0 : 3 - began]);
      expect(paid).toEqual(acted ? [] : [`fork-${seq}`]);
    }
  },
);

test('a fork of a fork goes on with a sub-agent that was approved in the first run', async () => {
  const journal = memoryJournal();
  const { a, policy } = company();
  const engine = new Engine({ journal, policy, agents: [a] });
  const { runId, approvals } = await ends(engine.run(a, 'go', { by: ana }), 'paused');
  const paused = await engine.decide(runId, [{ approval: approvals[0].id, type: 'approve' }], { by: ben, resume: true });
  expect(paused).toMatchObject({ status: 'paused', approvals: [{ tool: 'payer' }] });
  const { seq } = await engine.inspect(runId);
  const fork = await ends(engine.fork(runId, { at: seq }), 'paused');
  const again = await ends(engine.fork(fork.runId, { at: (await engine.inspect(fork.runId)).seq }), 'paused');
  expect(again.approvals).toMatchObject([{ tool: 'payer', runId: again.runId }]);
  const [{ id }] = again.approvals;
  expect(await engine.decide(again.runId, [{ approval: id, type: 'approve' }], { by: ben, resume: true })).toMatchObject({
    status: 'paused',
    approvals: [{ tool: 'pay' }],
  });
});
