import { type ConsentReturn, type CredentialRequest, type Identity, type Occasion, RondoError } from 'rondo';
import { identities } from 'rondo/identity';
import { expect, test } from 'vitest';

const asked = (provider: string): CredentialRequest & Occasion => ({
  provider,
  by: { id: 'ana' },
  runId: 'r1',
  agent: 'a',
  tool: 't',
  signal: new AbortController().signal,
});
const back = (url: string): ConsentReturn => ({ url, by: { id: 'ana' }, signal: new AbortController().signal });

/** An identity that knows the consents of its own states. */
function one(name: string, o: { states?: readonly string[] } = {}): Identity & { completed: string[] } {
  const completed: string[] = [];
  return {
    completed,
    get: async ({ provider }) => ({ token: `${name} for ${provider}` }),
    complete: async ({ handle }) => void completed.push(handle),
    ...(o.states && {
      async returned({ url }) {
        const state = new URL(url).searchParams.get('state') as string;
        if (!o.states?.includes(state)) throw new RondoError('CONSENT_NOT_FOUND', 'No.');
        if (state === 'used') throw new RondoError('CONSENT_USED', 'Used.');
        return { runId: 'r1', handle: `${name} ${state}`, provider: name, outcome: 'granted' };
      },
    }),
  };
}

test('each provider has its identity, and all others that of *', async () => {
  const [aws, rest] = [one('aws'), one('rest')];
  const all = identities({ aws, '*': rest });
  expect(await all.get(asked('aws'))).toEqual({ token: 'aws for aws' });
  expect(await all.get(asked('github'))).toEqual({ token: 'rest for github' });
  await all.complete?.({ ...asked('github'), handle: 'h' });
  expect([aws.completed, rest.completed]).toEqual([[], ['h']]);
});

test('a provider that none is for is an error that suggests one, also if its name is that of a property of all objects', async () => {
  const all = identities({ github: one('github') });
  await expect(all.get(asked('gihub'))).rejects.toThrow(/Did you mean "github"/);
  for (const name of ['constructor', '__proto__', 'toString'])
    await expect(all.get(asked(name))).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
});

test('a browser comes back to the identity that knows the consent', async () => {
  const all = identities({ a: one('a', { states: ['1', 'used'] }), keys: one('keys'), '*': one('rest', { states: ['2', 'used'] }) });
  expect(await all.returned?.(back('https://app.example/consent?state=1'))).toMatchObject({ handle: 'a 1' });
  expect(await all.returned?.(back('https://app.example/consent?state=2'))).toMatchObject({ handle: 'rest 2' });
  await expect(all.returned?.(back('https://app.example/consent?state=3'))).rejects.toMatchObject({ code: 'CONSENT_NOT_FOUND' });
  // why one refuses is told, and no other is asked
  await expect(all.returned?.(back('https://app.example/consent?state=used'))).rejects.toMatchObject({ code: 'CONSENT_USED' });
});

test('without an identity that has consents there is no return', () => {
  expect(identities({ aws: one('aws') }).returned).toBeUndefined();
});

test('what is not an identity is refused where it is declared', () => {
  expect(() => identities({})).toThrow(/takes an identity for each provider/);
  expect(() => identities({ aws: {} as Identity })).toThrow(/"aws" has no method get/);
  expect(() => identities(undefined as never)).toThrow(/takes an identity for each provider/);
});
