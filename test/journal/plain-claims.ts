import { type Claim, type ClaimChange, type ClaimKey, changedClaims, claimMac, tombstone } from '../../src/journal/claims.ts';
import { memoryJournal } from '../../src/journal/memory/journal.ts';
import type { Journal } from '../../src/journal/port.ts';
import { around } from '../kit/journals.ts';

/** Everything that the suite must notice in a store's claims. */
export const BUGS = [
  'takes no look at the revision',
  'takes an older revision',
  'lets a claim be taken only where it is free',
  'takes a claim before the append is sure',
  'keeps the other claims of a refused append',
  'keeps the entries of a refused claim',
  'checks and takes in two moments',
  'lets any call of the run free a claim',
  'lets any run free a claim',
  'forgets who held a claim that was given back',
  'takes a late result for nothing',
  'does what is done again',
  'frees what is done',
  'forgets what is free',
  'reopens for any call',
  'keeps the generation of what is reopened',
  'ignores the generation',
  'makes only the first change of a key',
  'turns the changes round',
  'makes as many changes as it is given',
  'forgets after no time',
  'remembers for seconds',
  'forgets what was done with its run',
  'forgets what is unknown with its run',
  'keeps the holder of a removed run',
  'keeps the arguments of a removed run',
  'keeps the revision of a removed run',
  'counts from the removal',
  'frees what a removed run held',
  'touches the claims of other runs',
  'takes all tenants for one',
  'takes no tenant for an empty one',
  'takes all intents for one',
  'joins the names',
  'cuts keys at 256 characters',
  'normalizes keys',
  'takes keys of other case for the same',
  'ends keys at a null',
  'hands out its own claims',
  'names a run that is gone',
  'has a clock of its own',
  'does not say which claim it is',
] as const;
export type Bug = (typeof BUGS)[number];

/** A store as a user might write it, with claims by one map; with one of the bugs, or with none. */
export function plainClaims(bug?: Bug): Journal {
  const { claim: _, ...without } = memoryJournal();
  const inner = around(without, {});
  const claims = new Map<string, Claim>();
  const is = (...bugs: Bug[]) => bug !== undefined && bugs.includes(bug);

  const macOf = ({ tenant, intent, key }: ClaimKey) => {
    const name = is('takes all intents for one') ? '' : intent;
    const of = is('takes all tenants for one') ? '' : is('takes no tenant for an empty one') ? (tenant ?? '') : tenant;
    let text = key;
    if (is('cuts keys at 256 characters')) text = key.slice(0, 256);
    if (is('normalizes keys')) text = key.normalize('NFC');
    if (is('takes keys of other case for the same')) text = key.toLowerCase();
    if (is('ends keys at a null')) [text = ''] = key.split('\u0000');
    return is('joins the names')
      ? `${of === undefined} ${of}${name}${text}`
      : claimMac(new Uint8Array(1), { tenant: of, intent: name, key: text });
  };

  const knows = (runId: string) => is('names a run that is gone') || [...(inner.read(runId) as Iterable<unknown>)].length > 0;

  /** The change as the bug makes it. */
  function twisted(runId: string, change: ClaimChange): { runId: string; change: ClaimChange } {
    const claim = claims.get(macOf(change));
    const made = { ...change };
    if (is('ignores the generation')) made.generation = claim?.generation ?? 0;
    if (made.to === 'held') {
      const { revision = 0 } = claim ?? {};
      if (is('takes no look at the revision') || (is('takes an older revision') && made.seen < revision)) made.seen = revision;
      if (is('lets a claim be taken only where it is free') && claim && claim.state !== 'free') made.seen = revision + 1;
    }
    if (made.to === 'unknown' && is('forgets who held a claim that was given back')) delete made.holder;
    if (made.to === 'done' && made.remember !== undefined) {
      if (is('forgets after no time')) delete made.remember;
      else if (is('remembers for seconds')) made.remember *= 1_000;
    }
    if (made.to === 'free' || made.to === 'unknown') {
      if (is('lets any run free a claim') && claim?.holder?.call === made.call) return { runId: claim.holder.run, change: made };
      if (is('lets any call of the run free a claim') && claim?.holder?.run === runId) made.call = claim.holder.call;
    }
    if (made.to === 'reopened' && is('reopens for any call') && claim?.holder)
      return { runId: claim.holder.run, change: { ...made, call: claim.holder.call } };
    return { runId, change: made };
  }

  function change(runId: string, changes: readonly ClaimChange[]): void {
    const now = is('has a clock of its own') ? 7 : Date.now();
    const find = (mac: string) => {
      const claim = claims.get(mac);
      const first = changes[0];
      if (
        claim?.state === 'done' &&
        first &&
        (is('frees what is done') ? first.to === 'free' : is('does what is done again') && first.to === 'done')
      )
        return { ...claim, state: 'held' as const };
      if (is('takes a late result for nothing') && first?.to === 'done' && claim?.holder?.run !== runId) return undefined;
      return claim;
    };
    let made = changes.map((each) => twisted(runId, each));
    if (is('makes only the first change of a key'))
      made = made.filter((a, i) => made.findIndex((b) => macOf(b.change) === macOf(a.change)) === i);
    if (is('turns the changes round')) made.reverse();
    const [by = runId] = made.map((each) => each.runId);
    const set = (all: readonly ClaimChange[]) => {
      for (const [mac, claim] of changedClaims(by, all, { macOf, find, knows, now }))
        if (is('forgets what is free') && claim.state === 'free' && claim.generation === 0) claims.delete(mac);
        else claims.set(mac, is('keeps the generation of what is reopened') ? { ...claim, generation: 0 } : claim);
    };
    const list = made.map((each) => each.change);
    try {
      if (is('keeps the other claims of a refused append')) for (const each of list) set([each]);
      else if (is('makes as many changes as it is given')) for (let i = 0; i < list.length; i += 25) set(list.slice(i, i + 25));
      else set(list);
    } catch (error) {
      if (is('does not say which claim it is') && error instanceof Error) Object.assign(error, { details: {} });
      throw error;
    }
  }

  return around(inner, {
    async append(runId, seq, entries, head, o) {
      const changes = o?.claims;
      if (!changes) return inner.append(runId, seq, entries, head);
      if (is('checks and takes in two moments')) {
        const before = new Map(claims);
        change(runId, changes);
        const after = new Map(claims);
        claims.clear();
        for (const [mac, claim] of before) claims.set(mac, claim);
        await new Promise((resolve) => setImmediate(resolve));
        for (const [mac, claim] of after) claims.set(mac, claim);
        return inner.append(runId, seq, entries, head);
      }
      if (is('keeps the entries of a refused claim')) await inner.append(runId, seq, entries, head);
      const before = new Map(claims);
      change(runId, changes);
      if (is('keeps the entries of a refused claim')) return;
      try {
        await inner.append(runId, seq, entries, head);
      } catch (error) {
        if (!is('takes a claim before the append is sure')) {
          claims.clear();
          for (const [mac, claim] of before) claims.set(mac, claim);
        }
        throw error;
      }
    },
    claim(key) {
      const claim = claims.get(macOf(key));
      return is('hands out its own claims') ? claim : structuredClone(claim);
    },
    async remove(runId, expectedSeq) {
      await inner.remove(runId, expectedSeq);
      for (const [mac, claim] of claims) {
        if (claim.holder?.run !== runId && !(is('touches the claims of other runs') && claim.holder)) continue;
        const left = tombstone(claim);
        if (is('forgets what was done with its run') && claim.state === 'done') claims.delete(mac);
        else if (is('forgets what is unknown with its run') && claim.state === 'unknown') claims.delete(mac);
        else if (is('frees what a removed run held') && claim.state === 'held') claims.set(mac, { ...left, state: 'free' });
        else
          claims.set(mac, {
            ...left,
            holder: is('keeps the holder of a removed run') ? claim.holder : undefined,
            digest: is('keeps the arguments of a removed run') ? claim.digest : undefined,
            revision: is('keeps the revision of a removed run') ? claim.revision : left.revision,
            since: is('counts from the removal') ? left.since + 1_000 : left.since,
          });
      }
    },
  });
}
