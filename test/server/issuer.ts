/** An identity provider on this machine: a discovery document, keys, and the shapes of the tokens of known providers. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, SignJWT } from 'jose';
import { onTestFinished } from 'vitest';

export const pair = () => generateKeyPairSync('rsa', { modulusLength: 2048 });

/** The claims of access tokens, as these providers issue them. */
export const SHAPES = {
  cognito: {
    sub: '7d8ca528-4931-4254-9273-ea5ee853f271',
    'cognito:groups': ['support', 'lead'],
    version: 2,
    client_id: '1example23456789',
    origin_jti: 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee',
    token_use: 'access',
    scope: 'openid agents/invoke',
    username: 'ana',
    'custom:tenant': 'acme',
  },
  okta: {
    ver: 1,
    jti: 'AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE',
    aud: 'api://agents',
    cid: '0oa1gjh63g214q0Hq0g4',
    uid: '00uid4BxXw6I6TV4m0g3',
    scp: ['openid', 'agents.invoke'],
    sub: 'ana@acme.example',
    groups: ['lead', 'Everyone'],
    org: 'acme',
  },
  entra: {
    aud: 'api://11111111-2222-3333-4444-555555555555',
    azp: '22222222-3333-4444-5555-666666666666',
    azpacr: '1',
    oid: '33333333-4444-5555-6666-777777777777',
    sub: 'pairwise-subject',
    roles: ['lead'],
    scp: 'Agents.Invoke User.Read',
    tid: 'acme',
    ver: '2.0',
  },
  auth0: {
    sub: 'auth0|507f1f77bcf86cd799439020',
    aud: ['https://agents.example.com', 'https://tenant.auth0.example/userinfo'],
    azp: 'my-client-id',
    scope: 'openid profile invoke:agents',
    permissions: ['invoke:agents'],
    org_id: 'acme',
    'https://example.com/roles': ['lead'],
  },
} as const;

export interface Issuer {
  readonly url: string;
  readonly discoveryUrl: string;
  /** Signed with the newest key. @param o.at epoch milliseconds of its issue; default now. It expires five minutes later. */
  token(claims: object, o?: { at?: number; expires?: string; issuer?: string; key?: KeyObject; kid?: string }): Promise<string>;
  readonly publicKey: KeyObject;
  /** Signs with another key from now on, and publishes only that. */
  rotate(): void;
  /** Where its document says that the keys are. */
  jwks: string;
  /** Whether it answers at all. */
  up: boolean;
  /** What it answers where its keys are, instead of them. */
  instead: unknown;
  readonly asked: string[];
}

export async function issuer(): Promise<Issuer> {
  let keys = pair();
  let kid = 1;
  const server = createServer(async (request, response) => {
    self.asked.push(request.url ?? '');
    if (!self.up) return response.writeHead(503).end();
    response.setHeader('content-type', 'application/json');
    if (request.url === '/jwks') {
      if (self.instead !== undefined) return response.end(JSON.stringify(self.instead));
      const jwk = { ...(await exportJWK(keys.publicKey)), kid: String(kid), alg: 'RS256', use: 'sig' };
      return response.end(JSON.stringify({ keys: [jwk] }));
    }
    if (request.url === '/.well-known/openid-configuration') return response.end(JSON.stringify({ issuer: self.url, jwks_uri: self.jwks }));
    response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close().closeAllConnections());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const self: Issuer & { asked: string[] } = {
    url,
    discoveryUrl: `${url}/.well-known/openid-configuration`,
    jwks: `${url}/jwks`,
    up: true,
    instead: undefined,
    asked: [],
    get publicKey() {
      return keys.publicKey;
    },
    rotate() {
      keys = pair();
      kid++;
    },
    token: (claims, o = {}) =>
      new SignJWT({ ...claims })
        .setProtectedHeader({ alg: 'RS256', kid: o.kid ?? String(kid), typ: 'JWT' })
        .setIssuer(o.issuer ?? url)
        .setIssuedAt(new Date(o.at ?? Date.now()))
        .setExpirationTime(o.expires ?? new Date((o.at ?? Date.now()) + 300_000))
        .sign(o.key ?? keys.privateKey),
  };
  return self;
}
