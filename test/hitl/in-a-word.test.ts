/** Decisions made by helpers, and a run that is decided and resumed in one call. */
import { describe, expect, test } from 'vitest';
import { agent, approve, askHuman, Engine, edit, type Json, reject, respond, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { all, journals } from '../kit/journals.ts';
import { anything, asks, ends, refused } from '../kit/runs.ts';

const by = { id: 'ben' };

describe.each(journals)('on $name', ({ make }) => {
  const world = async () => {
    const { journal, another } = make();
    const paid: Json[] = [];
    const pay = tool({ name: 'pay', description: '', input: anything, approval: true, execute: (input) => paid.push(input as Json) });
    const model = scripted((r) =>
      r.messages.length > 1
        ? JSON.stringify(r.messages.at(-1)?.content)
        : asks(['pay', { n: 1 }], ['pay', { n: 2 }], ['ask_human', { question: 'ok?' }]),
    );
    const a = agent({ name: 'a', instructions: '', model, tools: [pay, askHuman()] });
    const { runId, approvals } = await ends(new Engine({ journal, agents: [a] }).run(a, 'go'), 'paused');
    return { engine: new Engine({ journal: another(), agents: [a] }), runId, approvals, paid };
  };

  test('approve, edit, reject and respond decide, by an approval or its id', async () => {
    const { engine, runId, approvals, paid } = await world();
    const [one, two, three] = approvals as unknown as [{ id: string }, { id: string }, { id: string }];
    const decisions = [edit(one, { n: 9 }, 'less'), reject(two.id, 'too much'), respond(three, 'yes')];
    expect(await engine.decide(runId, decisions, { by })).toEqual([]);
    const { output } = await ends(engine.resume(runId), 'completed');
    expect(paid).toEqual([{ n: 9 }]);
    for (const said of ['too much', 'yes']) expect(output).toContain(said);
  });

  test('with resume the run goes on at once: it is awaited, and its events are those of the resumed run', async () => {
    const { engine, runId, approvals, paid } = await world();
    const run = engine.decide(runId, [approve(approvals[0], 'fine')], { by, resume: true });
    expect(run.id).toBe(runId);
    const events = await all(run);
    expect(events.map((e) => e.type)).toContain('run.resumed');
    expect(events.filter((e) => e.type === 'tool.started')).toHaveLength(1);
    expect((await ends(run, 'paused')).approvals).toHaveLength(2);
    expect(paid).toEqual([{ n: 1 }]);
  });

  test('a decision that is refused resumes nothing, and is what the run rejects with', async () => {
    const { engine, runId, paid } = await world();
    await refused('APPROVAL_NOT_FOUND', () => engine.decide(runId, [approve('ap_x')], { by, resume: true }));
    await refused('NOT_PERMITTED', () => engine.decide(runId, [], undefined as never));
    const run = engine.decide(runId, [approve('ap_x')], { by, resume: true });
    await expect(all(run)).rejects.toMatchObject({ code: 'APPROVAL_NOT_FOUND' });
    expect(paid).toEqual([]);
  });
});
