import { describe, expect, test } from 'vitest';
import { type Agent, Engine, foreignAgent, supervisor, type Turn } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { asks, ends, expireLease, journals, settle, until } from '../engine/setup.ts';

const ben = { id: 'ben' };
const desk = (agents: readonly Agent[], last = 'done') => {
  const model = scripted(({ messages }) => (messages.length === 1 ? asks([agents[0]?.name as string, { task: 'go' }]) : last));
  return { model, agent: supervisor({ name: 'desk', instructions: '', model, agents }) };
};

describe.each(journals)('a foreign agent on $name', ({ make }) => {
  test('asks several things, and goes on from its state when all are answered, in another engine', async () => {
    const { journal, another } = make();
    const turns: Turn[] = [];
    const made = () =>
      foreignAgent({
        name: 'alien',
        async turn(turn) {
          turns.push(JSON.parse(JSON.stringify(turn)));
          if (turn.type === 'start')
            return {
              status: 'paused',
              state: { at: 1 },
              asks: [
                { id: 'a', kind: 'question', question: 'Which?' },
                { id: 'b', kind: 'tool', tool: 'pay', input: { cents: 5 }, allow: ['approve', 'reject'] },
              ],
            };
          return {
            status: 'completed',
            output: turn.answers.map((a) => `${a.id}:${a.decision.type}`).join(),
            usage: { input: 3, output: 2 },
          };
        },
      });
    const first = new Engine({ journal });
    const paused = await ends(first.run(desk([made()]).agent, 'hi'), 'paused');
    expect(paused.approvals).toMatchObject([
      { kind: 'question', question: 'Which?', path: ['desk', 'alien'] },
      { kind: 'tool', tool: 'pay', input: { cents: 5 }, allow: ['approve', 'reject'] },
    ]);
    const [a, b] = paused.approvals.map((x) => x.id) as [string, string];
    const second = new Engine({ journal: another(), agents: [desk([made()]).agent] });
    await second.decide(paused.runId, [{ approval: b, type: 'approve' }], { by: ben });
    await ends(second.resume(paused.runId), 'paused');
    expect(turns).toHaveLength(1);
    await second.decide(paused.runId, [{ approval: a, type: 'respond', answer: '' }], { by: ben });
    const result = await ends(second.resume(paused.runId), 'completed');
    expect(turns[1]).toMatchObject({ type: 'resume', state: { at: 1 }, answers: [{ id: 'a' }, { id: 'b' }] });
    // what it used is counted, what it cost is unknown
    expect(result).toMatchObject({ output: 'done', costUsd: undefined });
    expect(result.usage.output).toBeGreaterThanOrEqual(2);
  });

  test('a turn that a crash cut off is not repeated, unless it may be', async () => {
    for (const [effect, times, said] of [
      ['once', 1, 'OUTCOME_UNKNOWN'],
      ['idempotent', 2, 'back'],
    ] as const) {
      const { journal, another } = make();
      const keys: string[] = [];
      const made = (turn: () => Promise<never> | Promise<{ status: 'completed'; output: string }>) =>
        foreignAgent({ name: 'alien', effect, turn: (_, ctx) => (keys.push(ctx.idempotencyKey), turn()) });
      const run = new Engine({ journal }).run(desk([made(() => new Promise<never>(() => undefined))]).agent, 'hi');
      await until(async () => keys.length === 1 || undefined);
      await settle();
      await expireLease(journal, run.id);
      const { agent, model } = desk([made(async () => ({ status: 'completed', output: 'back' }))]);
      await ends(new Engine({ journal: another(), agents: [agent] }).resume(run.id), 'completed');
      expect(keys).toHaveLength(times);
      expect(new Set(keys).size).toBe(1);
      expect(JSON.stringify(model.requests.at(-1)?.messages)).toContain(said);
    }
  });
});

test('runs at the top, and a failure of it is a typed one', async () => {
  const engine = new Engine();
  const echo = foreignAgent({
    name: 'echo',
    turn: async (t) => ({ status: 'completed', output: `you said ${t.type === 'start' && t.input}` }),
  });
  expect(await ends(engine.run(echo, 'hello'), 'completed')).toMatchObject({ output: 'you said hello', costUsd: 0 });
  const bad = foreignAgent({ name: 'bad', turn: async () => ({}) as never });
  const failed = await ends(engine.run(bad, 'hello'), 'failed');
  expect(failed.error).toMatchObject({ code: 'TOOL_FAILED' });
  expect(failed.error.message).toContain("{ status: 'completed' }");
});
