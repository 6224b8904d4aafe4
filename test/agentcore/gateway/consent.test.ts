/** Targets whose token a user consents to: the gateway asks by a URL elicitation, and the call that is made again after the consent succeeds. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import * as data from '@aws-sdk/client-bedrock-agentcore';
import * as control from '@aws-sdk/client-bedrock-agentcore-control';
import { agent, Engine, type RunResult } from 'rondo';
import { consentCallback } from 'rondo/identity';
import { sqliteJournal } from 'rondo/journal/sqlite';
import { type McpOptions, mcpTools } from 'rondo/mcp';
import { scripted } from 'rondo/testing';
import { expect, onTestFinished, test } from 'vitest';
import { agentcoreGateway, gatewayConsents } from '../../../src/adapters/agentcore/gateway/index.ts';
import { folder } from '../../kit/folder.ts';
import { asks, ends, refused, shown } from '../../kit/runs.ts';
import { browser, consentAs } from '../identity/browser.ts';
import { claimsOf } from '../identity/desk.ts';
import { signIn } from '../identity/sign-in.ts';
import { ENDPOINT, type Guarded, guardedServer, SCHEMA } from './guarded.ts';
import { connected, posted, textOf, type WithGateway } from './kit.ts';
import { bearerIn, oauth, provided, withUsers } from './users.ts';

const RETURN = 'http://127.0.0.1:9/consent';
const ECHO = { name: 'Tools___echo', arguments: {} };

const subjectIn = (authorization: string | undefined) => {
  try {
    return claimsOf(bearerIn(authorization)).sub;
  } catch {
    return undefined;
  }
};

const SERVER = { mcpServer: { endpoint: ENDPOINT, mcpToolSchema: { inlinePayload: SCHEMA } } };
const API = {
  openApiSchema: {
    inlinePayload: JSON.stringify({
      openapi: '3.0.3',
      info: { title: 'Tools', version: '1' },
      servers: [{ url: ENDPOINT }],
      paths: { '/echo': { post: { operationId: 'echo', description: 'Says it again.', responses: { 200: { description: 'ok' } } } } },
    }),
  },
};

interface Desk extends WithGateway {
  tools: Guarded;
  /** Whom the requests that reached the target spoke for. */
  users(): unknown[];
}

/** @param mcp the target, which takes tokens of users alone. */
async function desk(mcp: control.McpTargetConfiguration = SERVER): Promise<Desk> {
  const tools = await guardedServer(({ headers }) => typeof subjectIn(headers.authorization) === 'string');
  const gateway = await withUsers({ bindings: tools.bindings });
  const credential = oauth(await provided(gateway), { grantType: 'AUTHORIZATION_CODE', defaultReturnUrl: RETURN });
  const made = await gateway.target({
    name: 'Tools',
    targetConfiguration: { mcp },
    credentialProviderConfigurations: [credential],
  });
  expect(made).toMatchObject({ status: 'READY' });
  return { ...gateway, tools, users: () => tools.seen.map(({ headers }) => subjectIn(headers.authorization)) };
}

const tokenOf = async ({ server }: Desk, user: string) => (await signIn(server, user)).accessToken;

/** The user consents in a browser. @returns where it comes back to. */
const consented = (url: string, user: string) => consentAs(browser(), user, url, RETURN);

const complete = ({ client }: Desk, back: string, userToken: string) =>
  client.send(
    new data.CompleteResourceTokenAuthCommand({
      sessionUri: new URL(back).searchParams.get('session_id') ?? undefined,
      userIdentifier: { userToken },
    }),
  );

interface Elicited {
  code: number;
  message: string;
  data: { elicitations: { mode: string; elicitationId: string; url: string; message: string }[] };
}
const elicitedBy = (call: Promise<unknown>): Promise<Elicited> =>
  call.then(
    () => Promise.reject(new Error('no consent was asked for')),
    (error) => error as Elicited,
  );

test.each([
  ['an MCP server', SERVER],
  ['an API', API],
])(
  '%s: the call of a user without a token is the error -32042 with the URL; after the consent it is made with a token of the user',
  async (_, mcp) => {
    const own = await desk(mcp);
    const [ana, ben] = [await tokenOf(own, 'ana'), await tokenOf(own, 'ben')];
    const client = await connected(own.url, { token: ana });
    expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(['Tools___echo']);
    const asked = await elicitedBy(client.callTool(ECHO));
    expect(asked).toMatchObject({ code: -32042, message: expect.stringContaining('This request requires more information.') });
    expect(asked.data.elicitations).toEqual([
      {
        mode: 'url',
        elicitationId: expect.stringMatching(/.{16,}/),
        url: expect.stringContaining('/identities/oauth2/authorize?request_uri=urn%3Aietf%3A'),
        message: 'Please login to this URL for authorization.',
      },
    ]);
    const [{ url, elicitationId } = { url: '', elicitationId: '' }] = asked.data.elicitations;
    // each attempt asks again
    const again = await elicitedBy(client.callTool(ECHO));
    expect(again.data.elicitations[0]?.elicitationId).not.toBe(elicitationId);
    expect(own.tools.seen).toEqual([]);

    const back = await consented(url, 'ana');
    // a consent that was given and not completed gives nothing
    expect((await elicitedBy(client.callTool(ECHO))).code).toBe(-32042);
    // neither does the completion of another user
    const DENIED = { name: 'AccessDeniedException', message: 'Invalid or expired session' };
    await expect(complete(own, back, ben)).rejects.toMatchObject(DENIED);
    expect((await elicitedBy(client.callTool(ECHO))).code).toBe(-32042);
    await complete(own, back, ana);
    await client.callTool(ECHO);
    expect(new Set(own.users())).toEqual(new Set(['ana']));
    expect(own.tools.refused).toBe(0);
    // and it is the token of ana alone
    const other = await connected(own.url, { token: ben });
    expect((await elicitedBy(other.callTool(ECHO))).code).toBe(-32042);
    expect(own.users()).not.toContain('ben');
  },
);

test('a version of MCP before URL elicitation is told so', async () => {
  const own = await desk();
  const headers = { authorization: `Bearer ${await tokenOf(own, 'ana')}` };
  const begin = {
    id: 1,
    method: 'initialize',
    params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 't', version: '1' } },
  };
  const session = (await posted(own.url, begin, headers)).headers.get('mcp-session-id') as string;
  const { body } = await posted(own.url, { id: 2, method: 'tools/call', params: ECHO }, { ...headers, 'mcp-session-id': session });
  expect(body.result).toMatchObject({ isError: true });
  expect(textOf(body.result)).toContain('URL elicitation requires MCP version 2025-11-25 or newer');
});

test('a request names another return URL, if it is registered, and has a user asked again who has consented', async () => {
  const own = await desk();
  const ana = await tokenOf(own, 'ana');
  const client = await connected(own.url, { token: ana });
  const meta = (oauthCredentialProvider: object) => ({
    ...ECHO,
    _meta: { 'aws.bedrock-agentcore.gateway/credentialProviderConfiguration': { oauthCredentialProvider } },
  });
  const other = 'http://127.0.0.1:9/elsewhere';
  const unregistered = await client.callTool(meta({ returnUrl: other }));
  expect(unregistered.isError).toBe(true);
  expect(own.server.calls().at(-1)?.rule).toContain(`Callback URL ${other} is not registered`);
  const register = (urls: string[]) =>
    own.controls.send(new control.UpdateWorkloadIdentityCommand({ name: own.id, allowedResourceOauth2ReturnUrls: urls }));
  await register([RETURN, other]);
  const asked = await elicitedBy(client.callTool(meta({ returnUrl: other })));
  const back = await consentAs(browser(), 'ana', asked.data.elicitations[0]?.url ?? '', other);
  await complete(own, back, ana);
  expect(textOf(await client.callTool(ECHO))).toBe('echo was called');
  expect((await elicitedBy(client.callTool(meta({ forceAuthentication: true })))).code).toBe(-32042);
  // what is registered is all that is taken
  await register([other]);
  expect((await client.callTool(meta({ forceAuthentication: true }))).isError).toBe(true);
});

const run = promisify(execFile);

test('a run that pauses for the consent in one process goes on in another; the browser of another user ends nothing', async () => {
  const own = await desk();
  const [ana, ben] = [await tokenOf(own, 'ana'), await tokenOf(own, 'ben')];
  const file = join(folder('consent'), 'runs.db');
  const program = join(import.meta.dirname, '../fixtures/consenting.ts');
  async function inProcess(...args: string[]) {
    const node = ['--no-warnings', '--import', join(process.cwd(), 'scripts/source.ts'), program, ...args];
    const { stdout } = await run(process.execPath, node, { env: { ...process.env, TOKEN: ana } });
    return JSON.parse(stdout) as { result: RunResult<unknown>; shown: unknown };
  }
  const { result: paused } = await inProcess('start', own.url, file);
  if (paused.status !== 'paused') throw new Error(JSON.stringify(paused));
  const [consent] = paused.approvals;
  expect(consent).toMatchObject({ kind: 'consent', reason: 'Please login to this URL for authorization.' });
  expect(own.tools.seen).toEqual([]);

  const back = await consented((consent as { url: string }).url, 'ana');
  const engine = new Engine({ journal: sqliteJournal(file) });
  const returning = (by: { id: string }, assertion: string) =>
    consentCallback(engine, gatewayConsents(engine, { client: own.client }), {
      authenticate: () => ({ by, assertion }),
      returnUrls: [RETURN],
      resume: false,
    })(new Request(back));
  expect((await returning({ id: 'ben' }, ben)).status).toBe(403);
  const told = await returning({ id: 'ana' }, ana);
  expect([told.status, await told.text()]).toMatchObject([200, expect.stringContaining('consented')]);
  await engine.close();

  const { result, shown: seen } = await inProcess('resume', own.url, file, paused.runId);
  expect(result).toMatchObject({ status: 'completed', output: 'done' });
  expect(JSON.stringify(seen)).toContain('echo was called');
  expect(new Set(own.users())).toEqual(new Set(['ana']));
  // one run of the gateway, which the second call continued
  const calls = own.server.calls().filter(({ operation }) => operation === 'InvokeGateway tools/call');
  expect(calls).toHaveLength(2);
  expect(own.tools.seen.filter(({ method }) => method === 'POST').length).toBeGreaterThan(0);
});

/** A run of ana that waits for the consent, and the handler of the return URL for a browser that is signed in with a token. */
async function waiting(own: Desk) {
  const assertion = { type: 'jwt', token: await tokenOf(own, 'ana') };
  const source = agentcoreGateway({ url: own.url, perCaller: true, auth: ({ assertion: given }) => given?.token ?? '' });
  const model = scripted([asks(['Tools___echo', {}]), 'done']);
  const clerk = agent({ name: 'clerk', instructions: '', model, tools: [source] });
  const engine = new Engine({ agents: [clerk] });
  onTestFinished(() => engine.close());
  const paused = await ends(engine.run(clerk, 'go', { by: { id: 'ana' }, assertion }), 'paused');
  const handlerFor = (token: string) =>
    consentCallback(engine, gatewayConsents(engine, { client: own.client }), {
      authenticate: () => ({ by: { id: 'ana' }, assertion: token }),
      returnUrls: [RETURN],
      resume: false,
    });
  return { engine, model, paused, assertion, handlerFor, url: (paused.approvals[0] as { url: string }).url };
}

test('a user who has signed in again since is asked again, by a new link', async () => {
  const own = await desk();
  const { engine, model, paused, handlerFor, url } = await waiting(own);
  const back = await consented(url, 'ana');
  const token = await tokenOf(own, 'ana');
  expect((await handlerFor(token)(new Request(back))).status).toBe(410);
  const assertion = { type: 'jwt', token };
  const again = await ends(engine.resume(paused.runId, { assertion }), 'paused');
  const next = (again.approvals[0] as { url: string }).url;
  expect(next).not.toBe(url);
  expect((await handlerFor(token)(new Request(await consented(next, 'ana')))).status).toBe(200);
  await ends(engine.resume(paused.runId, { assertion }), 'completed');
  expect(shown(model.requests[1])).toMatchObject([{ text: 'echo was called' }]);
});

test('the consent of a run that was declined at the provider ends the call, and the agent is told', async () => {
  const own = await desk();
  const { engine, model, paused, assertion, handlerFor, url } = await waiting(own);
  const handler = handlerFor(assertion.token);
  const person = browser();
  const page = await person.open(url, RETURN);
  const { url: back } = await person.press(page, 'cancel', '1', RETURN);
  expect((await handler(new Request(back))).status).toBe(403);
  await ends(engine.resume(paused.runId, { assertion }), 'completed');
  expect(shown(model.requests[1])[0]).toMatchObject({ isError: true, text: expect.stringContaining('declined') });
  expect((await handler(new Request(`${RETURN}?session_id=urn%3Aother`))).status).toBe(404);
});

test.each<[string, Partial<McpOptions>]>([
  ['2025-11-25', {}],
  ['2026-07-28', { protocol: '2026-07-28' }],
  ['what the gateway prefers', { protocol: 'auto' }],
])('mcpTools() with %s: the run pauses for the URL; approved without a consent it is asked again', async (_, options) => {
  const own = await desk();
  const ana = await tokenOf(own, 'ana');
  const who = { by: { id: 'ana' }, assertion: { type: 'jwt', token: ana } };
  const source = mcpTools({
    url: own.url,
    name: 'desk',
    perCaller: true,
    headers: ({ assertion }) => ({ authorization: `Bearer ${assertion?.token}` }),
    ...options,
  });
  const model = scripted([asks(['Tools___echo', {}]), 'done']);
  const clerk = agent({ name: 'clerk', instructions: '', model, tools: [source] });
  const engine = new Engine({ agents: [clerk] });
  onTestFinished(() => engine.close());
  const consentIn = (result: RunResult<unknown>) => {
    const [asked] = result.status === 'paused' ? result.approvals : [];
    if (asked?.kind !== 'consent') throw new Error(`no consent is asked for: ${JSON.stringify(result)}`);
    return asked;
  };
  const first = await ends(engine.run(clerk, 'go', who), 'paused');
  await engine.decide(first.runId, [{ approval: consentIn(first).id, type: 'approve' }], { by: who.by });
  const second = await ends(engine.resume(first.runId, who), 'paused');
  const asked = consentIn(second);
  expect(asked.id).not.toBe(consentIn(first).id);
  expect(own.tools.seen).toEqual([]);
  await complete(own, await consented(asked.url, 'ana'), ana);
  await engine.decide(first.runId, [{ approval: asked.id, type: 'approve' }], { by: who.by });
  await ends(engine.resume(first.runId, who), 'completed');
  expect(shown(model.requests[1])).toMatchObject([{ text: 'echo was called' }]);
  expect(new Set(own.users())).toEqual(new Set(['ana']));
});

test('what is declared wrongly is told at once', async () => {
  await refused('CONFIG_INVALID', () => gatewayConsents({} as never));
  await refused('CONFIG_INVALID', () => gatewayConsents(new Engine(), { returnUrl: RETURN } as never));
});
