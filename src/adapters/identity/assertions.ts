/** Callers' own tokens, kept for runs that go on without their caller. */
import type { Assertion, Occasion } from '../../ports/identity.ts';
import { expiryOf } from './expiry.ts';
import { assertionPlace } from './places.ts';
import type { Vault } from './vault.ts';

export interface Assertions {
  /** The token of the request, or the one that was kept for its run; undefined if there is none, or it is over. */
  of(owner: string, r: Occasion): Promise<{ assertion: Assertion; kept: boolean } | undefined>;
  /** Keeps the token of the request until its `exp`, if that is wanted. One without an `exp` is not kept. */
  keep(owner: string, r: Occasion): Promise<void>;
  drop(owner: string, runId: string): Promise<void>;
  /** Of all runs of the user. */
  dropAll(owner: string): Promise<void>;
}

export function assertions(vault: Vault, now: () => number, keeps: boolean): Assertions {
  return {
    async of(owner, r) {
      const { assertion } = r;
      if (assertion && (expiryOf(assertion.token) ?? Number.POSITIVE_INFINITY) > now()) return { assertion, kept: false };
      const kept = keeps && ((await vault.get(assertionPlace(owner, r.runId))) as Assertion | undefined);
      return kept ? { assertion: kept, kept: true } : undefined;
    },
    async keep(owner, r) {
      const { assertion } = r;
      const until = assertion && expiryOf(assertion.token);
      if (!keeps || !assertion || until === undefined || until <= now()) return;
      const place = assertionPlace(owner, r.runId);
      const known = (vault.peek(place) ?? (await vault.get(place))) as Assertion | undefined;
      if (known?.token !== assertion.token) await vault.put(place, { value: { ...assertion }, until });
    },
    drop: async (owner, runId) => void (await vault.remove(assertionPlace(owner, runId))),
    dropAll: async (owner) => {
      const { kind, provider } = assertionPlace(owner, '');
      await vault.remove({ kind, owner, provider });
    },
  };
}
