/**
 * The client that the conformance suite of MCP starts for each scenario: an agent with the tools of the suite's server, in an engine of its own. A
 * browser, where one is needed, is a request to the address of the consent.
 */

import { consentCallback, sqliteVault } from '../../src/adapters/identity/index.ts';
import { assertionGrant, clientGrant, type McpAuth, type McpOptions, mcpTools, userGrant } from '../../src/adapters/mcp/index.ts';
import { agent, Engine, type Message, type RunResult, type ToolSpec } from '../../src/index.ts';
import type { JsonObject } from '../../src/json.ts';
import { scripted } from '../../src/testing/index.ts';

const url = process.argv.at(-1) as string;
const scenario = process.env.MCP_CONFORMANCE_SCENARIO ?? '';
const context = JSON.parse(process.env.MCP_CONFORMANCE_CONTEXT ?? '{}') as Record<string, string>;
const { toolCalls = [] } = context as { toolCalls?: { name: string; arguments: JsonObject }[] };

const CALLBACK = 'http://localhost:3000/callback/{provider}';
const by = { id: 'ana' };
// the suite's authorization servers are on this machine
const ownFetch = (to: string, init: RequestInit) => fetch(to, init);

const users = userGrant({
  vault: sqliteVault(':memory:', { current: 'k', keys: { k: Buffer.alloc(32, 7) } }),
  callback: CALLBACK,
  name: 'conformance',
  clientUrl: 'https://conformance-test.local/client-metadata.json',
  fetch: ownFetch,
  ...(scenario === 'auth/pre-registration' && { client: { id: context.client_id ?? '', secret: context.client_secret ?? '' } }),
});

/** How the application is authorized in this scenario. */
function authOf(): McpAuth | undefined {
  if (!scenario.startsWith('auth/')) return undefined;
  const { client_id: id = '', client_secret: secret, private_key_pem: pem, signing_algorithm: algorithm = 'ES256' } = context;
  if (scenario === 'auth/client-credentials-jwt')
    return clientGrant({ client: { id, key: { pem: pem ?? '', algorithm } }, fetch: ownFetch });
  if (scenario === 'auth/client-credentials-basic') return clientGrant({ client: { id, secret: secret ?? '' }, fetch: ownFetch });
  if (scenario === 'auth/cross-app-access-complete-flow' || scenario === 'auth/enterprise-managed-authorization')
    return assertionGrant({
      client: { id, secret: secret ?? '' },
      fetch: ownFetch,
      assertion: ({ issuer, resource }) => idJag(issuer, resource),
    });
  if (scenario === 'auth/wif-jwt-bearer')
    return assertionGrant({
      client: { id: id || 'workload' },
      fetch: ownFetch,
      assertion: () => context.workload_jwt ?? context.valid_jwt ?? context.assertion ?? '',
    });
  return users;
}

/** The assertion that the company's identity provider gives for the token of the employee. */
async function idJag(issuer: string, resource: string): Promise<string> {
  const response = await fetch(context.idp_token_endpoint ?? '', {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      requested_token_type: 'urn:ietf:params:oauth:token-type:id-jag',
      audience: issuer,
      resource,
      subject_token: context.idp_id_token ?? '',
      subject_token_type: 'urn:ietf:params:oauth:token-type:id_token',
      client_id: context.idp_client_id ?? '',
    }),
  });
  return ((await response.json()) as { access_token: string }).access_token;
}

const auth = authOf();
const options: McpOptions = {
  url,
  name: 'suite',
  perCaller: auth !== undefined,
  ...(auth && { auth }),
  ...(process.env.SUITE === 'mcp-conformance-next' && { protocol: 'auto' }),
  // a question in the middle of a call is answered there; the others by approvals
  ...(scenario === 'elicitation-sep1034-client-defaults' && { elicit: () => ({}) }),
};

/** Calls each tool once: first what connects, then the others, one in each step. */
const model = scripted((request) => {
  const called = new Set(request.messages.flatMap(callsOf));
  // it connects again where the server has taken its tools away
  const next = request.tools?.find(({ name }) => !called.has(name) || (name === 'connect_suite' && request.messages.length < 20));
  return next ? { toolCalls: [{ name: next.name, input: argumentsOf(next, request.tools ?? []) }] } : 'done';
});

const callsOf = ({ content }: Message): string[] => content.flatMap((part) => (part.type === 'toolCall' ? [part.name] : []));

/** The arguments that the suite wants, or that the schema admits. */
function argumentsOf({ name, input }: ToolSpec, all: readonly ToolSpec[]): JsonObject {
  const wanted = toolCalls.find((one) => one.name === name);
  // a null that the schema does not admit is not sent
  if (wanted) return Object.fromEntries(Object.entries(wanted.arguments).filter(([, value]) => value !== null));
  const echoed = all.find((one) => one.name === 'json_schema_2020_12_tool' && one.name !== name);
  return echoed ? { schema: echoed.input as JsonObject } : inputOf(input as { properties?: object });
}

function inputOf({ properties = {} }: { properties?: object }) {
  return Object.fromEntries(
    Object.entries(properties).map(([name, { type }]: [string, { type?: string }]) => [
      name,
      type === 'number' || type === 'integer' ? 3 : type === 'boolean' ? true : 'x',
    ]),
  );
}

const engine = new Engine();
const desk = agent({ name: 'desk', instructions: '', model, tools: [mcpTools(options)] });
const returns = consentCallback(engine, users, { authenticate: () => ({ by }), returnUrls: [CALLBACK], resume: false });

/** The person: consents, and answers each question with its defaults. */
async function decided(paused: RunResult<unknown>): Promise<void> {
  if (paused.status !== 'paused') return;
  for (const asked of paused.approvals) {
    if (asked.kind === 'consent') {
      const answer = await fetch(asked.url, { redirect: 'manual' });
      const back = await returns(new Request(answer.headers.get('location') ?? CALLBACK));
      if (!back.ok) throw new Error(`the consent failed: ${await back.text()}`);
    } else if (asked.kind === 'question') await engine.decide(paused.runId, [{ approval: asked.id, type: 'respond', answer: {} }], { by });
  }
}

let run: RunResult<unknown> = await engine.run(desk, 'go', { by });
for (let pauses = 0; run.status === 'paused' && pauses < 10; pauses++) {
  await decided(run);
  run = await engine.resume(run.runId);
}
await engine.close();
console.log(JSON.stringify(run));
for (const { messages } of model.requests.slice(-1))
  for (const { content } of messages) for (const part of content) console.log(JSON.stringify(part).slice(0, 500));
if (run.status !== 'completed') process.exitCode = 1;
