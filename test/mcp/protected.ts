/** An MCP server that takes tokens only, and its authorization server, which are at two addresses. */
import { createHash, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { CallToolRequestSchema, ListToolsRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { sessionsOf } from './http.ts';

type Handler = (req: IncomingMessage, res: ServerResponse) => void | Promise<void>;

/** A server on a port of its own. */
export async function listening(handler: Handler) {
  const server = createServer((req, res) => void handler(req, res));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    origin,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

export const json = (res: ServerResponse, status: number, body: unknown, headers = {}) =>
  void res.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));

export async function bodyOf(req: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of req) text += chunk;
  return text;
}

interface Grant {
  scope: string;
  /** Whom it speaks for. */
  user: string;
}

/** @param o.oauth changes of the authorization server's document; null: the server names none. */
export async function protectedServer(o: { oauth?: object; scopes?: string } = {}) {
  const codes = new Map<string, Grant & { challenge: string; redirect: string }>();
  const clients = new Map<string, readonly string[]>();
  const tokens = new Map<string, Grant>();
  const refreshes = new Map<string, Grant>();
  const state = {
    /** Of requests to the token endpoint, in order. */
    grants: [] as string[],
    registered: 0,
    calls: [] as { tool: string; user: string | undefined }[],
    /** Answers the next request to the token endpoint. */
    token: undefined as ((res: ServerResponse) => void) | undefined,
    refreshable: true,
    takesTokens: true,
  };

  const authorization = await listening(async (req, res) => {
    const url = new URL(req.url ?? '/', authorization.origin);
    if (url.pathname === '/.well-known/oauth-authorization-server') {
      const at = authorization.origin;
      const document = {
        issuer: at,
        authorization_endpoint: `${at}/authorize`,
        token_endpoint: `${at}/token`,
        registration_endpoint: `${at}/register`,
        response_types_supported: ['code'],
        code_challenge_methods_supported: ['S256'],
        token_endpoint_auth_methods_supported: ['client_secret_basic', 'none'],
        ...o.oauth,
      };
      return json(res, 200, document);
    }
    if (url.pathname === '/register') {
      state.registered++;
      const asked = JSON.parse(await bodyOf(req));
      const client = `client-${state.registered}`;
      clients.set(client, asked.redirect_uris);
      return json(res, 201, { ...asked, client_id: client, token_endpoint_auth_method: 'none' });
    }
    if (url.pathname === '/authorize') {
      // the browser is that of `user`
      const code = randomUUID();
      const {
        state: back = '',
        scope = '',
        code_challenge: challenge = '',
        redirect_uri: to = '',
        client_id: client = '',
        user = 'ana',
      } = Object.fromEntries(url.searchParams);
      if (!clients.get(client)?.includes(to)) return json(res, 400, { error: 'invalid_redirect_uri' });
      codes.set(code, { scope, user, challenge, redirect: to });
      return void res.writeHead(302, { location: `${to}?code=${code}&state=${back}` }).end();
    }
    if (url.pathname !== '/token') return void res.writeHead(404).end();
    const form = new URLSearchParams(await bodyOf(req));
    const grant = form.get('grant_type') ?? '';
    state.grants.push(grant);
    if (state.token) {
      const { token } = state;
      state.token = undefined;
      return token(res);
    }
    if (grant === 'client_credentials') {
      const right = req.headers.authorization === `Basic ${btoa('desk:desk-secret-81')}`;
      return right ? given(res, { scope: form.get('scope') ?? '', user: 'desk' }) : json(res, 401, { error: 'invalid_client' });
    }
    if (grant === 'refresh_token') {
      const found = refreshes.get(form.get('refresh_token') ?? '');
      refreshes.delete(form.get('refresh_token') ?? '');
      return found ? given(res, found) : json(res, 400, { error: 'invalid_grant' });
    }
    const found = codes.get(form.get('code') ?? '');
    const proved =
      createHash('sha256')
        .update(form.get('code_verifier') ?? '')
        .digest('base64url') === found?.challenge;
    const here = form.get('redirect_uri') === found?.redirect;
    return found && proved && here ? given(res, found) : json(res, 400, { error: 'invalid_grant' });
  });

  function given(res: ServerResponse, grant: Grant) {
    const token = `token-${randomUUID()}`;
    tokens.set(token, grant);
    const refresh = `refresh-${randomUUID()}`;
    if (state.refreshable && grant.user !== 'desk') refreshes.set(refresh, grant);
    json(res, 200, {
      access_token: token,
      token_type: 'Bearer',
      ...(state.refreshable && grant.user !== 'desk' && { refresh_token: refresh }),
    });
  }

  const transportOf = sessionsOf(serverOf);
  const resource = await listening(async (req, res) => {
    if (req.url?.startsWith('/.well-known/oauth-protected-resource'))
      return json(res, 200, { resource: `${resource.origin}/mcp`, authorization_servers: [authorization.origin] });
    if (req.url !== '/mcp') return void res.writeHead(404).end();
    const grant = state.takesTokens ? tokens.get(req.headers.authorization?.replace('Bearer ', '') ?? '') : undefined;
    const metadata = `resource_metadata="${resource.origin}/.well-known/oauth-protected-resource/mcp"`;
    if (!grant) return json(res, 401, {}, { 'www-authenticate': `Bearer scope="${o.scopes ?? 'read'}", ${metadata}` });
    const text = await bodyOf(req);
    const body = text === '' ? undefined : JSON.parse(text);
    if (body?.params?.name === 'write' && !grant.scope.split(' ').includes('write'))
      return json(res, 403, {}, { 'www-authenticate': `Bearer error="insufficient_scope", scope="write", ${metadata}` });
    const transport = await transportOf(req);
    if (body?.method === 'tools/call') state.calls.push({ tool: body.params.name, user: grant.user });
    await transport.handleRequest(req, res, body);
  });

  function serverOf() {
    const server = new Server({ name: 'mail', version: '1' }, { capabilities: { tools: {} } });
    const named = (name: string) => ({ name, description: name, inputSchema: { type: 'object' as const } });
    server.setRequestHandler(ListToolsRequestSchema, () => ({ tools: [named('read'), named('write')] }));
    server.setRequestHandler(CallToolRequestSchema, ({ params }) => ({
      content: [{ type: 'text' as const, text: `${params.name} done` }],
    }));
    return server;
  }

  return Object.assign(state, {
    url: `${resource.origin}/mcp`,
    issuer: authorization.origin,
    /** The redirect URIs of its clients. */
    redirects: () => [...clients.values()].flat(),
    /** All tokens end now; those that refresh stay. */
    expire: () => tokens.clear(),
    /** The user takes their consent back. */
    takeBack() {
      tokens.clear();
      refreshes.clear();
    },
    secrets: () => [...tokens.keys(), ...refreshes.keys()],
    close() {
      authorization.close();
      resource.close();
    },
  });
}
