/** A real authorization server in this process, and a browser that a person of its users sits at. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import Server, { type KoaContextWithOIDC } from 'oidc-provider';

export interface TokenRequest {
  grant: string;
  /** The refresh token, where it is one. */
  refresh?: string;
}

export interface AuthorizationServer {
  readonly issuer: string;
  /** The requests to the token endpoint that arrived, in order. */
  readonly requests: readonly TokenRequest[];
  /** Seconds. */
  readonly ttl: { access: number };
  /** Runs before a request is handled. */
  before: (path: string, grant: string) => void | Promise<void>;
  /** Takes all that a user consented to back, as its account page would. */
  takeBack(user: string): Promise<void>;
  /** Whose a token is, as the API behind it would know; undefined for one that is not valid. */
  whose(token: string): Promise<{ user: string | undefined; scope: string | undefined; audience: unknown } | undefined>;
  close(): Promise<void>;
}

export const CLIENT = { clientId: 'rondo', clientSecret: 'client-secret-2f81c7' };
const SUBJECT_SECRET = 'subject-secret';
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';

const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
const signature = (text: string) => createHmac('sha256', SUBJECT_SECRET).update(text).digest('base64url');

/** A token that a user is signed in with at the application. @param exp epoch seconds. */
export function userToken(sub: string, exp: number, more: object = {}): string {
  const text = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub, exp, ...more })}`;
  return `${text}.${signature(text)}`;
}

function subjectOf(token: unknown): string | undefined {
  const [head, body, sign] = String(token).split('.');
  const right = Buffer.from(signature(`${head}.${body}`));
  const given = Buffer.from(sign ?? '');
  if (right.length !== given.length || !timingSafeEqual(right, given)) return undefined;
  const { sub } = JSON.parse(Buffer.from(body ?? '', 'base64url').toString()) as { sub: string };
  return sub === 'barred' ? undefined : sub;
}

/** @param callback where browsers come back to. */
export async function authorizationServer(callback: string): Promise<AuthorizationServer> {
  const requests: TokenRequest[] = [];
  const ttl = { access: 3_600 };
  const http = createServer();
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  const warn = process.emitWarning;
  const log = console.warn;
  const info = console.info;
  console.warn = console.info = () => undefined;
  process.emitWarning = () => undefined;
  const oidc = new Server(issuer, {
    clients: [
      {
        client_id: CLIENT.clientId,
        client_secret: CLIENT.clientSecret,
        redirect_uris: [callback],
        grant_types: ['authorization_code', 'refresh_token', 'client_credentials', EXCHANGE, JWT_BEARER],
        response_types: ['code'],
      },
      {
        client_id: 'public',
        redirect_uris: [callback],
        application_type: 'native',
        token_endpoint_auth_method: 'none',
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
      },
    ],
    scopes: ['openid', 'offline_access', 'calendar.read', 'calendar.write', 'mail'],
    pkce: { required: () => true },
    rotateRefreshToken: true,
    issueRefreshToken: async (_, client) => client.grantTypeAllowed('refresh_token'),
    ttl: {
      AccessToken: () => ttl.access,
      ClientCredentials: () => ttl.access,
      RefreshToken: 86_400,
      Grant: 86_400,
      Session: 86_400,
      Interaction: 3_600,
      AuthorizationCode: 600,
    },
    features: {
      devInteractions: { enabled: true },
      clientCredentials: { enabled: true },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => '',
        useGrantedResource: () => true,
        getResourceServerInfo: (_, resource) => ({
          scope: 'calendar.read calendar.write mail',
          audience: resource,
          accessTokenFormat: 'opaque',
          accessTokenTTL: ttl.access,
        }),
      },
    },
    findAccount: (_, id) => ({ accountId: id, claims: async () => ({ sub: id }) }),
  });
  const exchanged = (name: string) => async (ctx: KoaContextWithOIDC) => {
    const { client, params } = ctx.oidc;
    const user = subjectOf(params?.[name]);
    if (!user || !client) {
      ctx.status = 400;
      ctx.body = { error: 'invalid_grant', error_description: `not a token: ${String(params?.[name])}` };
      return;
    }
    const token = new oidc.AccessToken({
      accountId: user,
      client,
      scope: params?.scope as string,
      aud: params?.audience as string,
    } as never);
    ctx.body = {
      access_token: await token.save(),
      token_type: 'Bearer',
      expires_in: ttl.access,
      issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    };
  };
  oidc.registerGrantType(
    EXCHANGE,
    exchanged('subject_token'),
    ['subject_token', 'subject_token_type', 'scope', 'audience', 'resource'],
    ['audience', 'resource'],
  );
  oidc.registerGrantType(JWT_BEARER, exchanged('assertion'), ['assertion', 'scope']);
  const grants = new Map<string, string>();
  oidc.on('grant.saved' as never, ((grant: { accountId: string; jti: string }) => void grants.set(grant.jti, grant.accountId)) as never);
  console.warn = log;
  console.info = info;
  process.emitWarning = warn;

  const server: AuthorizationServer = {
    issuer,
    requests,
    ttl,
    before: () => undefined,
    async takeBack(user) {
      for (const [id, of] of grants) {
        if (of !== user) continue;
        await oidc.RefreshToken.revokeByGrantId(id);
        await oidc.AccessToken.revokeByGrantId(id);
        await (await oidc.Grant.find(id))?.destroy();
      }
    },
    async whose(token) {
      const found = (await oidc.AccessToken.find(token)) ?? (await oidc.ClientCredentials.find(token));
      return found && { user: (found as { accountId?: string }).accountId, scope: found.scope, audience: (found as { aud?: unknown }).aud };
    },
    close: () =>
      new Promise<void>((resolve) => {
        http.close(() => resolve());
        http.closeAllConnections();
      }),
  };
  const handle = oidc.callback();
  http.on('request', async (request: IncomingMessage & { body?: unknown }, response) => {
    const path = request.url ?? '';
    let grant = '';
    if (request.method === 'POST') {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const body = new URLSearchParams(Buffer.concat(chunks).toString());
      request.body = multi(body);
      if (path === '/token') {
        grant = body.get('grant_type') ?? '';
        const refresh = body.get('refresh_token');
        requests.push({ grant, ...(refresh !== null && { refresh }) });
      }
    }
    await server.before(path, grant);
    await handle(request, response);
  });
  return server;
}

/** The server takes a body that was parsed before it. */
function multi(body: URLSearchParams): Record<string, string | string[]> {
  const all: Record<string, string | string[]> = {};
  for (const key of new Set(body.keys())) {
    const values = body.getAll(key);
    all[key] = values.length > 1 ? values : (values[0] ?? '');
  }
  return all;
}

export interface Browser {
  /** Opens a consent URL, signs in and consents, or declines. @returns the URL that the server sends the browser back to, which is not opened. */
  consent(url: string, o?: { decline?: true }): Promise<string>;
}

/** A browser with a jar of cookies. @param user who signs in at the server. */
export function browser(user: string): Browser {
  const jar = new Map<string, string>();

  async function load(url: string, init: RequestInit = {}): Promise<Response> {
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await fetch(url, { ...init, redirect: 'manual', headers: { ...init.headers, cookie } });
    for (const line of response.headers.getSetCookie()) {
      const [pair = ''] = line.split(';');
      const at = pair.indexOf('=');
      if (at > 0) jar.set(pair.slice(0, at), pair.slice(at + 1));
    }
    return response;
  }

  return {
    async consent(url, { decline } = {}) {
      const { origin } = new URL(url);
      let at = url;
      let post: RequestInit | undefined;
      for (let i = 0; i < 20; i++) {
        if (new URL(at).origin !== origin) return at;
        const response = await load(at, post);
        post = undefined;
        const location = response.headers.get('location');
        if (location !== null) {
          at = new URL(location, at).href;
          continue;
        }
        const page = await response.text();
        const prompt = /name="prompt" value="(\w+)"/.exec(page)?.[1];
        if (response.status !== 200 || prompt === undefined) throw new Error(`the server shows ${response.status}: ${page.slice(0, 300)}`);
        if (decline) {
          at = `${at}/abort`;
          continue;
        }
        post = { method: 'POST', body: new URLSearchParams({ prompt, ...(prompt === 'login' && { login: user, password: 'x' }) }) };
      }
      throw new Error('too many redirects');
    },
  };
}
