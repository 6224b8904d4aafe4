/** What a tool asks of an identity, and how a browser comes back. */
import type { CredentialRequest, Identity, Occasion } from 'rondo';
import type { LocalIdentity } from 'rondo/identity';

export const ana = { id: 'ana', tenant: 'acme' };

type Asked = CredentialRequest & Occasion;

export const ask = (over: Partial<Asked> = {}): Asked => ({
  provider: 'calendar',
  scopes: ['calendar.read'],
  flow: 'user',
  by: ana,
  runId: 'r1',
  agent: 'assistant',
  tool: 'meetings',
  signal: new AbortController().signal,
  ...over,
});

export async function urlOf(identity: Identity, over: Partial<Asked> = {}): Promise<string> {
  const got = await identity.get(ask(over));
  if (!('consentUrl' in got)) throw new Error('a token was given');
  return got.consentUrl;
}

export const back = (identity: LocalIdentity, url: string, over: Partial<Parameters<LocalIdentity['returned']>[0]> = {}) =>
  identity.returned({ url, by: ana, signal: new AbortController().signal, ...over });
