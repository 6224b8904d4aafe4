/** Mistakes in what checks callers and calls others: each is refused where it is declared, as it would refuse every token, or let in what is not meant. */
import { createSecretKey, generateKeyPairSync } from 'node:crypto';
import { SignJWT } from 'jose';
import { jwt, jwtAuthorizer, publicFetch, webhooks } from 'rondo/server';
import { expect, test } from 'vitest';

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const issuer = 'https://id.example';
const good = { issuer, audience: 'support', keys: publicKey };
const refused = (why: string) => expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining(why) });

test.each<[string, object, string]>([
  ['an issuer that is a URL', { issuer: new URL(issuer) }, 'issuer is a text'],
  ['an audience that is not set', { audience: [undefined] }, 'audience is a text'],
  ['an audience that is a number', { audience: 7 }, 'audience is a text'],
  ['a scope that is not set', { scopes: [undefined] }, 'a scope is a text'],
  ['an address that is a text', { keys: `${issuer}/jwks` }, 'new URL('],
  ['a key in PEM', { keys: publicKey.export({ format: 'pem', type: 'spki' }) }, 'createPublicKey'],
  ['a private key', { keys: privateKey }, 'not a private key'],
  ['a short secret', { keys: createSecretKey(Buffer.alloc(31)) }, 'at least 32 bytes'],
  ['an algorithm that there is not', { algorithms: ['RSA256'] }, '"RSA256"'],
  ['no algorithm', { algorithms: [] }, 'RS256'],
  ['the algorithm none', { algorithms: ['none'] }, 'none'],
  ['the algorithm of a secret for a public key', { algorithms: ['ES256', 'HS256'] }, 'of public keys'],
  ['the algorithm of a secret for published keys', { keys: new URL(`${issuer}/jwks`), algorithms: ['HS256'] }, 'of public keys'],
  ['the algorithm of public keys for a secret', { keys: Buffer.alloc(32), algorithms: ['RS256'] }, 'of a secret'],
])('jwt() with %s', (_, wrong, why) => {
  expect(() => jwt({ ...good, ...wrong } as never)).toThrow(refused(why));
});

test('jwt() takes a secret as a key of node:crypto as it takes its bytes', async () => {
  const secret = Buffer.alloc(32, 3);
  const token = await new SignJWT({ sub: 'ana' })
    .setProtectedHeader({ alg: 'HS256' })
    .setIssuer(issuer)
    .setAudience('support')
    .setExpirationTime('5m')
    .sign(secret);
  for (const keys of [secret, createSecretKey(secret)]) expect(await jwt({ ...good, keys })(token)).toEqual({ id: 'ana' });
});

const authorizer = { discoveryUrl: `${issuer}/.well-known/openid-configuration`, allowedScopes: ['support'] };
test.each<[string, object, string]>([
  ['a scope that no header can hold', { advertisedScopeMapping: { support: 'a"b\r\nx: y' } }, 'a scope is 1 to 255'],
  ['a mapping that is a text', { advertisedScopeMapping: 'api/support' }, 'advertisedScopeMapping is an object'],
  ['claims that are a text', { principal: { claims: 'department' } }, 'claims is a list'],
  ['a tenant that is empty', { principal: { tenant: '' } }, 'tenant is a text'],
  ['an origin that is a text', { allow: 'http://127.0.0.1:9000' }, 'jwtAuthorizer(): allow is a list'],
])('jwtAuthorizer() with %s', (_, wrong, why) => {
  expect(() => jwtAuthorizer({ ...authorizer, ...wrong } as never)).toThrow(refused(why));
});

test.each(['http://10.0.0.7:8080/public', 'http://10.0.0.7:8080?x', 'http://a:b@10.0.0.7', 'localhost:9000', 'ftp://10.0.0.7'])(
  'an origin that is more than one is refused: %s',
  (origin) => {
    for (const make of [publicFetch, webhooks]) expect(() => make({ allow: [origin] })).toThrow(refused('list of origins'));
    for (const one of ['http://10.0.0.7:8080', 'http://10.0.0.7:8080/', 'HTTPS://Id.Example']) publicFetch({ allow: [one] });
  },
);

test.each([{ timeout: 0 }, { timeout: 'soon' }, { attempts: 0 }, { attempts: 1.5 }])('webhooks() with %j', (wrong) => {
  expect(() => webhooks(wrong as never)).toThrow(refused('attempts a whole number'));
});
