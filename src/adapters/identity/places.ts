/** Where the secrets of a local identity are in its vault. */
import { sha256 } from '../../journal/canonical.ts';
import type { CredentialRequest } from '../../ports/identity.ts';
import type { Principal } from '../../ports/principal.ts';
import type { Tokens } from './oauth.ts';
import type { Place } from './vault.ts';

/** A token as it is kept. A type, so that the compiler knows it as JSON. */
export type KeptToken = { [K in keyof Tokens]: Tokens[K] };

/** The owner of what belongs to a user, as a text. Two users of different tenants are never the same. */
export const ownerOf = ({ tenant, id }: Principal): string => JSON.stringify([tenant ?? null, id]);

/** The owner of what belongs to the application. No user has this name. */
export const APPLICATION = 'application';

/** What differs between two tokens of one user and provider. The order in which a tool names its scopes does not. */
export function aboutOf({ scopes = [], resources = [], audiences = [] }: CredentialRequest, more: readonly string[] = []): string {
  const sorted = (list: readonly string[]) => [...new Set(list)].sort();
  return JSON.stringify([sorted(scopes), sorted(resources), sorted(audiences), ...more]);
}

/** What changes the tokens of a user and provider does it under this name alone. */
export const lockOf = ({ owner, provider }: Pick<Place, 'owner' | 'provider'>): string => `token ${owner} ${provider}`;

export const fingerprint = (token: string): string => sha256(token);

export const tokenPlace = (owner: string, r: CredentialRequest): Place => ({
  kind: 'token',
  owner,
  provider: r.provider,
  about: aboutOf(r),
});

export const keyPlace = (provider: string): Place => ({ kind: 'api-key', owner: APPLICATION, provider, about: '' });

export const clientPlace = (r: CredentialRequest): Place => ({
  kind: 'client',
  owner: APPLICATION,
  provider: r.provider,
  about: aboutOf(r),
});

/** Bound to the caller's token: one that allows less never gets what another one was exchanged for. */
export const exchangedPlace = (owner: string, r: CredentialRequest, assertion: string): Place => ({
  kind: 'exchanged',
  owner,
  provider: r.provider,
  about: aboutOf(r, [fingerprint(assertion)]),
});

export const assertionPlace = (owner: string, runId: string): Place => ({ kind: 'assertion', owner, provider: '', about: runId });
