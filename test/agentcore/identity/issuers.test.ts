import { expect, test } from 'vitest';
import { desk, WORKLOAD } from './desk.ts';
import { jwtOf, start, tokenFor } from './server.ts';
import { APP, signIn } from './sign-in.ts';

const AUTHORIZATION = { users: ['ana'], redirectUrls: [APP] };
const REFUSED = { name: 'ValidationException' };

test('with issuers, only what one of them has signed is the JWT of a user', async () => {
  const started = await desk({ identity: { issuers: ['local'], authorization: AUTHORIZATION } });
  const { accessToken } = await signIn(started.server, 'ana');
  expect(await tokenFor(started, WORKLOAD, { userToken: accessToken })).toBeTruthy();
  const rule = () => started.server.calls().at(-1)?.rule;
  const [header, claims] = accessToken.split('.');
  const refused = async (userToken: string, why: string) => {
    await expect(tokenFor(started, WORKLOAD, { userToken })).rejects.toMatchObject(REFUSED);
    expect(rule()).toContain(why);
    expect(rule()).not.toContain(userToken);
  };
  await refused(`${header}.${claims}.c2lnbmF0dXJl`, 'signature');
  const { iss } = JSON.parse(Buffer.from(claims as string, 'base64url').toString());
  const exp = started.server.clock.now() / 1_000 + 3_000;
  await refused(jwtOf({ iss, sub: 'ana', exp }), 'The JWT is not one of');
  await refused(jwtOf({ iss: 'https://idp.example', sub: 'ana', exp }), 'none of those');
  // by the clock of the server
  await started.server.clock.advance(3_601_000);
  await refused(accessToken, 'expired');
});

test('an issuer that cannot be asked is a failure of the service, not of the token', async () => {
  const discovery = 'http://127.0.0.1:9/.well-known/openid-configuration';
  const started = await desk({ identity: { issuers: [discovery] } });
  const userToken = jwtOf({ iss: 'http://127.0.0.1:9', sub: 'ana', exp: started.server.clock.now() / 1_000 + 3_000 });
  await expect(tokenFor(started, WORKLOAD, { userToken })).rejects.toMatchObject({ name: 'InternalServerException' });
});

test('an issuer that cannot be asked does not keep out the users of the others', async () => {
  const down = 'http://127.0.0.1:9/.well-known/openid-configuration';
  const started = await desk({ identity: { issuers: [down, 'local'], authorization: AUTHORIZATION } });
  const { accessToken } = await signIn(started.server, 'ana');
  expect(await tokenFor(started, WORKLOAD, { userToken: accessToken })).toBeTruthy();
  const [header, claims] = accessToken.split('.');
  await expect(tokenFor(started, WORKLOAD, { userToken: `${header}.${claims}.c2lnbmF0dXJl` })).rejects.toMatchObject(REFUSED);
});

test.each([
  ['an address that is not a discovery document', 'https://idp.example'],
  ['one without TLS', 'http://idp.example/.well-known/openid-configuration'],
])('%s is refused at the start', async (_, url) => {
  await expect(start({ identity: { issuers: [url] } })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
});
