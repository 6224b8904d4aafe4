import { describe, it } from 'vitest';
import { Engine, foreignAgent, type JsonSchema, supervisor } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { asks, ends, refused } from '../kit/runs.ts';

/** A peer that asks a question, and the answer given. */
async function answered(answer: JsonSchema, given: string) {
  const peer = foreignAgent({
    name: 'peer',
    effect: 'read',
    turn: async (turn) =>
      turn.type === 'start'
        ? { status: 'paused', state: 1, asks: [{ id: 'q', kind: 'question', question: 'Which?', answer }] }
        : { status: 'completed', output: 'x' },
  });
  const engine = new Engine();
  const model = scripted([asks(['peer', { task: 'x' }]), 'done']);
  const paused = await ends(engine.run(supervisor({ name: 'top', instructions: '', model, agents: [peer] }), 'x'), 'paused');
  return engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'respond', answer: given }], { by: { id: 'ben' } });
}

describe("the answer to a peer's question", () => {
  it('is checked against its schema', async () => {
    await refused('DECISION_INVALID', answered({ type: 'string', pattern: '^[A-Z]+$' }, 'no'));
    await answered({ type: 'string', pattern: '^[A-Z]+$' }, 'YES');
  });

  // a text that such a pattern does not match is tried in 2^n ways
  it('is not checked against a pattern that could block the event loop: the peer checks it', () =>
    answered({ type: 'string', pattern: '^(a+)+$' }, 'aaa!'));
});
