import assert from 'node:assert/strict';
import { type ErrorCode, RondoError } from '../errors.ts';
import { checkOptions } from '../options.ts';
import type { Assertion, ConsentNeeded, ConsentReturned, CredentialRequest, Identity, Occasion, Token } from '../ports/identity.ts';
import type { Principal } from '../ports/principal.ts';
import { declare, Lacking, lackingOf, type SuiteCase, type TestFunction } from './suite.ts';

/** An identity with its provider, for one test. What is left out is not tested. */
export interface IdentityUnderTest {
  identity: Identity;
  /** The same identity in another process. */
  another?(): Identity | Promise<Identity>;
  /** What to ask for, by flow. */
  requests: { readonly [F in NonNullable<CredentialRequest['flow']>]?: CredentialRequest };
  /**
   * A person at a browser opens the URL of a consent, signs in as this user, and consents or declines.
   * @returns the URL that the browser comes back to, which is not opened.
   */
  consent?(url: string, by: Principal, o: { decline: boolean }): Promise<string>;
  /** A token that a user is signed in with. Each call gives another one. */
  assertion?(by: Principal): Assertion | Promise<Assertion>;
  /** The id of the user whose token this is, as the provider says. */
  whose?(token: string): Promise<string | undefined>;
  close?(): unknown;
}

export interface IdentityConformanceOptions {
  /** `test` of vitest, jest or node:test. Default: the global one. */
  test?: TestFunction;
}

type Make = () => IdentityUnderTest | Promise<IdentityUnderTest>;
type Check = (under: IdentityUnderTest) => Promise<void>;
type Flow = NonNullable<CredentialRequest['flow']>;

const ana: Principal = { id: 'ana', tenant: 'acme' };
const ben: Principal = { id: 'ben', tenant: 'acme' };

const occasion = (over: Partial<Occasion> = {}): Occasion => ({
  by: ana,
  runId: 'run-1',
  agent: 'clerk',
  tool: 'act',
  signal: new AbortController().signal,
  ...over,
});

const requestOf = ({ requests }: IdentityUnderTest, flow: Flow): CredentialRequest => ({ ...(requests[flow] as CredentialRequest), flow });

const get = (under: IdentityUnderTest, flow: Flow, over: Partial<Occasion & Pick<CredentialRequest, 'force'>> = {}) =>
  under.identity.get({ ...requestOf(under, flow), ...occasion(over) });

async function tokenOf(asked: Promise<Token | ConsentNeeded>): Promise<Token> {
  const got = await asked;
  assert.ok('token' in got, 'a token is given');
  assert.ok(typeof got.token === 'string' && got.token !== '', 'a token is a text');
  assert.ok(got.expiresAt === undefined || got.expiresAt > Date.now() - 86_400_000, 'expiresAt is in epoch milliseconds');
  return got;
}

async function consentOf(asked: Promise<Token | ConsentNeeded>): Promise<ConsentNeeded> {
  const got = await asked;
  assert.ok('consentUrl' in got, 'a consent is asked for');
  assert.ok(URL.canParse(got.consentUrl), 'consentUrl is a URL');
  assert.ok(typeof got.handle === 'string' && got.handle !== '', 'handle is a text');
  return got;
}

const visit = (under: IdentityUnderTest, url: string, by: Principal, decline = false) =>
  (under.consent as NonNullable<IdentityUnderTest['consent']>)(url, by, { decline });

const back = (identity: Identity, url: string, by: Principal, assertion?: Assertion): Promise<ConsentReturned> =>
  (identity as Required<Identity>).returned({ url, by, ...(assertion && { assertion }), signal: new AbortController().signal });

/** Approves a consent as the engine does, and gets the token. */
async function approved(under: IdentityUnderTest, handle: string, over: Partial<Occasion> = {}): Promise<Token> {
  const request = requestOf(under, 'user');
  await under.identity.complete?.({ ...request, ...occasion(over), handle });
  return tokenOf(get(under, 'user', over));
}

async function refusal(doing: Promise<unknown>, ...codes: ErrorCode[]): Promise<void> {
  const error: unknown = await doing.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  assert.ok(RondoError.is(error), 'it is refused with a RondoError');
  assert.ok(codes.includes(error.code), `the code is ${codes.join(' or ')}, not ${error.code}`);
}

const isOf = async ({ whose }: IdentityUnderTest, { token }: Token, by: Principal) => {
  if (whose) assert.equal(await whose(token), by.id, 'the token is of the user who asked');
};

const consents = ({ identity, requests, consent }: IdentityUnderTest) => Boolean(requests.user && consent && identity.returned);

const cases: readonly (readonly [name: string, applies: (under: IdentityUnderTest) => boolean, check: Check])[] = [
  [
    'an API key is the same for every user, and for a run of the application',
    ({ requests }) => requests['api-key'] !== undefined,
    async (under) => {
      const keys = await Promise.all([ana, ben, undefined].map((by) => tokenOf(get(under, 'api-key', { by }))));
      assert.equal(new Set(keys.map(({ token }) => token)).size, 1);
    },
  ],
  [
    'a token of the application needs no user',
    ({ requests }) => requests.client !== undefined,
    async (under) => void (await tokenOf(get(under, 'client', { by: undefined }))),
  ],
  [
    'an unknown provider is an error',
    () => true,
    async ({ identity, requests }) => {
      const [flow] = Object.keys(requests) as Flow[];
      await assert.rejects(async () => identity.get({ provider: 'there-is-none', flow: flow ?? 'user', ...occasion() }));
    },
  ],
  [
    'a user consents, and then has a token, which no other user and no other tenant gets',
    consents,
    async (under) => {
      const { consentUrl, handle } = await consentOf(get(under, 'user'));
      const returned = await back(under.identity, await visit(under, consentUrl, ana), ana);
      assert.deepEqual(
        { runId: returned.runId, handle: returned.handle, outcome: returned.outcome },
        { runId: 'run-1', handle, outcome: 'granted' },
      );
      const token = await approved(under, handle);
      await isOf(under, token, ana);
      assert.equal((await tokenOf(get(under, 'user', { runId: 'run-2' }))).token, token.token);
      for (const by of [ben, { id: 'ana', tenant: 'other' }, { id: 'ana' }]) await consentOf(get(under, 'user', { by }));
    },
  ],
  [
    'a consent ends in another process',
    (under) => consents(under) && under.another !== undefined,
    async (under) => {
      const { consentUrl, handle } = await consentOf(get(under, 'user'));
      const other = await (under.another as NonNullable<IdentityUnderTest['another']>)();
      assert.equal((await back(other, await visit(under, consentUrl, ana), ana)).outcome, 'granted');
      await isOf(under, await approved({ ...under, identity: other }, handle), ana);
    },
  ],
  [
    'another user does not end a consent, and gets no token by trying',
    consents,
    async (under) => {
      const { consentUrl } = await consentOf(get(under, 'user'));
      const url = await visit(under, consentUrl, ben);
      await refusal(back(under.identity, url, ben), 'CONSENT_MISMATCH', 'CONSENT_NOT_FOUND', 'CONSENT_EXPIRED');
      for (const by of [ana, ben]) await consentOf(get(under, 'user', { by, runId: 'run-2' }));
    },
  ],
  [
    'a consent that began with a token ends only with the very same token',
    (under) => consents(under) && under.assertion !== undefined,
    async (under) => {
      const { assertion } = under as Required<IdentityUnderTest>;
      const [first, fresh] = [await assertion(ana), await assertion(ana)];
      const { consentUrl, handle } = await consentOf(get(under, 'user', { assertion: first }));
      const url = await visit(under, consentUrl, ana);
      await refusal(back(under.identity, url, ana, fresh), 'CONSENT_MISMATCH', 'CONSENT_EXPIRED');
      await refusal(back(under.identity, url, ana), 'CONSENT_MISMATCH', 'CONSENT_EXPIRED');
      assert.equal((await back(under.identity, url, ana, first)).outcome, 'granted');
      await isOf(under, await approved(under, handle, { assertion: first }), ana);
    },
  ],
  [
    'a second use of a consent is refused',
    consents,
    async (under) => {
      const { consentUrl } = await consentOf(get(under, 'user'));
      const url = await visit(under, consentUrl, ana);
      await back(under.identity, url, ana);
      await refusal(back(under.identity, url, ana), 'CONSENT_USED');
    },
  ],
  [
    'a return that no consent began is refused',
    consents,
    async (under) => {
      const { consentUrl } = await consentOf(get(under, 'user'));
      const { origin, pathname } = new URL(await visit(under, consentUrl, ana));
      for (const query of ['', '?code=made-up&state=made-up', '?error=access_denied'])
        await refusal(back(under.identity, origin + pathname + query, ana), 'CONSENT_NOT_FOUND');
    },
  ],
  [
    'a declined consent is declined, and the next call asks again',
    consents,
    async (under) => {
      const { consentUrl } = await consentOf(get(under, 'user'));
      assert.equal((await back(under.identity, await visit(under, consentUrl, ana, true), ana)).outcome, 'declined');
      await consentOf(get(under, 'user', { runId: 'run-2' }));
    },
  ],
  [
    'with force the user consents again',
    consents,
    async (under) => {
      const { consentUrl, handle } = await consentOf(get(under, 'user'));
      await back(under.identity, await visit(under, consentUrl, ana), ana);
      await approved(under, handle);
      await consentOf(get(under, 'user', { force: true, runId: 'run-2' }));
      await tokenOf(get(under, 'user', { runId: 'run-3' }));
    },
  ],
  [
    'users who ask at once each get their own token',
    consents,
    async (under) => {
      for (const by of [ana, ben]) {
        const { consentUrl, handle } = await consentOf(get(under, 'user', { by }));
        await back(under.identity, await visit(under, consentUrl, by), by);
        await approved(under, handle, { by });
      }
      const askers = Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? ana : ben));
      const tokens = await Promise.all(askers.map((by) => tokenOf(get(under, 'user', { by }))));
      for (const [i, token] of tokens.entries()) await isOf(under, token, askers[i] as Principal);
      assert.equal(new Set(tokens.map(({ token }) => token)).size, 2);
    },
  ],
  [
    'a run of the application gets no token of a user',
    ({ requests }) => requests.user !== undefined,
    async (under) => void (await assert.rejects(async () => get(under, 'user', { by: undefined }))),
  ],
  [
    'a token is exchanged for one of the same user, and without a token there is nothing to exchange',
    ({ requests, assertion }) => requests.exchange !== undefined && assertion !== undefined,
    async (under) => {
      const { assertion } = under as Required<IdentityUnderTest>;
      const of = async (by: Principal) => tokenOf(get(under, 'exchange', { by, assertion: await assertion(by) }));
      for (const by of [ana, ben]) await isOf(under, await of(by), by);
      await refusal(get(under, 'exchange', { runId: 'run-2' }), 'CONSENT_EXPIRED');
    },
  ],
];

/**
 * The contract of the {@link Identity} port as tests. Call it at the top of a test file, or inside a `describe`.
 * @param make opens an identity that knows no user yet. Called for each test.
 */
export function identityConformance(make: Make, o: IdentityConformanceOptions = {}): void {
  checkOptions(o, { test: 'test' }, 'identityConformance()');
  declare('identity', identityCases(make), o.test);
}

/** The tests as a list, for other test runners. Those of a flow that is not under test say so. */
export function identityCases(make: Make): readonly SuiteCase[] {
  return cases.map(([name, applies, check]) => ({
    name,
    async run() {
      const under = await make();
      try {
        return await lackingOf(async () => {
          if (!applies(under)) throw new Lacking('provider of this flow');
          await check(under);
        });
      } finally {
        await under.close?.();
      }
    },
  }));
}
