import { afterEach, beforeEach, describe, expect, it, test } from 'vitest';
import { consentCallback, sqliteVault } from '../../src/adapters/identity/index.ts';
import { assertionGrant, clientGrant, type McpAuth, mcpTools, type UserGrant, userGrant } from '../../src/adapters/mcp/index.ts';
import { agent, Engine, type Journal, memoryJournal, type RunResult } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { folder } from '../kit/folder.ts';
import { asks, ends, shown } from '../kit/runs.ts';
import { protectedServer } from './protected.ts';

const CALLBACK = 'http://127.0.0.1:1/consent/{provider}';
const ana = { id: 'ana' };
const ben = { id: 'ben' };
const key = { current: 'k', keys: { k: Buffer.alloc(32, 7) } };
const ownFetch = (to: string, init: RequestInit) => fetch(to, init);

let server: Awaited<ReturnType<typeof protectedServer>>;
beforeEach(async () => {
  server = await protectedServer();
});
afterEach(() => server.close());

/** A process of its own: its vault and its journal are files that others have too. */
function desk(o: {
  vault: string;
  journal: Journal;
  calls: readonly string[];
  auth?: McpAuth;
  grant?: Partial<Parameters<typeof userGrant>[0]>;
}) {
  const users = userGrant({ vault: sqliteVault(o.vault, key), callback: CALLBACK, fetch: ownFetch, ...o.grant });
  const mail = mcpTools({ url: server.url, name: 'mail', perCaller: true, auth: o.auth ?? users, retry: { attempts: 1 } });
  const model = scripted([...o.calls.map((name) => asks([name, {}])), 'done']);
  const a = agent({ name: 'clerk', instructions: '', model, tools: [mail] });
  const engine = new Engine({ journal: o.journal, agents: [a] });
  return { a, engine, model, users };
}

/** The browser of a user: consents at the authorization server, and comes back. */
async function browse(
  engine: Engine,
  users: UserGrant,
  url: string,
  by = ana,
  change = (back: URL) => back,
): Promise<{ status: number; body: string }> {
  const answer = await fetch(url, { redirect: 'manual' });
  const back = change(new URL(answer.headers.get('location') ?? ''));
  const handler = consentCallback(engine, users, { authenticate: () => ({ by }), returnUrls: [CALLBACK], resume: false });
  const response = await handler(new Request(back));
  return { status: response.status, body: await response.text() };
}

const consentOf = (run: RunResult<unknown>) => {
  const [asked] = run.status === 'paused' ? run.approvals : [];
  if (asked?.kind !== 'consent') throw new Error('no consent is asked for');
  return asked;
};

describe('a server that needs the consent of a user', () => {
  const begun = async (calls: readonly string[], grant: Partial<Parameters<typeof userGrant>[0]> = {}) => {
    const shared = { vault: `${folder('mcp-auth')}/vault.db`, journal: memoryJournal() };
    const one = desk({ ...shared, calls, grant });
    const paused = await ends(one.engine.run(one.a, 'go', { by: ana }), 'paused');
    return { ...one, shared, paused };
  };

  it('offers a tool that asks for it; the run pauses, and goes on in another process once the browser is back', async () => {
    const { engine, model, paused, shared } = await begun(['connect_mail']);
    expect(model.requests[0]?.tools?.map(({ name }) => name)).toEqual(['connect_mail']);
    const asked = consentOf(paused);
    expect(asked.provider).toBe('mail');
    const url = new URL(asked.url);
    expect(url.origin).toBe(server.issuer);
    expect(Object.fromEntries(url.searchParams)).toMatchObject({ scope: 'read', resource: server.url, code_challenge_method: 'S256' });
    await engine.close();

    const other = desk({ ...shared, calls: ['read', 'read'] });
    expect(await browse(other.engine, other.users, asked.url)).toMatchObject({ status: 200 });
    await ends(other.engine.resume(paused.runId, { by: ana }), 'completed');
    expect(other.model.requests[0]?.tools?.map(({ name }) => name)).toEqual(['read', 'write']);
    expect(server.calls).toEqual([
      { tool: 'read', user: 'ana' },
      { tool: 'read', user: 'ana' },
    ]);
    // no token is in what the model saw or the journal has
    let all = JSON.stringify(other.model.requests);
    for await (const entry of shared.journal.read(paused.runId)) all += JSON.stringify(entry);
    for (const secret of server.secrets()) expect(all).not.toContain(secret);
  });

  it('asks no one who has consented, and keeps what each user may do apart', async () => {
    const { engine, users, paused, shared } = await begun(['connect_mail', 'read']);
    await browse(engine, users, consentOf(paused).url);
    await ends(engine.resume(paused.runId, { by: ana }), 'completed');
    const again = desk({ ...shared, calls: ['read'] });
    await ends(again.engine.run(again.a, 'go', { by: ana }), 'completed');
    const others = desk({ ...shared, calls: ['connect_mail'] });
    const asked = await ends(others.engine.run(others.a, 'go', { by: ben }), 'paused');
    expect(others.model.requests[0]?.tools?.map(({ name }) => name)).toEqual(['connect_mail']);
    // one registration serves all users
    expect(server.registered).toBe(1);
    // and ana cannot end what ben was asked for
    expect(await browse(others.engine, others.users, consentOf(asked).url, ana)).toMatchObject({ status: 403 });
  });

  it('renews a token that has ended, by its refresh token, without a person', async () => {
    const { engine, users, paused, shared } = await begun(['connect_mail', 'read']);
    await browse(engine, users, consentOf(paused).url);
    await ends(engine.resume(paused.runId, { by: ana }), 'completed');
    server.expire();
    const again = desk({ ...shared, calls: ['read'] });
    await ends(again.engine.run(again.a, 'go', { by: ana }), 'completed');
    expect(server.calls).toHaveLength(2);
    expect(server.grants).toEqual(['authorization_code', 'refresh_token']);
  });

  it('asks again once the consent was taken back', async () => {
    const { engine, users, paused, shared } = await begun(['connect_mail', 'read']);
    await browse(engine, users, consentOf(paused).url);
    await ends(engine.resume(paused.runId, { by: ana }), 'completed');
    server.takeBack();
    // a connection that was open asks in the call; a new one offers the tool that asks
    const open = desk({ ...shared, calls: ['read'] });
    server.token = undefined;
    const later = await ends(open.engine.run(open.a, 'go', { by: ana }), 'completed');
    expect(later.output).toBe('done');
    expect(open.model.requests[0]?.tools?.map(({ name }) => name)).toEqual(['connect_mail']);
  });

  it('asks for more scopes when a call needs them, and makes the call again with those', async () => {
    const { engine, users, paused } = await begun(['connect_mail', 'write']);
    await browse(engine, users, consentOf(paused).url);
    const more = await ends(engine.resume(paused.runId, { by: ana }), 'paused');
    const asked = consentOf(more);
    expect(new URL(asked.url).searchParams.get('scope')).toBe('read write');
    expect(server.calls).toEqual([]);
    await browse(engine, users, asked.url);
    await ends(engine.resume(paused.runId, { by: ana }), 'completed');
    expect(server.calls).toEqual([{ tool: 'write', user: 'ana' }]);
  });

  it('a user who declines ends the call, not the run', async () => {
    const { engine, users, model, paused } = await begun(['connect_mail']);
    const declined = (back: URL) => {
      back.searchParams.delete('code');
      back.searchParams.set('error', 'access_denied');
      return back;
    };
    expect(await browse(engine, users, consentOf(paused).url, ana, declined)).toMatchObject({ status: 403 });
    await ends(engine.resume(paused.runId, { by: ana }), 'completed');
    expect(shown(model.requests[1])[0]).toMatchObject({ isError: true, text: expect.stringContaining('declined') });
  });

  it.each([true, false])(
    'a token that the server never takes is one error, and no second question (with a refresh token: %s)',
    async (refreshable) => {
      server.refreshable = refreshable;
      const { engine, users, model, paused } = await begun(['connect_mail']);
      await browse(engine, users, consentOf(paused).url);
      server.takesTokens = false;
      await ends(engine.resume(paused.runId, { by: ana }), 'completed');
      expect(shown(model.requests[1])[0]).toMatchObject({ isError: true, text: expect.stringContaining('MCP_UNAUTHORIZED') });
    },
  );

  it('a run without a user gets one error', async () => {
    const { engine, a, model } = desk({ vault: ':memory:', journal: memoryJournal(), calls: ['connect_mail'] });
    const ended = await engine.run(a, 'go').catch((error) => error);
    expect(ended).toMatchObject({ code: 'SOURCE_UNAVAILABLE', message: expect.stringContaining('Start it with by') });
    expect(model.requests).toEqual([]);
  });
});

describe('an authorization that cannot be had is one typed error', () => {
  const opened = async (auth: McpAuth) => {
    const source = await mcpTools({ url: server.url, auth, name: 'mail' }).open({ signal: new AbortController().signal });
    return source.close();
  };
  const client = { id: 'desk', secret: 'desk-secret-81' };

  it('a token of the application is had by its secret', () => opened(clientGrant({ client, fetch: ownFetch })));

  it.each([
    [
      'a wrong secret',
      () => clientGrant({ client: { ...client, secret: 'wrong-secret-0' }, fetch: ownFetch }),
      /refused \(invalid_client\)/,
    ],
    ['an address that is not public', () => clientGrant({ client }), /not public/],
    [
      'a client of another authorization server',
      () => clientGrant({ client: { ...client, issuer: 'https://id.example' }, fetch: ownFetch }),
      /another authorization server/,
    ],
    [
      'an assertion that fails',
      () => assertionGrant({ client, fetch: ownFetch, assertion: () => Promise.reject(new Error('secret-of-the-idp')) }),
      /no access/,
    ],
  ])('%s', async (_, auth, why) => {
    const error = await opened(auth()).catch((e) => e);
    expect(error).toMatchObject({ code: 'MCP_UNAUTHORIZED', outcome: 'not-run', message: expect.stringMatching(why) });
    expect(error.message).not.toMatch(/secret/);
  });

  it.each([
    ['is down', (res: import('node:http').ServerResponse) => void res.destroy(), true],
    ['answers 500', (res: import('node:http').ServerResponse) => void res.writeHead(500).end('<h1>no</h1>'), true],
    ['answers HTML', (res: import('node:http').ServerResponse) => void res.writeHead(200).end('<h1>hello</h1>'), false],
  ])('an authorization server that %s', async (_, token, retryable) => {
    server.token = token;
    await expect(opened(clientGrant({ client, fetch: ownFetch }))).rejects.toMatchObject({ code: 'MCP_UNAUTHORIZED', retryable });
  });

  it('an authorization server that never answers', async () => {
    server.token = () => undefined;
    await expect(opened(clientGrant({ client, fetch: ownFetch, timeout: 50 }))).rejects.toMatchObject({
      code: 'MCP_UNAUTHORIZED',
      message: expect.stringContaining('in time'),
    });
  });

  it('a document that names another issuer', async () => {
    server.close();
    server = await protectedServer({ oauth: { issuer: 'https://evil.example' } });
    await expect(opened(clientGrant({ client, fetch: ownFetch }))).rejects.toMatchObject({ code: 'MCP_UNAUTHORIZED' });
    expect(server.grants).toEqual([]);
  });

  it('a server that refuses each token', async () => {
    server.takesTokens = false;
    await expect(opened(clientGrant({ client, fetch: ownFetch }))).rejects.toMatchObject({
      code: 'MCP_UNAUTHORIZED',
      message: expect.stringContaining('refuses the token'),
    });
    expect(server.grants).toHaveLength(1);
  });
});

test('what is declared wrongly is told at once', () => {
  const vault = sqliteVault(':memory:', key);
  const client = { id: 'desk' };
  for (const wrong of [
    () => userGrant({ vault, callback: 'https://app.example/back/{provider}?x=1' }),
    () => userGrant({ vault, callback: 'https://app.example/back-{provider}' }),
    // one callback for several authorization servers
    () => userGrant({ vault, callback: 'https://app.example/back' }),
    () => userGrant({ vault, callback: 'https://app.example/back', client }),
    () => userGrant({ vault: {} as never, callback: CALLBACK }),
    () => userGrant({ vault, callback: CALLBACK, clientUrl: 'http://app.example/client.json' }),
    () => clientGrant({} as never),
    () => clientGrant({ client, scope: 'x' } as never),
    () => clientGrant({ client: { ...client, secret: 's', key: { pem: 'p', algorithm: 'ES256' } } }),
    () => assertionGrant({ client } as never),
    () => mcpTools({ url: 'https://mcp.example', auth: {} as never }),
    () => mcpTools({ url: 'https://mcp.example', auth: userGrant({ vault, callback: CALLBACK }) }),
    () => mcpTools({ command: 'node', auth: clientGrant({ client }) }),
  ])
    expect(wrong).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  // that of one server may be for it alone
  userGrant({ vault, callback: 'https://app.example/back', client: { ...client, issuer: 'https://id.example' } });
});
