/** The tokens of resources, by workload, user, provider and scopes: sealed, renewed before they expire, and asked for once at a time. */

import { createHash } from 'node:crypto';
import { joining } from '../../../../flight.ts';
import type { Tokens, Wanted } from '../../../identity/oauth.ts';
import type { World } from '../call.ts';
import type { Oauth2Provider } from './oauth2-provider.ts';
import { OAUTH2, type OfWorkload, TOKEN, WORKLOAD, type Workload, workloadIn } from './resources.ts';
import { userKey, type WorkloadToken } from './workload-token.ts';

interface Kept {
  id: string;
  provider: string;
  sealed: string;
  /** A token that cannot be renewed is not kept when it has ended. Epoch milliseconds. */
  goneAt: number | undefined;
}

/** Milliseconds before its end at which a token is renewed. */
const MARGIN = 60_000;

const about = (id: string) => `the resource token ${id}`;
const sorted = (list: readonly string[] = []) => [...new Set(list)].sort();

/** Where a token is kept. Two tokens are never at one place, whatever their names hold. */
export function placeOf(
  flow: string,
  { workload, user }: WorkloadToken,
  provider: string,
  wanted: Wanted,
  more: readonly unknown[] = [],
): string {
  const { scopes, resources, audiences } = wanted;
  const whose = user === undefined ? null : userKey(user);
  const key = [flow, workload, whose, provider, sorted(scopes), sorted(resources), sorted(audiences), ...more];
  return createHash('sha256').update(JSON.stringify(key)).digest('base64url');
}

export interface TokenStore {
  get(id: string): Tokens | undefined;
  put(id: string, of: OfWorkload, provider: Oauth2Provider, tokens: Tokens): void;
  delete(id: string): void;
  /**
   * The token that is there and lasts, else a new one. Those who ask meanwhile get the same. If none can be had, the one that is there until it ends.
   * @param renew gets the old token, if there is one. @returns undefined if there is none and none can be had without the user.
   */
  current(
    id: string,
    of: OfWorkload,
    provider: Oauth2Provider,
    renew: (old: Tokens | undefined) => Promise<Tokens | undefined>,
  ): Promise<Tokens | undefined>;
  forgetProvider(name: string): void;
}

export function tokenStore(world: World): TokenStore {
  const { state, clock } = world;
  const join = joining<string, Tokens | undefined>();
  const own: TokenStore = {
    get(id) {
      const kept = state.get<Kept>(TOKEN, id);
      return kept && state.sealing.open<Tokens>(about(id), kept.sealed);
    },
    put(id, of, { name, callbackId }, tokens) {
      // what was deleted meanwhile leaves nothing
      if (!workloadIn(world, of)) return;
      if (state.get<Oauth2Provider>(OAUTH2, name)?.callbackId !== callbackId) return;
      const goneAt = tokens.refresh === undefined ? tokens.expiresAt : undefined;
      const kept: Kept = { id, provider: name, sealed: state.sealing.seal(about(id), tokens), goneAt };
      state.put(TOKEN, id, kept, of.workload);
    },
    delete: (id) => state.delete(TOKEN, id),
    async current(id, of, provider, renew) {
      const before = state.get<Kept>(TOKEN, id)?.sealed;
      const old = own.get(id);
      if (old && (old.expiresAt === undefined || old.expiresAt - MARGIN > clock.now())) return old;
      return join(id, async () => {
        const tokens = await renew(old).catch((error: unknown) => {
          if (old?.expiresAt !== undefined && old.expiresAt > clock.now()) return old;
          throw error;
        });
        // a consent that ended meanwhile is newer than what was renewed
        const there = state.get<Kept>(TOKEN, id)?.sealed;
        if (there !== undefined && there !== before) return own.get(id);
        if (tokens) own.put(id, of, provider, tokens);
        else own.delete(id);
        return tokens;
      });
    },
    forgetProvider(name) {
      for (const workload of state.list<Workload>(WORKLOAD))
        for (const kept of state.list<Kept>(TOKEN, workload.name)) if (kept.provider === name) state.delete(TOKEN, kept.id);
    },
  };
  return own;
}
