/** Tests of what an append makes of claims. */
import assert from 'node:assert/strict';
import type { Claim, ClaimChange } from '../../journal/claims.ts';
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
  ignored,
  K,
  keyOf,
  MANY,
  reopens,
  revision,
  takes,
  timeOf,
  unknown,
  whole,
} from './claim-kit.ts';
import { entries, entry, head, headOf, plain, read, refused, same, start } from './kit.ts';

const CASES: readonly ClaimCase[] = [
  [
    'a key that was never claimed is not known, and the first call that takes it holds it',
    async (journal) => {
      assert.equal(await journal.claim(K), undefined);
      const before = await timeOf(journal);
      await change(journal, 'r', takes('a', 0));
      const after = await timeOf(journal);
      assert.deepEqual(await found(journal), held('r'));
      const { since, until, revision } = (await journal.claim(K)) as Claim;
      assert.ok(since >= before && since <= after, 'the time is not that of the clock of the store');
      assert.equal(until, undefined);
      assert.ok(revision > 0);
      same(await read(journal, 'r'), entries(0, 1));
    },
  ],
  [
    'a claim is taken only by a call that saw its newest revision, in whatever state it is',
    async (journal) => {
      await refused('INTENT_CLAIMED', () => change(journal, 'r', takes('a', 1)));
      await change(journal, 'r', takes('a', 0));
      const states = [frees('a'), doubts('a'), ends('a')];
      for (const [i, leads] of [undefined, ...states].entries()) {
        const key = keyOf(`key ${i}`);
        await change(journal, 'r', takes('a', 0, key));
        const first = await revision(journal, key);
        if (leads) await change(journal, 'r', { ...leads, ...key });
        const newest = await revision(journal, key);
        if (leads) assert.ok(newest > first, `${leads.to} did not raise the revision`);
        for (const seen of new Set([0, first, newest + 1].filter((seen) => seen !== newest))) {
          const error = await refused('INTENT_CLAIMED', () => change(journal, 'other', takes('b', seen, key)));
          const { call, claim } = error.details as unknown as { call: string; claim: Claim };
          assert.equal(call, 'b', 'the refusal does not name the call');
          assert.equal(claim.revision, newest, 'the refusal does not show the claim');
        }
        await change(journal, 'other', takes('b', newest, key));
        assert.deepEqual(await found(journal, key), held('other', 'b'));
      }
    },
  ],
  [
    'an append whose claim is refused writes nothing: no entry, no head, no other claim',
    async (journal) => {
      await change(journal, 'holder', takes('a', 0));
      await start(journal, 'r', 2);
      const before = await whole(journal);
      const others = [keyOf('before'), keyOf('after')] as const;
      const attempt = [takes('b', 0, others[0]), takes('c', 0), takes('d', 0, others[1])];
      await refused('INTENT_CLAIMED', () =>
        journal.append('r', 2, entries(2, 3), head('r', { status: 'completed', agent: 'intruder', session: 's' }), { claims: attempt }),
      );
      await refused('INTENT_CLAIMED', () => journal.append('new', 0, entries(0, 1), head('new', { session: 's' }), { claims: attempt }));
      same(await read(journal, 'r'), entries(0, 2));
      assert.deepEqual(await headOf(journal, 'r'), plain(head('r')));
      assert.equal(await headOf(journal, 'new'), undefined);
      for (const key of others) assert.equal(await journal.claim(key), undefined);
      assert.equal(await whole(journal), before);
      await start(journal, 'second', 1, { session: 's' });
      await journal.append('r', 2, [entry(2)], head('r'));
      same(await read(journal, 'r'), entries(0, 3));
    },
  ],
  [
    'an append that is refused for its position or its session changes no claim',
    async (journal) => {
      await start(journal, 'r', 2, { session: 's' });
      for (const [seq, code] of [
        [1, 'JOURNAL_CONFLICT'],
        [3, 'JOURNAL_CONFLICT'],
      ] as const)
        await refused(code, () => journal.append('r', seq, [entry(seq)], head('r', { session: 's' }), { claims: [takes('a', 0)] }));
      await refused('SESSION_BUSY', () => journal.append('b', 0, [entry(0)], head('b', { session: 's' }), { claims: [takes('a', 0)] }));
      assert.equal(await journal.claim(K), undefined);
    },
  ],
  [
    'a refused claim fails no append of another run at the same time',
    async (journal) => {
      await change(journal, 'holder', takes('a', 0));
      const first = (runId: string, claims?: ClaimChange[]) => async () =>
        journal.append(runId, 0, entries(0, 2), head(runId), claims && { claims });
      const results = await Promise.allSettled(
        [
          first('a'),
          first('late', [takes('b', 0)]),
          first('b', [takes('b', 0, keyOf('own'))]),
          first('later', [takes('b', 0, keyOf('lost')), takes('c', 9)]),
          first('c'),
        ].map((attempt) => attempt()),
      );
      assert.deepEqual(
        results.map((r) => (r.status === 'fulfilled' ? 'stored' : r.reason.code)),
        ['stored', 'INTENT_CLAIMED', 'stored', 'INTENT_CLAIMED', 'stored'],
      );
      for (const runId of ['a', 'b', 'c']) same(await read(journal, runId), entries(0, 2));
      for (const runId of ['late', 'later']) same(await read(journal, runId), []);
      assert.deepEqual(await found(journal, keyOf('own')), held('b', 'b'));
      assert.equal(await journal.claim(keyOf('lost')), undefined);
    },
  ],
  [
    'of many calls that take a claim by the same revision at once, exactly one gets it',
    async (journal) => {
      for (let round = 0; round < 4; round++) {
        const seen = await revision(journal);
        const attempts = Array.from({ length: 20 }, (_, i) => `r${round} ${i}`);
        const results = await Promise.allSettled(
          attempts.map(async (runId) => journal.append(runId, 0, [entry(0)], head(runId), { claims: [takes('a', seen)] })),
        );
        const winners = attempts.filter((_, i) => results[i]?.status === 'fulfilled');
        assert.equal(winners.length, 1, `${winners.length} calls were given the claim`);
        for (const result of results) if (result.status === 'rejected') assert.equal(result.reason.code, 'INTENT_CLAIMED');
        assert.deepEqual(await found(journal), held(winners[0] as string));
        for (const runId of attempts) assert.equal((await read(journal, runId)).length, runId === winners[0] ? 1 : 0);
      }
    },
  ],
  [
    'a claim is freed, or becomes unknown, only by the call that holds it',
    async (journal) => {
      await change(journal, 'r', takes('a', 0));
      for (const make of [frees, doubts]) {
        await ignored(journal, 'other', make('a'));
        await ignored(journal, 'r', make('b'));
      }
      await ignored(journal, 'r', frees('a', K, 1));
      await ignored(journal, 'r', doubts('a', K, { generation: 1 }));
      await change(journal, 'r', doubts('a'));
      assert.deepEqual(await found(journal), unknown('r'));
      await ignored(journal, 'other', frees('a'));
      await change(journal, 'r', frees('a'));
      assert.deepEqual(await found(journal), free());
      // the claim has no holder now
      for (const make of [frees, doubts]) await ignored(journal, 'r', make('a'));
      // changes of a key that is not known
      await change(journal, 'r', frees('a', keyOf('x')), doubts('a', keyOf('x')), ends('a', keyOf('x')), reopens('a', keyOf('x')));
      assert.equal(await journal.claim(keyOf('x')), undefined);
    },
  ],
  [
    'a call that took a claim over and did not run gives it back',
    async (journal) => {
      await change(journal, 'r', takes('a', 0));
      await change(journal, 'other', takes('b', await revision(journal)));
      await change(journal, 'other', doubts('b', K, { holder: { run: 'r', call: 'a' } }));
      assert.deepEqual(await found(journal), unknown('r', 'a', 'of b'));
      await ignored(journal, 'other', frees('b'));
      await change(journal, 'r', frees('a'));
      assert.deepEqual(await found(journal), free());
    },
  ],
  [
    'a claim that is done stays as it is: nothing frees it, doubts it or does it again',
    async (journal) => {
      await change(journal, 'r', takes('a', 0));
      await change(journal, 'r', ends('a'));
      assert.deepEqual(await found(journal), done('r'));
      for (const made of [frees('a'), doubts('a'), doubts('a', K, { holder: { run: 'x', call: 'y' } }), ends('a', K, { remember: 5 })])
        await ignored(journal, 'r', made);
      await ignored(journal, 'other', ends('b'));
    },
  ],
  [
    'a late result makes a claim done, even if another call holds it, or none does',
    async (journal) => {
      for (const [i, later] of [[takes('b', -1)], [takes('b', -1), doubts('b')], [takes('b', -1), frees('b')]].entries()) {
        const key = keyOf(`key ${i}`);
        await change(journal, 'r', takes('a', 0, key));
        for (const made of later)
          await change(journal, 'other', { ...made, ...key, ...(made.to === 'held' && { seen: await revision(journal, key) }) });
        await change(journal, 'r', ends('a', key));
        assert.deepEqual(await found(journal, key), done('r'));
      }
    },
  ],
  [
    'only the done call is reopened, once; what a call of the generation before says later has no effect',
    async (journal) => {
      await change(journal, 'r', takes('a', 0));
      await ignored(journal, 'r', reopens('a'));
      await change(journal, 'r', ends('a'));
      await ignored(journal, 'r', reopens('b'));
      await ignored(journal, 'other', reopens('a'));
      await ignored(journal, 'r', reopens('a', K, 1));
      const before = await revision(journal);
      await change(journal, 'r', reopens('a'));
      assert.deepEqual(await found(journal), free(1));
      assert.ok((await revision(journal)) > before);
      for (const made of [reopens('a'), ends('a'), frees('a'), doubts('a')]) await ignored(journal, 'r', made);
      await change(journal, 'other', takes('b', await revision(journal), K, { generation: 1 }));
      await ignored(journal, 'r', ends('a'));
      assert.deepEqual(await found(journal), held('other', 'b', 1));
      await change(journal, 'other', ends('b', K, { generation: 1 }));
      await change(journal, 'other', reopens('b', K, 1));
      assert.deepEqual(await found(journal), free(2));
    },
  ],
  [
    'the changes of one append are made in their order, also those of one key, and together with its entries',
    async (journal) => {
      await change(journal, 'r', takes('a', 0), ends('a'));
      assert.deepEqual(await found(journal), done('r'));
      await refused('INTENT_CLAIMED', () => change(journal, 'r', takes('a', 0, keyOf('x')), takes('b', 0, keyOf('x'))));
      assert.equal(await journal.claim(keyOf('x')), undefined);
      await change(journal, 'r', ends('a', keyOf('y')), takes('a', 0, keyOf('y')));
      assert.deepEqual(await found(journal, keyOf('y')), held('r'));
    },
  ],
  [
    `an append changes up to ${MANY} claims, and with more it is refused`,
    async (journal) => {
      const keys = Array.from({ length: MANY + 1 }, (_, i) => keyOf(`key ${i}`));
      const claims = keys.map((key, i) => takes(`${i}`, 0, key));
      await refused('CONFIG_INVALID', () => change(journal, 'r', ...claims));
      for (const key of keys) assert.equal(await journal.claim(key), undefined);
      same(await read(journal, 'r'), []);
      await change(journal, 'r', ...claims.slice(0, MANY));
      for (const [i, key] of keys.slice(0, MANY).entries()) assert.deepEqual(await found(journal, key), held('r', `${i}`));
    },
  ],
];

export const claimCases = ifKept(CASES);
