import { expect, test } from 'vitest';
import { oauth } from '../../src/adapters/identity/oauth.ts';

const ISSUER = 'https://id.example.com';
const provider = { endpoints: { issuer: ISSUER, token: `${ISSUER}/token` }, clientId: 'desk', clientSecret: 's3cret' };

test.each([
  ['in 2020', Date.UTC(2020, 0, 1)],
  ['today', Date.now()],
  ['in 2050', Date.UTC(2050, 0, 1)],
])('the ID token beside an access token is judged by the clock that is given: %s', async (_, at) => {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const iat = Math.floor(at / 1_000);
  const claims = { iss: ISSUER, sub: 'ana', aud: 'desk', iat, nbf: iat - 60, exp: iat + 3_600 };
  const answer = { access_token: 'a', token_type: 'Bearer', expires_in: 3_600, id_token: `${part({ alg: 'RS256' })}.${part(claims)}.c2ln` };
  const clientAt = (now: number) => oauth('id', provider, { fetch: async () => Response.json(answer), now: () => now });
  const callback = `${ISSUER}/back`;
  const back = `${callback}?code=c&state=s`;
  const asked = { callback, state: 's', verifier: 'v'.repeat(43) };
  expect(await clientAt(at).code(back, asked, {})).toEqual({ access: 'a', at, expiresAt: at + 3_600_000, party: expect.any(String) });
  for (const wrong of [at - 600_000, at + 3_700_000])
    await expect(clientAt(wrong).code(back, asked, {})).rejects.toMatchObject({ code: 'PROVIDER_ANSWER_INVALID' });
});
