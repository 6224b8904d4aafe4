/** Mistakes in what an identity is told: each is refused where it is declared, with the name of what is wrong, and without a secret. */
import { generateKeyPairSync, webcrypto } from 'node:crypto';
import { Engine, type Identity } from 'rondo';
import { agentcoreIdentity } from 'rondo/agentcore/identity';
import { consentCallback, localIdentity, sqliteVault } from 'rondo/identity';
import { expect, test } from 'vitest';

const SECRET = 'secret-9f31c0d2';
const vault = sqliteVault(':memory:', { current: 'k', keys: { k: Buffer.alloc(32, 7) } });
const refused = (why: string) => expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining(why) });
const at = 'https://id.example';
const client = { discovery: at, clientId: 'x', clientSecret: SECRET };
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const spki = publicKey.export({ format: 'der', type: 'spki' });
const publicCrypto = await webcrypto.subtle.importKey('spki', spki, { name: 'ECDSA', namedCurve: 'P-256' }, true, ['verify']);

test.each<[string, object, string]>([
  ['scopes that are a text', { ...client, extraScopes: 'offline_access' }, 'extraScopes is a list'],
  ['two scopes in one', { ...client, extraScopes: ['openid email'] }, 'extraScopes are texts without spaces'],
  ['a parameter that is a number', { ...client, parameters: { max_age: 3 } }, 'parameters are texts'],
  ['parameters that are a text', { ...client, parameters: 'prompt=consent' }, 'parameters is an object'],
  [
    'an endpoint that is misspelt',
    { endpoints: { issuer: at, token: at, authorisation: at }, clientId: 'x' },
    'Did you mean "authorization"?',
  ],
  ['a client that is a number', { ...client, clientId: 7 }, 'clientId is a text'],
  ['a secret that is a number', { ...client, clientSecret: 193_021 }, 'clientSecret is a text.'],
  ['an address with a password', { ...client, discovery: `https://x:${SECRET}@id.example` }, 'clientId and clientSecret'],
  ['an address that is not a text', { ...client, discovery: new URL(at) }, 'discovery is a text'],
  ['a key in PEM', { ...client, clientKey: SECRET }, 'clientKey is a private CryptoKey'],
  ['a key of node:crypto', { ...client, clientKey: privateKey }, 'clientKey is a private CryptoKey'],
  ['a public key', { ...client, clientKey: { key: publicCrypto, kid: '1' } }, 'clientKey is a private CryptoKey'],
  ['an exchange that is a text', { ...client, exchange: 'jwt-bearer' }, 'exchange is an object'],
  ['an option of the exchange that there is not', { ...client, exchange: { grant: 'jwt-bearer', params: {} } }, 'no option "params"'],
  [
    'a parameter of the exchange that is none',
    { ...client, exchange: { grant: 'jwt-bearer', parameters: { x: 1 } } },
    'exchange.parameters',
  ],
  ['an API key that is empty', { apiKey: '' }, 'apiKey is a text that is not empty'],
  ['an API key with the end of its line', { apiKey: `${SECRET}\n` }, 'apiKey begins or ends with white space'],
])('a provider with %s', (_, provider, why) => {
  const make = () => localIdentity({ vault, providers: { crm: provider } });
  expect(make).toThrow(refused(why));
  expect(make).toThrow(refused('provider "crm"'));
  for (const secret of [SECRET, '193021']) expect(make).toThrow(expect.objectContaining({ message: expect.not.stringContaining(secret) }));
});

test.each<[string, () => unknown, string]>([
  ['providers that are a list', () => localIdentity({ vault, providers: [client] as never }), 'providers, by name'],
  [
    'keepAssertions as a text',
    () => localIdentity({ vault, providers: {}, keepAssertions: 'yes' as never }),
    'keepAssertions is true or false',
  ],
  ['a timeout that no timer has', () => localIdentity({ vault, providers: {}, timeout: 1e300 }), 'timeout'],
  ['a vault without a path', () => sqliteVault(undefined as never, { current: 'k', keys: { k: SECRET } }), 'the path of a file'],
  ['polling that is misspelt', () => agentcoreIdentity({ workload: 'desk', polling: { evry: 5 } as never }), 'Did you mean "every"?'],
  ['polling that is null', () => agentcoreIdentity({ workload: 'desk', polling: null as never }), 'polling is an object'],
  ['a client that is none', () => agentcoreIdentity({ workload: 'desk', client: {} as never }), 'client is one of the AWS SDK'],
])('%s', (_, make, why) => {
  expect(make).toThrow(refused(why));
});

test('a callback without an engine, or with a page in place of a function', () => {
  const identity = { get: async () => ({ token: 'x' }), returned: async () => ({}) } as unknown as Identity;
  const o = { authenticate: () => undefined, returnUrls: ['https://a.example/c'] };
  expect(() => consentCallback({} as never, identity, o)).toThrow(refused('takes an engine'));
  expect(() => consentCallback(new Engine(), identity, { ...o, next: '/chat' as never })).toThrow(refused('next is a function'));
});

test('an API key with the end of its line is not stored', async () => {
  const identity = localIdentity({ vault, providers: { maps: {} } });
  await expect(identity.setKey('maps', `${SECRET}\n`)).rejects.toEqual(refused('white space'));
});
