/** A store of one's own may throw errors that have the code alone. They stay what they are, also behind an encrypted journal. */
import { describe, expect, test } from 'vitest';
import { refusal } from '../../src/adapters/identity/oauth-errors.ts';
import { encrypted } from '../../src/adapters/journal/encrypted.ts';
import { Engine, type ErrorCode, memoryJournal, RondoError } from '../../src/index.ts';
import type { Journal } from '../../src/journal/port.ts';
import type { Json } from '../../src/json.ts';
import { order, refunds, support } from '../intents/setup.ts';
import { around } from '../kit/journals.ts';

/** A journal whose appends with claims, or whose first ones, are refused with this. */
function refusing(code: ErrorCode, details?: Json): Journal {
  const inner = memoryJournal();
  return around(inner, {
    append(...a) {
      if (code === 'SESSION_BUSY' || a[4]?.claims) throw new RondoError(code, 'refused', { details: details ?? null });
      return inner.append(...a);
    },
  });
}

const begun = (journal: Journal) => {
  const pays = refunds({ effect: 'once', execute: () => 'paid' });
  return new Engine({ journal }).run(support([pays]), JSON.stringify(order('7')), { session: 's', by: { id: 'ana' } });
};

describe.each([
  ['plain', (journal: Journal) => journal],
  ['encrypted', (journal: Journal) => encrypted(journal, { current: 'k', keys: { k: Buffer.alloc(32, 1) } })],
] as const)('an error without details, %s:', (_, wrapped) => {
  test.each<Json | undefined>([undefined, {}, 'text', { runId: 7 }])('SESSION_BUSY with the details %j', async (details) => {
    await expect(begun(wrapped(refusing('SESSION_BUSY', details)))).rejects.toMatchObject({ code: 'SESSION_BUSY', message: 'refused' });
  });

  test.each<Json | undefined>([undefined, {}, 'text', { claim: 'c', call: 7 }])('INTENT_CLAIMED with the details %j', async (details) => {
    await expect(begun(wrapped(refusing('INTENT_CLAIMED', details)))).rejects.toMatchObject({ code: 'INTENT_CLAIMED', message: 'refused' });
  });
});

test('PROVIDER_REFUSED without details has no word of OAuth', () => {
  expect(refusal(new RondoError('PROVIDER_REFUSED', 'refused'))).toBeUndefined();
  expect(refusal(new RondoError('PROVIDER_REFUSED', 'refused', { details: { error: 'invalid_grant' } }))).toBe('invalid_grant');
});
