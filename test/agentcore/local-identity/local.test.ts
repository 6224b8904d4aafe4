import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { CredentialRequest, Identity, Occasion, Token } from 'rondo';
import { RondoError } from 'rondo';
import { type LocalIdentity, localIdentity, type Provider, sqliteVault, type Vault } from 'rondo/identity';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { folder } from '../../kit/folder.ts';
import { ana, ask, back, urlOf } from './asking.ts';
import { type AuthorizationServer, authorizationServer, browser, CLIENT, userToken } from './server.ts';

const CALLBACK = 'http://127.0.0.1:9/consent';
const ben = { id: 'ben', tenant: 'acme' };
const key = randomBytes(32).toString('hex');

let server: AuthorizationServer;
let now = Date.now();
const vaults: Vault[] = [];
beforeAll(async () => {
  server = await authorizationServer(CALLBACK);
});
beforeEach(() => {
  now = Date.now();
  server.before = () => undefined;
  server.ttl.access = 3_600;
});
afterEach(async () => {
  for (const vault of vaults.splice(0)) await vault.close();
});
afterAll(() => server.close());

const providers = (): Record<string, Provider> => ({ calendar: { discovery: server.issuer, ...CLIENT } });

function identityAt(path: string, o: Partial<Parameters<typeof localIdentity>[0]> = {}): LocalIdentity {
  const vault = sqliteVault(path, { current: 'k1', keys: { k1: key } }, { now: () => now });
  vaults.push(vault);
  return localIdentity({ vault, providers: providers(), callback: CALLBACK, now: () => now, ...o });
}

async function tokenOf(identity: Identity, over: Partial<CredentialRequest & Occasion> = {}): Promise<Token> {
  const got = await identity.get(ask(over));
  if (!('token' in got)) throw new Error('a consent is needed');
  return got;
}

/** A user's consent, from the question to the return. */
async function consented(identity: LocalIdentity, over: Partial<CredentialRequest & Occasion> = {}): Promise<void> {
  const { by = ana } = over;
  await back(identity, await browser(by.id).consent(await urlOf(identity, over)), {
    by,
    ...(over.assertion && { assertion: over.assertion }),
  });
}

const codeOf = (doing: Promise<unknown>) =>
  doing.then(
    () => 'no error',
    (error: unknown) => (RondoError.is(error) ? error.code : String(error)),
  );

const place = () => join(folder('identity'), 'vault.db');

describe('the flow user', () => {
  test('asks for consent once, then hands out the token of the user who consented, in any process', async () => {
    const path = place();
    const identity = identityAt(path);
    const asked = await identity.get(ask());
    if (!('consentUrl' in asked)) throw new Error('a token was given');
    const url = new URL(asked.consentUrl);
    expect(url.searchParams.get('code_challenge_method')).toBe('S256');
    expect(url.searchParams.get('redirect_uri')).toBe(CALLBACK);
    const returned = await browser('ana').consent(asked.consentUrl);
    // the browser comes back to another process
    const other = identityAt(path);
    expect(await back(other, returned)).toEqual({ runId: 'r1', handle: asked.handle, provider: 'calendar', outcome: 'granted' });
    const token = await tokenOf(identity);
    expect(token).toMatchObject({ flow: 'user', expiresAt: expect.any(Number) });
    expect(await server.whose(token.token)).toMatchObject({ user: 'ana', scope: 'calendar.read' });
    expect(await tokenOf(other, { runId: 'r2' })).toEqual(token);
  });

  test('a token of some scopes is not handed out for others, nor to another user or another tenant', async () => {
    const identity = identityAt(place());
    await consented(identity);
    await urlOf(identity, { scopes: ['calendar.write'] });
    await urlOf(identity, { scopes: ['calendar.read', 'mail'] });
    await urlOf(identity, { resources: ['https://api.example.com'] });
    await urlOf(identity, { by: ben });
    await urlOf(identity, { by: { id: 'ana', tenant: 'other' } });
    await urlOf(identity, { by: { id: 'ana' } });
    expect((await tokenOf(identity, { scopes: ['calendar.read', 'calendar.read'] })).flow).toBe('user');
  });

  test('a token is for the resource that was named', async () => {
    const identity = identityAt(place());
    const resources = ['https://api.example.com'];
    await consented(identity, { resources });
    const { token } = await tokenOf(identity, { resources });
    expect(await server.whose(token)).toMatchObject({ user: 'ana', audience: 'https://api.example.com' });
    now += 3_590_000;
    const renewed = await tokenOf(identity, { resources });
    expect(renewed.refreshed).toBe(true);
    expect(await server.whose(renewed.token)).toMatchObject({ audience: 'https://api.example.com' });
  });

  test('several tools of a run are answered by one consent, and another run asks for itself', async () => {
    const identity = identityAt(place());
    const [a, b] = await Promise.all([identity.get(ask()), identity.get(ask({ tool: 'other' }))]);
    expect(a).toEqual(b);
    expect(await identity.get(ask({ runId: 'r2' }))).not.toEqual(a);
  });

  test('with force the user consents again, whatever is there', async () => {
    const identity = identityAt(place());
    await consented(identity);
    const before = await tokenOf(identity);
    const url = new URL(await urlOf(identity, { force: true }));
    expect(url.searchParams.get('prompt')).toBe('consent');
    await back(identity, await browser('ana').consent(url.href));
    expect((await tokenOf(identity)).token).not.toBe(before.token);
  });

  test('a forced consent is not answered by one that was begun without force', async () => {
    const identity = identityAt(place());
    const unforced = await urlOf(identity);
    const forced = await urlOf(identity, { force: true, tool: 'other' });
    expect([unforced, forced].map((url) => new URL(url).searchParams.get('prompt'))).toEqual([null, 'consent']);
  });

  test('a run of the application has no user to ask', async () => {
    expect(await codeOf(identityAt(place()).get(ask({ by: undefined })))).toBe('NOT_PERMITTED');
  });

  test('two users at once: each gets their own token, however often it is asked for', async () => {
    const path = place();
    const identities = [identityAt(path), identityAt(path)] as const;
    await Promise.all([consented(identities[0], { by: ana }), consented(identities[1], { by: ben, runId: 'r2' })]);
    now += 3_590_000;
    const all = await Promise.all(
      Array.from({ length: 40 }, async (_, i) => {
        const by = i % 3 === 0 ? ben : ana;
        const { token } = await tokenOf(identities[i % 2] as LocalIdentity, { by });
        return [by.id, (await server.whose(token))?.user];
      }),
    );
    for (const [asked, got] of all) expect(got).toBe(asked);
  });
});

describe('renewal', () => {
  test('before the end, once, no matter who asks: no refresh token is used twice', async () => {
    const path = place();
    const identities = [identityAt(path), identityAt(path)] as const;
    await consented(identities[0]);
    const first = await tokenOf(identities[0]);
    for (let round = 1; round <= 3; round++) {
      now += 3_550_000;
      const from = server.requests.length;
      const got = await Promise.all(Array.from({ length: 10 }, (_, i) => tokenOf(identities[i % 2] as LocalIdentity)));
      expect(server.requests.slice(from)).toHaveLength(1);
      expect(new Set(got.map(({ token }) => token)).size).toBe(1);
      expect(got[0]?.token).not.toBe(first.token);
      expect(got.filter(({ refreshed }) => refreshed)).toHaveLength(1);
    }
    const used = server.requests.flatMap(({ refresh }) => refresh ?? []);
    expect(new Set(used).size).toBe(used.length);
  });

  test('a revoked refresh token leads to consent again', async () => {
    const identity = identityAt(place());
    await consented(identity);
    await server.takeBack('ana');
    now += 3_590_000;
    const url = await urlOf(identity);
    await back(identity, await browser('ana').consent(url));
    expect(await server.whose((await tokenOf(identity)).token)).toMatchObject({ user: 'ana' });
  });

  test('a provider that is down: the token is handed out as long as it lasts, then PROVIDER_UNAVAILABLE, and nothing is lost', async () => {
    const broken = await authorizationServer(CALLBACK);
    const port = new URL(broken.issuer).port;
    let down = false;
    const identity = identityAt(place(), {
      providers: { calendar: { discovery: broken.issuer, ...CLIENT } },
      fetch: (url, init) => (down && url.includes(`:${port}`) ? Promise.reject(new TypeError('fetch failed')) : fetch(url, init)),
    });
    await consented(identity);
    const { token } = await tokenOf(identity);
    down = true;
    now += 3_590_000;
    expect((await tokenOf(identity)).token).toBe(token);
    now += 20_000;
    expect(await codeOf(identity.get(ask()))).toBe('PROVIDER_UNAVAILABLE');
    down = false;
    expect(await tokenOf(identity)).toMatchObject({ refreshed: true });
    await broken.close();
  });

  test('revoke takes the tokens back at the provider and out of the vault, of this user alone', async () => {
    const path = place();
    const identity = identityAt(path);
    await consented(identity);
    await consented(identity, { by: ben });
    const { token } = await tokenOf(identity);
    expect(await identityAt(path).revoke({ by: ana })).toEqual([{ provider: 'calendar', outcome: 'revoked' }]);
    expect(await server.whose(token)).toBeUndefined();
    await urlOf(identity);
    expect(await server.whose((await tokenOf(identity, { by: ben })).token)).toMatchObject({ user: 'ben' });
    expect(await identity.revoke({ by: { id: 'stranger' } })).toEqual([]);
  });
});

describe('the return of a browser', () => {
  const begun = async (over: Partial<CredentialRequest & Occasion> = {}, o: Partial<Parameters<typeof localIdentity>[0]> = {}) => {
    const identity = identityAt(place(), o);
    return { identity, url: await browser('ana').consent(await urlOf(identity, over)) };
  };
  const jwt = (token: string) => ({ type: 'jwt', token });

  test('by another user, or the same id of another tenant, is CONSENT_MISMATCH, and the right one can still end it', async () => {
    const { identity, url } = await begun();
    for (const by of [ben, { id: 'ana' }, { id: 'ana', tenant: 'other' }])
      expect(await codeOf(back(identity, url, { by }))).toBe('CONSENT_MISMATCH');
    await urlOf(identity, { runId: 'r9' });
    expect(await back(identity, url)).toMatchObject({ outcome: 'granted' });
  });

  test('with a fresh token of the same user is CONSENT_MISMATCH: only the very token that began it ends it', async () => {
    const exp = Math.floor(now / 1_000) + 600;
    const first = jwt(userToken('ana', exp));
    const fresh = jwt(userToken('ana', exp, { jti: 2 }));
    const { identity, url } = await begun({ assertion: first });
    expect(await codeOf(back(identity, url, { assertion: fresh }))).toBe('CONSENT_MISMATCH');
    expect(await codeOf(back(identity, url))).toBe('CONSENT_MISMATCH');
    expect(await back(identity, url, { assertion: first })).toMatchObject({ outcome: 'granted' });
    const loose = await begun({ assertion: first }, { bind: 'user' });
    expect(await back(loose.identity, loose.url, { assertion: fresh })).toMatchObject({ outcome: 'granted' });
  });

  test('a second time is CONSENT_USED, twice at once too', async () => {
    const { identity, url } = await begun();
    const ends = await Promise.all([codeOf(back(identity, url)), codeOf(back(identity, url))]);
    expect(ends.sort()).toEqual(['CONSENT_USED', 'no error']);
    await expect(back(identity, url)).rejects.toMatchObject({ code: 'CONSENT_USED', details: { runId: 'r1', outcome: 'granted' } });
    expect(await codeOf(back(identity, url, { by: ben }))).toBe('CONSENT_MISMATCH');
  });

  test('too late is CONSENT_EXPIRED, and says which run asks again', async () => {
    const { identity, url } = await begun({}, { consentLifetime: 60_000 });
    now += 60_000;
    await expect(back(identity, url)).rejects.toMatchObject({
      code: 'CONSENT_EXPIRED',
      details: { runId: 'r1', handle: expect.any(String) },
    });
    await urlOf(identity);
  });

  test('to an address that is not the callback is RETURN_URL_REFUSED', async () => {
    const { identity, url } = await begun();
    for (const wrong of ['http://evil.example/consent', 'http://127.0.0.1:9/other', 'http://127.0.0.1:8/consent'])
      expect(await codeOf(back(identity, wrong + new URL(url).search))).toBe('RETURN_URL_REFUSED');
    // a proxy may end TLS
    expect(await back(identity, url.replace('http:', 'https:'))).toMatchObject({ outcome: 'granted' });
  });

  test('with a state that was not asked for, or none, is CONSENT_NOT_FOUND', async () => {
    const { identity, url } = await begun();
    for (const wrong of [CALLBACK, `${CALLBACK}?code=x`, `${CALLBACK}?code=x&state=y`, `${url}x`, 'nonsense'])
      expect(await codeOf(back(identity, wrong))).not.toBe('no error');
    expect(await codeOf(back(identity, `${CALLBACK}?code=x&state=y`))).toBe('CONSENT_NOT_FOUND');
  });

  test('a code of another consent, or one that was made up, is PROVIDER_REFUSED, and the right one still works', async () => {
    const { identity, url } = await begun();
    const other = new URL(await browser('ben').consent(await urlOf(identity, { by: ben })));
    for (const code of ['made-up', other.searchParams.get('code') ?? '']) {
      const forged = new URL(url);
      forged.searchParams.set('code', code);
      expect(await codeOf(back(identity, forged.href))).toBe('PROVIDER_REFUSED');
    }
    expect(await back(identity, url)).toMatchObject({ outcome: 'granted' });
  });

  test('is not undone by a renewal that is under way: what was consented to last is what is handed out', async () => {
    const identity = identityAt(place(), { consentLifetime: 7_200_000 });
    await consented(identity);
    const url = await browser('ana').consent(await urlOf(identity, { force: true }));
    now += 3_590_000;
    const from = server.requests.length;
    let returned = () => {};
    const done = new Promise<void>((resolve) => {
      returned = resolve;
    });
    let begun = () => {};
    const renewal = new Promise<void>((resolve) => {
      begun = resolve;
    });
    server.before = async (path, grant) => {
      if (path !== '/token' || grant !== 'refresh_token') return;
      begun();
      // the browser's return would end meanwhile, if it did not wait for the renewal
      await Promise.race([done, new Promise((resolve) => setTimeout(resolve, 500))]);
    };
    const renewing = tokenOf(identity);
    await renewal;
    await back(identity, url);
    returned();
    const old = await renewing;
    expect(server.requests.slice(from).map(({ grant }) => grant)).toEqual(['refresh_token', 'authorization_code']);
    expect((await tokenOf(identity)).token).not.toBe(old.token);
  });

  test('by a process that stood still sends nothing: another one may have exchanged the code', async () => {
    const path = place();
    const url = await browser('ana').consent(await urlOf(identityAt(path)));
    const inner = sqliteVault(path, { current: 'k1', keys: { k1: key } }, { now: () => now });
    vaults.push(inner);
    const still = new RondoError('VAULT_UNAVAILABLE', 'it stood still');
    const vault: Vault = {
      ...inner,
      alone: (name, work) =>
        inner.alone(name, () =>
          work({
            assert() {
              throw still;
            },
          }),
        ),
    };
    const from = server.requests.length;
    expect(await codeOf(back(identityAt(path, { vault }), url))).toBe('VAULT_UNAVAILABLE');
    expect(server.requests).toHaveLength(from);
    expect(await back(identityAt(path), url)).toMatchObject({ outcome: 'granted' });
  });

  test('a declined consent is declined, and asked for again by the next call', async () => {
    const identity = identityAt(place());
    const url = await browser('ana').consent(await urlOf(identity), { decline: true });
    expect(await codeOf(back(identity, url, { by: ben }))).toBe('CONSENT_MISMATCH');
    expect(await back(identity, url)).toMatchObject({ outcome: 'declined', runId: 'r1' });
    await expect(back(identity, url)).rejects.toMatchObject({ code: 'CONSENT_USED', details: { outcome: 'declined' } });
    await urlOf(identity);
  });
});

describe('several authorization servers', () => {
  const EACH = 'http://127.0.0.1:9/consent/{provider}';

  test('need a callback each', () => {
    const two = { ...providers(), evil: { discovery: 'https://evil.example', ...CLIENT } };
    expect(() => identityAt(place(), { providers: two })).toThrow(/'http:\/\/127\.0\.0\.1:9\/consent\/\{provider\}'/);
    identityAt(place(), { providers: two, callback: EACH });
    // one server under two names, and servers that ask no person
    identityAt(place(), { providers: { ...providers(), again: { discovery: server.issuer, ...CLIENT } } });
    identityAt(place(), { providers: { ...providers(), keys: { apiKey: 'k' } } });
    for (const callback of ['http://127.0.0.1:9/a-{provider}', 'http://{provider}.example/', 'http://127.0.0.1:9/{provider}/x{provider}'])
      expect(() => identityAt(place(), { callback })).toThrow();
  });

  test('cannot have a browser bring one of them the code of another', async () => {
    const honest = await authorizationServer('http://127.0.0.1:9/consent/calendar');
    const got: string[] = [];
    const evil = createServer(async (request, response) => {
      const { url = '', headers } = request;
      const issuer = `http://${headers.host}`;
      if (url.startsWith('/.well-known/'))
        return void response.setHeader('content-type', 'application/json').end(
          // persons are sent to the honest server
          JSON.stringify({ issuer, authorization_endpoint: `${honest.issuer}/auth`, token_endpoint: `${issuer}/token` }),
        );
      for await (const chunk of request) got.push(String(chunk));
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ access_token: 'evil', token_type: 'bearer' }));
    });
    await new Promise<void>((resolve) => evil.listen(0, '127.0.0.1', resolve));
    const discovery = `http://127.0.0.1:${(evil.address() as AddressInfo).port}`;
    const identity = identityAt(place(), {
      callback: EACH,
      providers: { calendar: { discovery: honest.issuer, ...CLIENT }, evil: { discovery, ...CLIENT } },
    });
    const asked = new URL(await urlOf(identity, { provider: 'evil' }));
    expect(asked.searchParams.get('redirect_uri')).toBe('http://127.0.0.1:9/consent/evil');
    // the honest server takes no address but that of its own provider
    asked.searchParams.set('redirect_uri', 'http://127.0.0.1:9/consent/calendar');
    const returned = new URL(await browser('ana').consent(asked.href));
    // as by a server without RFC 9207
    returned.searchParams.delete('iss');
    expect(await codeOf(back(identity, returned.href))).toBe('RETURN_URL_REFUSED');
    expect(got).toEqual([]);
    await consented(identity);
    expect(await honest.whose((await tokenOf(identity)).token)).toMatchObject({ user: 'ana' });
    evil.close();
    await honest.close();
  });
});

describe('the flows without a person', () => {
  test('an API key: given, or kept in the vault', async () => {
    const path = place();
    const keys = { weather: { apiKey: 'key-of-config' }, maps: {} };
    const identity = identityAt(path, { providers: keys });
    const keyed = (provider: string) => tokenOf(identity, { provider, flow: 'api-key', by: undefined });
    expect(await keyed('weather')).toEqual({ token: 'key-of-config', flow: 'api-key' });
    expect(await codeOf(keyed('maps'))).toBe('CONFIG_INVALID');
    await identityAt(path, { providers: keys }).setKey('maps', 'key-of-vault');
    expect(await keyed('maps')).toEqual({ token: 'key-of-vault', flow: 'api-key' });
    await identity.setKey('maps', null);
    expect(await codeOf(keyed('maps'))).toBe('CONFIG_INVALID');
    await expect(identity.get(ask({ provider: 'wether' }))).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('weather'),
    });
  });

  test('client credentials: one token for all, got again before it ends', async () => {
    const path = place();
    const identities = [identityAt(path), identityAt(path)] as const;
    const from = server.requests.length;
    const got = await Promise.all(
      Array.from({ length: 6 }, (_, i) => tokenOf(identities[i % 2] as LocalIdentity, { flow: 'client', by: undefined })),
    );
    expect(server.requests.slice(from)).toEqual([{ grant: 'client_credentials' }]);
    expect(new Set(got.map(({ token }) => token)).size).toBe(1);
    expect(await server.whose(got[0]?.token ?? '')).toMatchObject({ user: undefined, scope: 'calendar.read' });
    now += 3_590_000;
    expect((await tokenOf(identities[0], { flow: 'client' })).token).not.toBe(got[0]?.token);
  });

  test.each(['token-exchange', 'jwt-bearer'] as const)('exchange by %s, for the caller of each request', async (grant) => {
    const identity = identityAt(place(), { providers: { calendar: { discovery: server.issuer, ...CLIENT, exchange: { grant } } } });
    const exp = Math.floor(now / 1_000) + 600;
    const of = (sub: string, jti: number) => ({ type: 'jwt', token: userToken(sub, exp, { jti }) });
    const exchange = (by: typeof ana, assertion: ReturnType<typeof of>) => tokenOf(identity, { flow: 'exchange', by, assertion });
    const [a, b] = await Promise.all([exchange(ana, of('ana', 1)), exchange(ben, of('ben', 1))]);
    expect(await server.whose(a.token)).toMatchObject({ user: 'ana', scope: 'calendar.read' });
    expect(await server.whose(b.token)).toMatchObject({ user: 'ben' });
    expect((await exchange(ana, of('ana', 1))).token).toBe(a.token);
    // another token may allow less
    expect((await exchange(ana, of('ana', 2))).token).not.toBe(a.token);
  });

  test('without the token of the caller: CONSENT_EXPIRED, or a page where they sign in again', async () => {
    const path = place();
    const exp = Math.floor(now / 1_000) + 600;
    const assertion = { type: 'jwt', token: userToken('ana', exp) };
    const identity = identityAt(path);
    await tokenOf(identity, { flow: 'exchange', assertion });
    expect(await codeOf(identity.get(ask({ flow: 'exchange' })))).toBe('CONSENT_EXPIRED');
    const asking = identityAt(path, { signIn: 'https://app.example.com/sign-in' });
    expect(await asking.get(ask({ flow: 'exchange' }))).toMatchObject({ consentUrl: 'https://app.example.com/sign-in' });
    expect((await tokenOf(asking, { flow: 'exchange', assertion })).flow).toBe('exchange');
    now = exp * 1_000;
    expect(await codeOf(identity.get(ask({ flow: 'exchange', assertion })))).toBe('CONSENT_EXPIRED');
  });

  test('a token of the caller that is kept serves its run, and no other, until it ends', async () => {
    const path = place();
    const exp = Math.floor(now / 1_000) + 7_200;
    const keeping = { keepAssertions: true };
    await tokenOf(identityAt(path, keeping), { flow: 'exchange', assertion: { type: 'jwt', token: userToken('ana', exp) } });
    const later = identityAt(path, keeping);
    expect(await server.whose((await tokenOf(later, { flow: 'exchange' })).token)).toMatchObject({ user: 'ana' });
    expect(await codeOf(later.get(ask({ flow: 'exchange', runId: 'r2' })))).toBe('CONSENT_EXPIRED');
    expect(await codeOf(later.get(ask({ flow: 'exchange', by: ben })))).toBe('CONSENT_EXPIRED');
    now += 3_590_000;
    expect(await server.whose((await tokenOf(later, { flow: 'exchange' })).token)).toMatchObject({ user: 'ana' });
    now = exp * 1_000;
    expect(await codeOf(later.get(ask({ flow: 'exchange' })))).toBe('CONSENT_EXPIRED');
  });

  test('a token of the caller that the provider does not take is PROVIDER_REFUSED; one that was kept, CONSENT_EXPIRED', async () => {
    const exp = Math.floor(now / 1_000) + 600;
    const refused = { flow: 'exchange' as const, assertion: { type: 'jwt', token: userToken('barred', exp) } };
    const identity = identityAt(place(), { keepAssertions: true });
    const error = await identity.get(ask(refused)).catch((e: unknown) => e);
    expect(error).toMatchObject({ code: 'PROVIDER_REFUSED', details: { error: 'invalid_grant' } });
    // the server's own text holds the token
    expect(JSON.stringify([error, String(error), (error as Error).stack, (error as Error).cause])).not.toContain(refused.assertion.token);
    expect(await codeOf(identity.get(ask({ flow: 'exchange' })))).toBe('CONSENT_EXPIRED');
  });
});
