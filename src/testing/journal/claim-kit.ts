import assert from 'node:assert/strict';
import type { ClaimChange, ClaimKey } from '../../journal/claims.ts';
import type { Journal } from '../../journal/port.ts';
import { needs } from '../suite.ts';
import type { Case } from './kit.ts';
import { entry, head, read } from './kit.ts';

export type Claiming = Journal & Required<Pick<Journal, 'claim'>>;
export type ClaimCase = readonly [
  name: string,
  check: (journal: Claiming, another: (from?: Journal) => Promise<Claiming>) => Promise<void>,
];
type To<S extends ClaimChange['to']> = Omit<Extract<ClaimChange, { to: S }>, 'to' | keyof ClaimKey | 'call' | 'generation'>;

export const keyOf = (key: string): ClaimKey => ({ tenant: 't', intent: 'pay', key });
export const K = keyOf('order 7');

/** A change of a claim by a call, of generation 0 unless `more` says another. */
const to = <S extends ClaimChange['to']>(
  state: S,
  call: string,
  more: To<S> & Partial<ClaimKey & { generation: number }>,
  key: ClaimKey = K,
): ClaimChange => ({ ...key, call, generation: 0, to: state, ...more }) as unknown as ClaimChange;

export const takes = (call: string, seen: number, key: ClaimKey = K, more: { generation?: number; digest?: string } = {}): ClaimChange =>
  to('held', call, { digest: `of ${call}`, seen, ...more }, key);
export const ends = (call: string, key: ClaimKey = K, more: { generation?: number; remember?: number } = {}) =>
  to('done', call, { digest: `of ${call}`, ...more }, key);
export const frees = (call: string, key: ClaimKey = K, generation = 0) => to('free', call, { generation }, key);
export const doubts = (call: string, key: ClaimKey = K, more: To<'unknown'> & { generation?: number } = {}) =>
  to('unknown', call, more, key);
export const reopens = (call: string, key: ClaimKey = K, generation = 0) => to('reopened', call, { generation }, key);

/** Appends one entry to a run, with changes of claims. */
export async function change(journal: Journal, runId: string, ...claims: ClaimChange[]): Promise<void> {
  const { length } = await read(journal, runId);
  await journal.append(runId, length, [entry(length)], head(runId), { claims });
}

/** A claim without times and revision, which a store may choose. */
export async function found(journal: Claiming, key: ClaimKey = K) {
  const claim = await journal.claim(key);
  if (!claim) return undefined;
  const { state, holder, digest, generation } = claim;
  return { state, by: holder ? `${holder.run} ${holder.call}` : undefined, digest, generation };
}
export const held = (run: string, call = 'a', generation = 0) => ({
  state: 'held',
  by: `${run} ${call}`,
  digest: `of ${call}`,
  generation,
});
export const done = (run: string, call = 'a', generation = 0) => ({ ...held(run, call, generation), state: 'done' });
export const unknown = (run: string, call = 'a', digest = `of ${call}`) => ({ ...held(run, call), digest, state: 'unknown' });
export const free = (generation = 0) => ({ state: 'free', by: undefined, digest: undefined, generation });

export async function revision(journal: Claiming, key: ClaimKey = K): Promise<number> {
  return (await journal.claim(key))?.revision ?? 0;
}
export const timeOf = async (journal: Journal) => (await journal.now?.()) ?? Date.now();
export const whole = async (journal: Claiming, key: ClaimKey = K) => JSON.stringify((await journal.claim(key)) ?? null, fields);
const fields = (_: string, value: unknown) =>
  typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))) : value;

/** Asserts that a change by a run applies, or leaves the claim exactly as it was. */
export async function ignored(journal: Claiming, runId: string, made: ClaimChange): Promise<void> {
  const before = await whole(journal);
  await change(journal, runId, made);
  assert.equal(await whole(journal), before, `${made.to} by ${runId} ${made.call} changed the claim`);
}

/** Most claims that an append changes. */
export const MANY = 25;

export const ifKept = (cases: readonly ClaimCase[]): readonly Case[] =>
  cases.map(([name, check]) => [
    name,
    async (journal, another) => {
      needs(journal, 'claim');
      await check(journal, another as (from?: Journal) => Promise<Claiming>);
    },
  ]);
