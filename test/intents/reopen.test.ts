/** Only the call that did what an intent names is reopened. */
import { describe, expect, test } from 'vitest';
import { agent, Engine, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { entriesOf, journals } from '../kit/journals.ts';
import { anything, asks, ends, refused } from '../kit/runs.ts';
import { asked, endsOf, order, refunds } from './setup.ts';

const by = { id: 'ana', tenant: 'acme' };
const why = { by, reason: 'the bank sent it back' };

describe.each(journals)('reopen() refuses, on $name,', ({ make }) => {
  test('a call whose outcome is unknown', async () => {
    const { journal } = make();
    const hangUp = () => {
      throw new Error('socket hang up');
    };
    const { runId, calls } = await asked(journal, [refunds({ effect: 'once', execute: hangUp })], order('7'), { by });
    await refused('CALL_NOT_FOUND', new Engine({ journal }).reopen({ runId, callId: calls[0]?.call ?? '' }, why));
    expect((await entriesOf(journal, runId)).map(({ type }) => type)).not.toContain('intent.reopened');
  });

  test('a call of another run that did it before the one that did it last', async () => {
    const { journal } = make();
    const pays = refunds({ effect: 'once', execute: () => 'receipt' });
    const first = await asked(journal, [pays], order('7'), { by });
    const engine = new Engine({ journal });
    await engine.reopen({ runId: first.runId, callId: first.calls[0]?.call ?? '' }, why);
    const second = await asked(journal, [pays], order('7'), { by });
    expect(second.calls).toMatchObject([{ ok: true, attempts: 1 }]);
    await refused('CALL_NOT_FOUND', engine.reopen({ runId: first.runId, callId: first.calls[0]?.call ?? '' }, why));
    await engine.reopen({ runId: second.runId, callId: second.calls[0]?.call ?? '' }, why);
  });

  test('a call of the same run that did it before', async () => {
    const { journal } = make();
    const engine = new Engine({ journal });
    const pays = refunds({ effect: 'once', execute: () => 'receipt' });
    const first = { runId: '', callId: '' };
    const reopens = tool({
      name: 'reopens',
      description: '',
      input: anything,
      execute: async (_, { runId }) => {
        const [call] = endsOf(await entriesOf(journal, runId));
        Object.assign(first, { runId, callId: call?.call });
        await engine.reopen(first, why);
        return 'reopened';
      },
    });
    const pay = asks(['refund', { ...order('7') }]);
    const a = agent({ name: 'a', instructions: '', model: scripted([pay, asks(['reopens', {}]), pay, 'done']), tools: [pays, reopens] });
    const { runId } = await ends(engine.run(a, 'go', { by }), 'completed');
    const last = endsOf(await entriesOf(journal, runId)).at(-1);
    expect(last).toMatchObject({ ok: true, output: 'receipt', attempts: 1 });
    await refused('CALL_NOT_FOUND', engine.reopen(first, why));
    await engine.reopen({ runId, callId: last?.call ?? '' }, why);
  });
});
