/** Tests of how claims are kept: under which keys, for how long, after their run was removed, and when the storage is opened again. */
import assert from 'node:assert/strict';
import type { Claim, ClaimKey } from '../../journal/claims.ts';
import {
  type ClaimCase,
  change,
  done,
  doubts,
  ends,
  found,
  free,
  frees,
  held,
  ifKept,
  K,
  keyOf,
  MANY,
  reopens,
  revision,
  takes,
  timeOf,
  whole,
} from './claim-kit.ts';
import { entry, head, refused } from './kit.ts';

const CASES: readonly ClaimCase[] = [
  [
    'a done claim has an end by the clock of the store if it is remembered for a time, and is found after its end',
    async (journal) => {
      const before = await timeOf(journal);
      await change(journal, 'r', takes('a', 0), takes('b', 0, keyOf('short')), takes('c', 0, keyOf('ever')));
      await change(
        journal,
        'r',
        ends('a', K, { remember: 86_400_000 }),
        ends('b', keyOf('short'), { remember: 0 }),
        ends('c', keyOf('ever')),
      );
      const after = await timeOf(journal);
      const until = async (key: ClaimKey) => (await journal.claim(key))?.until;
      const end = (await until(K)) as number;
      assert.ok(end >= before + 86_400_000 && end <= after + 86_400_000);
      assert.ok(((await until(keyOf('short'))) as number) <= (await timeOf(journal)));
      assert.equal(await until(keyOf('ever')), undefined);
      // whether it has ended is for the caller to judge; the store takes it by its revision
      await refused('INTENT_CLAIMED', () => change(journal, 'other', takes('x', 0, keyOf('short'))));
      await change(journal, 'other', takes('x', await revision(journal, keyOf('short')), keyOf('short')));
      assert.deepEqual([await found(journal, keyOf('short')), await until(keyOf('short'))], [held('other', 'x'), undefined]);
    },
  ],
  [
    'a done claim that is remembered for a fraction of a millisecond ends at a whole one, and one that is remembered beyond the last date never does',
    async (journal) => {
      const lasting: readonly [string, number][] = [
        ['fraction', 86_400_000 / 7],
        ['long', Number.MAX_SAFE_INTEGER],
        ['longer', 1e300],
      ];
      for (const [name] of lasting) await change(journal, 'r', takes(name, 0, keyOf(name)));
      for (const [name, remember] of lasting) await change(journal, 'r', ends(name, keyOf(name), { remember }));
      const untils: (number | undefined)[] = [];
      for (const [name] of lasting) untils.push((await journal.claim(keyOf(name)))?.until);
      const [fraction, ...never] = untils;
      assert.ok(Number.isInteger(fraction));
      assert.deepEqual(never, [undefined, undefined]);
    },
  ],
  [
    'what is read of a claim is a copy',
    async (journal) => {
      await change(journal, 'r', takes('a', 0));
      const before = await whole(journal);
      const claim = (await journal.claim(K)) as Claim;
      claim.state = 'free';
      claim.revision = 99;
      (claim.holder as { run: string }).run = 'x';
      assert.equal(await whole(journal), before);
    },
  ],
  [
    'keys, intents and tenants are told apart, whatever text they are',
    async (journal) => {
      const texts = [
        ...['a', 'ab', 'A', ' a', 'a ', 'null', '[', '","', '\\', '\u0000', 'a\u0000', '\n', '%', '_', "'", '__proto__', 'constructor'],
        // Unicode writes them in two ways; the caller normalizes
        ...['caf\u00e9', 'cafe\u0301', '漢', '🎼', '👩‍👩‍👧', '\u200d', '\ufeff', '\ud7ff', '\ue000', '\u{10ffff}'],
        ...['x'.repeat(512), `${'x'.repeat(511)}y`, '漢'.repeat(512), '🎼'.repeat(256), `${'🎼'.repeat(255)}🎻`],
      ];
      const keys: ClaimKey[] = texts.flatMap((text) => [
        { tenant: 't', intent: 'pay', key: text },
        { tenant: text, intent: 'pay', key: 'k' },
        { tenant: 't', intent: text, key: 'k' },
      ]);
      for (const tenant of [undefined, '', '0', 'x', 'xb'])
        for (const [intent, key] of ['bc', 'b', 'bb', 'c'].flatMap((intent) => ['c', 'bc', 'b,c'].map((key) => [intent, key] as const)))
          keys.push({ tenant, intent, key });
      for (let i = 0; i < keys.length; i += MANY)
        await change(journal, 'r', ...keys.slice(i, i + MANY).map((key, k) => takes(`${i + k}`, 0, key)));
      for (const [i, key] of keys.entries())
        assert.equal((await journal.claim(key))?.holder?.call, `${i}`, `the claim of ${JSON.stringify(key).slice(0, 80)} is another's`);
    },
  ],
  [
    'a removed run leaves of its claims what was done and what is unknown: no run, no call, no arguments',
    async (journal) => {
      const names = ['done', 'for a time', 'unknown', 'held'];
      await change(journal, 'r', ...names.map((name) => takes('a', 0, keyOf(name))));
      await change(
        journal,
        'r',
        ends('a', keyOf('done')),
        ends('a', keyOf('for a time'), { remember: 60_000 }),
        doubts('a', keyOf('unknown')),
      );
      await change(journal, 'kept', takes('b', 0, keyOf('of another run')));
      const before = await Promise.all(names.map((name) => journal.claim(keyOf(name)) as Promise<Claim>));
      await journal.remove('r');
      for (const [i, name] of names.entries()) {
        const claim = (await journal.claim(keyOf(name))) as Claim;
        assert.deepEqual(await found(journal, keyOf(name)), {
          ...free(),
          state: name === 'held' || name === 'unknown' ? 'unknown' : 'done',
        });
        assert.deepEqual([claim.since, claim.until], [before[i]?.since, before[i]?.until], name);
        // nothing that was decided before the removal takes it
        assert.ok(claim.revision > (before[i]?.revision ?? 0), name);
        await refused('INTENT_CLAIMED', () => change(journal, 'late', takes('x', before[i]?.revision ?? 0, keyOf(name))));
        // a run of the same id is another one
        await change(journal, 'r', frees('a', keyOf(name)), reopens('a', keyOf(name)));
        assert.deepEqual(await journal.claim(keyOf(name)), claim, name);
      }
      assert.deepEqual(await found(journal, keyOf('of another run')), held('kept', 'b'));
      await change(journal, 'next', takes('x', await revision(journal, keyOf('unknown')), keyOf('unknown')));
      assert.deepEqual(await found(journal, keyOf('unknown')), held('next', 'x'));
    },
  ],
  [
    'a removed run leaves a free claim free, of the generation to which it was reopened',
    async (journal) => {
      await change(journal, 'r', takes('a', 0), takes('b', 0, keyOf('freed')));
      await change(journal, 'r', ends('a'), frees('b', keyOf('freed')));
      await change(journal, 'r', reopens('a'));
      await journal.remove('r');
      assert.deepEqual(await found(journal), free(1));
      assert.ok(['free', undefined].includes((await found(journal, keyOf('freed')))?.state));
      for (const [key, generation] of [
        [K, 1],
        [keyOf('freed'), 0],
      ] as const) {
        await change(journal, `of ${generation}`, takes('a', await revision(journal, key), key, { generation }));
        assert.deepEqual(await found(journal, key), held(`of ${generation}`, 'a', generation));
      }
    },
  ],
  [
    'a removed run leaves a claim to the call of another run that took it, or that did it',
    async (journal) => {
      await change(journal, 'r', takes('a', 0), takes('a', 0, keyOf('done')));
      await change(journal, 'other', takes('b', await revision(journal)), ends('b', keyOf('done')));
      await journal.remove('r');
      assert.deepEqual(await found(journal), held('other', 'b'));
      assert.deepEqual(await found(journal, keyOf('done')), done('other', 'b'));
      await journal.remove('other');
      assert.equal((await found(journal))?.state, 'unknown');
    },
  ],
  [
    'a claim that is given back to a call of a removed run is unknown, and names neither run nor arguments',
    async (journal) => {
      await change(journal, 'r', takes('a', 0));
      await change(journal, 'other', takes('b', await revision(journal)));
      await journal.remove('r');
      await change(journal, 'other', doubts('b', K, { holder: { run: 'r', call: 'a' } }));
      assert.deepEqual(await found(journal), { ...free(), state: 'unknown' });
    },
  ],
];

export const claimKeepingCases = ifKept(CASES);

const STORAGE: readonly ClaimCase[] = [
  [
    'claims are there, under the same keys, after the store was closed and opened again',
    async (journal, another) => {
      await change(journal, 'r', takes('a', 0), takes('b', 0, keyOf('done')), takes('c', 0, keyOf('reopened')));
      await change(journal, 'r', ends('b', keyOf('done'), { remember: 60_000 }), ends('c', keyOf('reopened')));
      await change(journal, 'r', reopens('c', keyOf('reopened')));
      const keys = [K, keyOf('done'), keyOf('reopened')];
      const before = await Promise.all(keys.map((key) => whole(journal, key)));
      await journal.close?.();
      const again = await another(journal);
      assert.deepEqual(await Promise.all(keys.map((key) => whole(again, key))), before);
      await refused('INTENT_CLAIMED', () => change(again, 'other', takes('x', 0)));
      await change(again, 'other', takes('x', await revision(again)));
      assert.deepEqual(await found(again), held('other', 'x'));
    },
  ],
  [
    'a claim that one handle takes is seen by the other, and of both that take it at once exactly one gets it',
    async (journal, another) => {
      const other = await another();
      await change(journal, 'r', takes('a', 0));
      assert.deepEqual(await found(other), held('r'));
      await refused('INTENT_CLAIMED', () => change(other, 'other', takes('b', 0)));
      for (let round = 0; round < 10; round++) {
        const seen = await revision(journal);
        const results = await Promise.allSettled(
          [journal, other].map(async (store, i) =>
            store.append(`r${round} ${i}`, 0, [entry(0)], head(`r${round} ${i}`), { claims: [takes('a', seen)] }),
          ),
        );
        const won = results.findIndex(({ status }) => status === 'fulfilled');
        assert.deepEqual(results.map((r) => (r.status === 'fulfilled' ? 'stored' : r.reason.code)).sort(), ['INTENT_CLAIMED', 'stored']);
        for (const store of [journal, other]) assert.deepEqual(await found(store), held(`r${round} ${won}`));
      }
    },
  ],
];

/** Tests of claims that open the storage again. */
export const claimStorageCases = ifKept(STORAGE);
