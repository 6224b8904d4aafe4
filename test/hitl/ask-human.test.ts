import { describe, expect, test } from 'vitest';
import { agent, askHuman, type Decision, Engine } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { journals } from '../kit/journals.ts';
import { asks, ends, failure, refused, shown } from '../kit/runs.ts';
import { ana, ben } from './setup.ts';

const asking = (input: object, o?: Parameters<typeof askHuman>[0]) => {
  const model = scripted([asks([o?.name ?? 'ask_human', input as never]), 'done']);
  return { a: agent({ name: 'a', instructions: '', model, tools: [askHuman(o)] }), model };
};

describe.each(journals)('ask_human on $name', ({ make }) => {
  test('pauses with the question; the answer is what the agent gets', async () => {
    const { journal, another } = make();
    const { a, model } = asking({ question: 'Which order?' });
    const paused = await ends(new Engine({ journal }).run(a, 'go', { by: ana }), 'paused');
    expect(paused.approvals).toMatchObject([{ kind: 'question', question: 'Which order?', allow: ['respond', 'reject'] }]);
    expect(paused.approvals[0]).not.toHaveProperty('answer');
    const engine = new Engine({ journal: another(), agents: [a] });
    await engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'respond', answer: 'order 7' }], { by: ana });
    await ends(engine.resume(paused.runId), 'completed');
    expect(shown(model.requests[1])[0]).toMatchObject({ text: 'order 7', isError: false });
  });

  test('with options accepts only one of them', async () => {
    const { journal } = make();
    const { a, model } = asking({ question: 'Which?', options: ['red', 'blue'] });
    const engine = new Engine({ journal });
    const paused = await ends(engine.run(a, 'go'), 'paused');
    expect(paused.approvals[0]).toMatchObject({ answer: { enum: ['red', 'blue'] } });
    const answer = (value: string): Decision[] => [{ approval: paused.approvals[0].id, type: 'respond', answer: value }];
    await refused('DECISION_INVALID', engine.decide(paused.runId, answer('green'), { by: ben }));
    await refused('DECISION_INVALID', engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'approve' }], { by: ben }));
    await refused(
      'DECISION_INVALID',
      engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'respond' } as never], { by: ben }),
    );
    await engine.decide(paused.runId, answer('blue'), { by: ben });
    await ends(engine.resume(paused.runId), 'completed');
    expect(shown(model.requests[1])[0]?.text).toBe('blue');
  });

  test('may be refused, and may expire', async () => {
    const { journal } = make();
    const { a, model } = asking({ question: 'Which?' }, { expires: 60_000 });
    const engine = new Engine({ journal });
    const paused = await ends(engine.run(a, 'go'), 'paused');
    expect(paused.approvals[0].expiresAt).toBeGreaterThan(Date.now());
    await engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'reject', reason: 'find out yourself' }], { by: ben });
    await ends(engine.resume(paused.runId), 'completed');
    expect(failure(shown(model.requests[1])[0])).toMatchObject({ code: 'REJECTED', message: expect.stringContaining('find out yourself') });
  });

  test('may be for certain roles, and have another name', async () => {
    const { journal } = make();
    const { a } = asking({ question: 'Which?' }, { name: 'ask_lead', roles: ['lead'] });
    const engine = new Engine({ journal });
    const paused = await ends(engine.run(a, 'go', { by: ana }), 'paused');
    const decision: Decision[] = [{ approval: paused.approvals[0].id, type: 'respond', answer: 1 }];
    await refused('NOT_PERMITTED', engine.decide(paused.runId, decision, { by: { id: 'cas' } }));
    await engine.decide(paused.runId, decision, { by: ben });
  });

  test.each<[string, object]>([
    ['no question', {}],
    ['no options at all', { question: 'Which?', options: [] }],
    ['an answer of its own', { question: 'Which?', answer: 'red' }],
  ])('a question with %s goes back to the agent', async (_, input) => {
    const { journal } = make();
    const { a, model } = asking(input);
    await ends(new Engine({ journal }).run(a, 'go'), 'completed');
    expect(failure(shown(model.requests[1])[0]).code).toBe('INVALID_ARGUMENTS');
  });
});
