// The keys of an issuer that fails for a while.
import { expect, onTestFinished, test, vi } from 'vitest';
import { jwt, jwtAuthorizer } from '../../src/server/index.ts';
import { type Issuer, issuer } from './issuer.ts';

const MINUTE = 60_000;
/** Claims of a token that both ways of checking take. */
const CLAIMS = { sub: 'ana', aud: 'support' };

/** The clocks of this process go on by some milliseconds, from now on. The tokens of the issuer follow. */
function clock(): { pass(ms: number): void; readonly now: number } {
  let passed = 0;
  const now = { date: Date.now.bind(Date), steady: performance.now.bind(performance) };
  vi.spyOn(Date, 'now').mockImplementation(() => now.date() + passed);
  vi.spyOn(performance, 'now').mockImplementation(() => now.steady() + passed);
  vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  onTestFinished(() => void vi.restoreAllMocks());
  return {
    pass(ms) {
      passed += ms;
    },
    get now() {
      return now.date() + passed;
    },
  };
}

/** Two ways of checking a token: by the address of the keys, and by a discovery document that names it. */
const WAYS: readonly [string, (idp: Issuer) => (token: string) => Promise<boolean>][] = [
  [
    'jwt()',
    (idp) => {
      const verify = jwt({ issuer: idp.url, audience: 'support', keys: new URL(idp.jwks) });
      return async (token) => (await verify(token)) !== undefined;
    },
  ],
  [
    'jwtAuthorizer()',
    (idp) => {
      const authorizer = jwtAuthorizer({ discoveryUrl: idp.discoveryUrl, allowedAudience: ['support'] });
      return async (token) => (await authorizer.check(token)).ok;
    },
  ],
];

test.each(WAYS)(
  '%s: keys of the last hour are used in an outage, and the key set is asked for at most every half minute',
  async (_, way) => {
    const idp = await issuer();
    const time = clock();
    const check = way(idp);
    const token = () => idp.token(CLAIMS, { at: time.now });
    const asked = () => idp.asked.filter((path) => path === '/jwks').length;
    expect(await check(await token())).toBe(true);
    expect(asked()).toBe(1);
    idp.up = false;
    time.pass(10 * MINUTE + 1);
    for (let i = 0; i < 3; i++) expect(await check(await token())).toBe(true);
    expect(asked()).toBe(2);
    expect(process.emitWarning).toHaveBeenCalledOnce();
    expect(vi.mocked(process.emitWarning).mock.calls[0]?.[0]).toMatch(/jwks could not be had .* keys of the last hour are used/);
    time.pass(30_001);
    for (let i = 0; i < 3; i++) expect(await check(await token())).toBe(true);
    expect(asked()).toBe(3);
    time.pass(48 * MINUTE);
    expect(await check(await token())).toBe(true);
    time.pass(2 * MINUTE);
    await expect(check(await token())).rejects.toMatchObject({ code: 'PROVIDER_UNAVAILABLE' });
    // and it is back
    idp.up = true;
    time.pass(30_001);
    expect(await check(await token())).toBe(true);
    // the next outage has an hour of its own
    idp.up = false;
    time.pass(10 * MINUTE + 1);
    expect(await check(await token())).toBe(true);
  },
);

test.each(WAYS)('%s: a token of a new key cannot be checked in an outage, and one with a wrong signature is refused', async (_, way) => {
  const idp = await issuer();
  const time = clock();
  const check = way(idp);
  const token = () => idp.token(CLAIMS, { at: time.now });
  expect(await check(await token())).toBe(true);
  idp.up = false;
  time.pass(10 * MINUTE + 1);
  const [head, body] = (await token()).split('.');
  const forged = `${head}.${body}.${(await idp.token({ ...CLAIMS, sub: 'ben' }, { at: time.now })).split('.')[2]}`;
  expect(await check(forged)).toBe(false);
  idp.rotate();
  await expect(check(await token())).rejects.toMatchObject({ code: 'PROVIDER_UNAVAILABLE' });
  idp.up = true;
  time.pass(30_001);
  expect(await check(await token())).toBe(true);
});

test.each(WAYS)('%s: an issuer whose keys were never had is asked again at once', async (_, way) => {
  const idp = await issuer();
  const time = clock();
  const check = way(idp);
  idp.up = false;
  const token = await idp.token(CLAIMS, { at: time.now });
  for (let i = 0; i < 2; i++) await expect(check(token)).rejects.toMatchObject({ code: 'PROVIDER_UNAVAILABLE' });
  idp.up = true;
  expect(await check(token)).toBe(true);
});

test.each(WAYS)('%s: a token of a new key, while the known ones are fresh, begins no outage', async (_, way) => {
  const idp = await issuer();
  const time = clock();
  const check = way(idp);
  expect(await check(await idp.token(CLAIMS, { at: time.now }))).toBe(true);
  idp.up = false;
  idp.rotate();
  time.pass(31_000);
  const token = await idp.token(CLAIMS, { at: time.now });
  await expect(check(token)).rejects.toMatchObject({ code: 'PROVIDER_UNAVAILABLE' });
  idp.up = true;
  expect(await check(token)).toBe(true);
});

test('keys are kept where a new discovery document comes, and its key set does not', async () => {
  const idp = await issuer();
  const time = clock();
  const authorizer = jwtAuthorizer({ discoveryUrl: idp.discoveryUrl, allowedAudience: ['support'] });
  const check = async () => (await authorizer.check(await idp.token(CLAIMS, { at: time.now }))).ok;
  expect(await check()).toBe(true);
  idp.instead = { error: 'temporarily_unavailable' };
  time.pass(10 * MINUTE + 1);
  expect(await check()).toBe(true);
  expect(idp.asked.filter((path) => path.includes('openid'))).toHaveLength(2);
});
