/** What a key is made of, and what it counts for. */
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { Engine, tool } from '../../src/index.ts';
import { entriesOf, journals } from '../kit/journals.ts';
import { ends } from '../kit/runs.ts';
import { asked, order, type Refund, refunds, support } from './setup.ts';

const by = { id: 'ana', tenant: 'acme' };

describe.each(journals)('the key of a tool, on $name,', ({ make }) => {
  test('is computed again where the tool has another name of intents than when a person was asked', async () => {
    const { journal, another } = make();
    const pays = (intent: string) =>
      refunds({ effect: 'once', approval: true, intent, key: ({ orderId }) => `${intent}:${orderId}`, execute: () => 'receipt' });
    const before = support([pays('old')]);
    const { runId, approvals } = await ends(
      new Engine({ journal, agents: [before] }).run(before, JSON.stringify(order('7')), { by }),
      'paused',
    );
    const engine = new Engine({ journal: another(), agents: [support([pays('new')])] });
    await engine.decide(runId, [{ approval: approvals[0]?.id ?? '', type: 'approve' }], { by });
    await ends(engine.resume(runId, { by }), 'completed');
    const started = (await entriesOf(journal, runId)).find((e) => e.type === 'call.started');
    expect(started).toMatchObject({ intent: { name: 'new', key: 'new:7' } });
  });

  test('gets arguments of its own: what it does to them neither `same` nor the tool sees', async () => {
    const { journal } = make();
    const got: Refund[] = [];
    const key = (input: Refund) => {
      (input as { cents: number }).cents = 0;
      return input.orderId;
    };
    const pays = refunds({ effect: 'once', key, same: ({ cents }) => cents, execute: (input) => got.push({ ...input }) });
    await asked(journal, [pays], order('7', 500), { by });
    const { calls } = await asked(journal, [pays], order('7', 900), { by });
    expect(calls).toMatchObject([{ ok: false, error: { code: 'INTENT_CONFLICT' } }]);
    expect(got).toEqual([order('7', 500)]);
  });

  test('is computed from what the schema makes of the arguments', async () => {
    const { journal } = make();
    const pays = tool({
      name: 'refund',
      description: '',
      input: z.object({ orderId: z.string().transform((id) => new Map([['id', id]])), cents: z.number() }),
      effect: 'once',
      key: ({ orderId }) => `refund:${orderId.get('id')}`,
      execute: () => 'receipt',
    });
    await asked(journal, [pays], order('7'), { by });
    expect(await journal.claim?.({ tenant: 'acme', intent: 'refund', key: 'refund:7' })).toMatchObject({ state: 'done' });
  });
});
