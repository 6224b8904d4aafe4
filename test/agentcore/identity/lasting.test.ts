/** How long the tokens of resources are kept, and what a provider that refuses or fails costs. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import * as data from '@aws-sdk/client-bedrock-agentcore';
import { expect, test } from 'vitest';
import { ask, desk, newProvider, RETURN, WORKLOAD } from './desk.ts';
import { closing, jwtOf, type Started, tokenFor } from './server.ts';

type Answer = readonly [status: number, body: object];
const ana = { userId: 'ana' };
const provider = { resourceCredentialProviderName: 'other' };
const DAY = 86_400_000;

/** A provider whose token endpoint answers by the grant, and which lets every user pass. */
async function answering(of: (grant: string) => Answer | Promise<Answer>): Promise<Started> {
  const started = await desk();
  const server = createServer(async (request, response) => {
    const { url = '', headers } = request;
    const issuer = `http://${headers.host}`;
    const { pathname, searchParams } = new URL(url, issuer);
    if (pathname === '/authorize') {
      const location = `${searchParams.get('redirect_uri')}?code=c&state=${searchParams.get('state')}`;
      return void response.writeHead(302, { location }).end();
    }
    const [status, body] = url.startsWith('/.well-known/')
      ? ([200, { issuer, authorization_endpoint: `${issuer}/authorize`, token_endpoint: `${issuer}/token` }] as const)
      : await of(new URLSearchParams(await text(request)).get('grant_type') ?? '');
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing({ close: () => server.closeAllConnections() });
  closing(server);
  const discoveryUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/.well-known/openid-configuration`;
  const exchange = { grantType: 'TOKEN_EXCHANGE', tokenExchangeGrantTypeConfig: { actorTokenContent: 'NONE' } } as const;
  await newProvider(
    started,
    { oauthDiscovery: { discoveryUrl }, clientId: 'c', clientSecret: 's', onBehalfOfTokenExchangeConfig: exchange },
    'other',
  );
  return started;
}

const given = (more: object = {}): Answer => [200, { access_token: 'token-1', token_type: 'bearer', expires_in: 600, ...more }];
const kept = async ({ server }: Started) => {
  const headers = { authorization: `Bearer ${server.adminToken}` };
  const { resources } = (await (await fetch(`${server.url}/_rondo/state`, { headers })).json()) as { resources: Record<string, number> };
  return resources['resource-token'] ?? 0;
};

test.each([
  ['bad_refresh_token', 200],
  ['invalid_grant', 400],
])('a refresh token that is refused as %s asks the user again', async (error, status) => {
  const started = await answering((grant) => (grant === 'refresh_token' ? [status, { error }] : given({ refresh_token: 'r' })));
  const asked = async () => ask(started, await tokenFor(started, WORKLOAD, ana), 'USER_FEDERATION', provider);
  const { authorizationUrl, sessionUri } = await asked();
  for (let at = authorizationUrl as string; !at.startsWith(RETURN); )
    at = (await fetch(at, { redirect: 'manual' })).headers.get('location') as string;
  await started.client.send(new data.CompleteResourceTokenAuthCommand({ sessionUri, userIdentifier: ana }));
  expect(await asked()).toMatchObject({ accessToken: 'token-1' });
  await started.server.clock.advance(700_000);
  expect(await asked()).toMatchObject({ authorizationUrl: expect.any(String), sessionStatus: 'IN_PROGRESS' });
});

test('a token of the workload is given until its end where the provider gives no other', async () => {
  let answer = given();
  const started = await answering(() => answer);
  const asked = async () => ask(started, await tokenFor(started, WORKLOAD), 'M2M', provider);
  await asked();
  answer = [503, {}];
  await started.server.clock.advance(590_000);
  expect((await asked()).accessToken).toBe('token-1');
  await started.server.clock.advance(20_000);
  await expect(asked()).rejects.toMatchObject({ name: 'InternalServerException' });
});

test('a token that ends while another one is got is replaced by it', async () => {
  let answers = async () => given();
  const started = await answering(() => answers());
  const asked = async () => ask(started, await tokenFor(started, WORKLOAD), 'M2M', provider);
  await asked();
  await started.server.clock.advance(590_000);
  answers = async () => {
    await started.server.clock.advance(20_000);
    return given({ access_token: 'token-2' });
  };
  expect((await asked()).accessToken).toBe('token-2');
  expect((await asked()).accessToken).toBe('token-2');
});

test.each([{}, { expires_in: undefined }])(
  'what was exchanged for the JWTs of a user does not stay when it has ended, %j',
  async (more) => {
    const started = await answering(() => given({ issued_token_type: 'urn:ietf:params:oauth:token-type:access_token', ...more }));
    for (let i = 0; i < 5; i++) {
      const userToken = jwtOf({ iss: 'https://idp.example', sub: 'ana', jti: i, exp: started.server.clock.now() / 1_000 + 3_600 });
      await ask(started, await tokenFor(started, WORKLOAD, { userToken }), 'ON_BEHALF_OF_TOKEN_EXCHANGE', provider);
    }
    expect(await kept(started)).toBe(5);
    await started.server.clock.advance(DAY);
    expect(await kept(started)).toBe(0);
  },
);
