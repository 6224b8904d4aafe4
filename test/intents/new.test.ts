/** Most intents are new. The claim finds that out by itself, without a look at the store before. */
import { createHmac, randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { Engine } from '../../src/index.ts';
import { claimMac } from '../../src/journal/claims.ts';
import type { Journal } from '../../src/journal/port.ts';
import { around, journals } from '../kit/journals.ts';
import { ends } from '../kit/runs.ts';
import { asked, order, refunds, support } from './setup.ts';

const by = { id: 'ana', tenant: 'acme' };

/** A journal that counts the looks at claims, and the appends that were refused because of one. */
function counted(inner: Journal) {
  const seen = { looks: 0, refused: 0 };
  const journal = around(inner, {
    claim: (key) => {
      seen.looks++;
      return inner.claim?.(key);
    },
    async append(...a) {
      try {
        await inner.append(...a);
      } catch (error) {
        if ((error as { code?: string }).code === 'INTENT_CLAIMED') seen.refused++;
        throw error;
      }
    },
  });
  return { journal, seen };
}

describe.each(journals)('a call with a key, on $name', ({ make }) => {
  const paying = (o: Partial<Parameters<typeof refunds>[0]> = {}) => {
    const paid: string[] = [];
    return { paid, pays: refunds({ effect: 'once', execute: ({ orderId }) => (paid.push(orderId), `receipt ${orderId}`), ...o }) };
  };

  test('that is new is claimed without a look', async () => {
    const { journal, seen } = counted(make().journal);
    const { paid, pays } = paying();
    await asked(journal, [pays], [order('7'), order('8')], { by });
    expect(paid).toEqual(['7', '8']);
    expect(seen).toEqual({ looks: 0, refused: 0 });
  });

  // holds intent.I2
  test('that is not new is refused once for all of an answer, which are looked at then; those that are new run', async () => {
    const { journal, seen } = counted(make().journal);
    const { paid, pays } = paying();
    await asked(journal, [pays], [order('1'), order('2'), order('3')], { by });
    const { calls } = await asked(journal, [pays], [order('1'), order('4'), order('2'), order('5'), order('3')], { by });
    expect(paid).toEqual(['1', '2', '3', '4', '5']);
    expect(calls.map((call) => [call.ok && call.output, call.repeated !== undefined])).toEqual(
      expect.arrayContaining([
        ['receipt 1', true],
        ['receipt 2', true],
        ['receipt 3', true],
        ['receipt 4', false],
        ['receipt 5', false],
      ]),
    );
    expect(seen).toEqual({ looks: 5, refused: 1 });
  });

  test('is claimed also where more are new than one append may claim', async () => {
    const { journal, another } = make();
    const { paid, pays } = paying();
    const orders = Array.from({ length: 60 }, (_, i) => order(`${i}`));
    const a = support([pays], { parallel: 100 });
    await ends(new Engine({ journal }).run(a, JSON.stringify(orders), { by }), 'completed');
    expect(paid).toHaveLength(60);
    for (const { orderId } of orders)
      expect(await another().claim?.({ tenant: 'acme', intent: 'refund', key: `refund:${orderId}` })).toMatchObject({ state: 'done' });
  });

  test('that is not new takes no place of the limit', async () => {
    const { journal } = make();
    const { paid, pays } = paying();
    await asked(journal, [pays], order('7'), { by });
    const { calls } = await asked(journal, [pays], [order('7'), order('8')], { by, limits: { toolCalls: 1 } });
    expect(calls).toMatchObject([
      { ok: true, output: 'receipt 7', repeated: {} },
      { ok: true, output: 'receipt 8' },
    ]);
    expect(paid).toEqual(['7', '8']);
  });

  test('that is done asks for no credentials', async () => {
    const { journal } = make();
    const { paid, pays } = paying({ credentials: { bank: { provider: 'bank' } } });
    let got = 0;
    const options = { identity: { get: async () => ({ token: `token ${got++}` }) } };
    await asked(journal, [pays], order('7'), { by, options });
    const { calls } = await asked(journal, [pays], order('7'), { by, options });
    expect(calls).toMatchObject([{ ok: true, output: 'receipt 7', repeated: {} }]);
    expect([paid, got]).toEqual([['7'], 1]);
  });
});

test('the name of a claim is HMAC-SHA-256 of its canonical JSON, for secrets and keys of any length', () => {
  for (const bytes of [0, 1, 31, 32, 63, 64, 65, 200]) {
    const secret = randomBytes(bytes);
    for (const key of ['', 'a', 'refund:7', 'ü', '\ud800', '😀'.repeat(40), 'x'.repeat(1_300), 'x'.repeat(1_400), '€'.repeat(5_000), 'b']) {
      const expected = createHmac('sha256', secret)
        .update(JSON.stringify(['acme', 'pay', key]))
        .digest('hex');
      expect(claimMac(secret, { tenant: 'acme', intent: 'pay', key })).toBe(expected);
    }
    const none = createHmac('sha256', secret).update('[null,"pay","a"]').digest('hex');
    expect(claimMac(secret, { tenant: undefined, intent: 'pay', key: 'a' })).toBe(none);
  }
});
