/** Tests of claims with separate processes. */
import assert from 'node:assert/strict';
import type { Claim } from '../../journal/claims.ts';
import { needs } from '../suite.ts';
import { type Claiming, found, held, keyOf, revision, takes } from './claim-kit.ts';
import { read } from './kit.ts';
import { codes, type Opening, type ProcessCase, withProcesses } from './processes.ts';

const NAMES = ['ana', 'ben', 'cem', 'dia'];
/** Rounds in which all processes compete for the same claim. */
const ROUNDS = 25;

const CASES: readonly (readonly [name: string, check: (journal: Claiming, opening: Opening) => Promise<void>])[] = [
  [
    'of several processes that claim the same key at once, exactly one gets it, and the others write nothing',
    async (journal, opening) => {
      await withProcesses(opening, NAMES, async ({ ask }) => {
        for (let round = 0; round < ROUNDS; round++) {
          const key = keyOf(`key ${round}`);
          const answers = await ask((i) => ({ do: 'claim', runId: `r${round} ${i}`, claims: [takes('a', 0, key)] }));
          assert.deepEqual(codes(answers), ['INTENT_CLAIMED', 'INTENT_CLAIMED', 'INTENT_CLAIMED', 'stored']);
          const won = answers.findIndex(({ code }) => code === undefined);
          assert.deepEqual(await found(journal, key), held(`r${round} ${won}`));
          for (const i of NAMES.keys()) assert.equal((await read(journal, `r${round} ${i}`)).length, i === won ? 1 : 0);
        }
      });
    },
  ],
  [
    'a claim of a process that was killed is seen by the others, and of those that take it over at once exactly one gets it',
    async (journal, opening) => {
      await withProcesses(opening, NAMES, async ({ ask, kill }) => {
        await ask((i) => ({ do: 'claim', runId: `first ${i}`, claims: [takes('a', 0, keyOf(`of ${i}`))] }));
        await kill(0);
        const key = keyOf('of 0');
        for (const { ok } of await ask(() => ({ do: 'claimed', key }))) {
          const { state, holder } = ok as Claim;
          assert.deepEqual([state, holder], ['held', { run: 'first 0', call: 'a' }]);
        }
        for (let round = 0; round < ROUNDS; round++) {
          const seen = await revision(journal, key);
          const answers = await ask((i) => ({ do: 'claim', runId: `r${round} ${i}`, claims: [takes('b', seen, key)] }));
          assert.deepEqual(codes(answers), ['INTENT_CLAIMED', 'INTENT_CLAIMED', 'stored']);
          const won = answers.findIndex(({ code }) => code === undefined);
          assert.deepEqual(await found(journal, key), held(`r${round} ${won + 1}`, 'b'));
        }
      });
    },
  ],
];

export const claimProcessCases: readonly ProcessCase[] = CASES.map(([name, check]) => [
  name,
  async (journal, opening) => {
    needs(journal, 'claim');
    await check(journal, opening);
  },
]);
