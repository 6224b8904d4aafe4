/** The recipe for AWS Lambda in docs/agentcore/deploy.md: what does not fit into one invocation goes on in the next. */
import { expect, test } from 'vitest';
import { agent, Engine, type Journal, RondoError } from '../../src/index.ts';
import { takeTurn } from '../../src/server/turns.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { refunds } from '../intents/setup.ts';
import { entriesOf, journals } from '../kit/journals.ts';
import { asks } from '../kit/runs.ts';

const MARGIN = 10_000;

interface Event {
  session: string;
  requestId: string;
  user: string;
  input: string;
}

async function invoke(journal: Journal, served: ReturnType<typeof agent>, event: Event, remaining: number) {
  const engine = new Engine({ journal, agents: [served] });
  const { session, requestId, user, input } = event;
  const turn = await takeTurn(engine, served, { session, requestId, by: { id: user }, input });
  const late = setTimeout(() => void engine.close(), remaining - MARGIN);
  try {
    return await turn.result;
  } catch (error) {
    if (RondoError.is(error, 'ENGINE_CLOSED')) return { runId: turn.runId, status: 'running' as const };
    throw error;
  } finally {
    clearTimeout(late);
    await engine.close();
  }
}

test.each(journals.filter(({ name }) => name === 'sqlite'))(
  'a turn that takes longer than an invocation ends in the next one, and its effect is made once, on $name',
  async ({ make }) => {
    const { journal, another } = make();
    let paid = 0;
    const refund = refunds({ effect: 'once', execute: () => ++paid });
    let slow = true;
    // the model still thinks when the invocation has no time left
    const model = scripted(({ messages }) => {
      if (messages.length === 1) return asks(['refund', { orderId: '7', cents: 500 }]);
      return { text: 'Paid.', ...(slow && { delay: 3_600_000 }) };
    });
    const served = agent({ name: 'support', instructions: '', model, tools: [refund] });
    const event = { session: 'chat-1', requestId: 'r-1', user: 'ana', input: 'Pay order 7 back' };
    const first = await invoke(journal, served, event, MARGIN + 200);
    expect(first).toMatchObject({ status: 'running' });
    slow = false;
    const second = await invoke(another(), served, event, MARGIN + 900_000);
    expect(second).toMatchObject({ runId: first.runId, status: 'completed', output: 'Paid.' });
    expect(paid).toBe(1);
    // a repeat of what has ended starts nothing
    expect(await invoke(another(), served, event, MARGIN + 900_000)).toMatchObject({ runId: first.runId, status: 'completed' });
    expect((await entriesOf(another(), first.runId)).filter(({ type }) => type === 'run.started')).toHaveLength(1);
  },
);
