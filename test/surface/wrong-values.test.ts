/** What plain JavaScript, a spread or JSON can pass, and the compiler would refuse: each is a `CONFIG_INVALID` that names the field and what is meant. */
import {
  agent,
  approve,
  delegate,
  Engine,
  fallback,
  foreignAgent,
  graph,
  handoff,
  keepLast,
  memoryJournal,
  RondoError,
  reject,
  tool,
} from 'rondo';
import { a2aAgent, serveA2A } from 'rondo/a2a';
import { agUiHandler, serveAgUi } from 'rondo/ag-ui';
import { agentcore } from 'rondo/agentcore';
import { agentcoreGateway } from 'rondo/agentcore/gateway';
import { serve as serveContainer } from 'rondo/agentcore/runtime';
import { aiSdkModel } from 'rondo/ai-sdk';
import { bedrock } from 'rondo/bedrock';
import { gateway } from 'rondo/gateway';
import { patternGuardrail, piiGuardrail, topicGuardrail } from 'rondo/guardrails';
import { sqliteJournal } from 'rondo/journal/sqlite';
import { mcpHandler, mcpTools } from 'rondo/mcp';
import { accepted, eventHandler, jwt, jwtAuthorizer, listen, requestHandler, serve, sse, takeTurn, webhooks } from 'rondo/server';
import { strandsAgent } from 'rondo/strands';
import { scripted } from 'rondo/testing';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';

// biome-ignore lint/suspicious/noExplicitAny: it is what the compiler would refuse
type Loose = any;
const model = scripted(() => 'done');
const base = { name: 'pay', description: '', input: z.object({}), execute: () => 1 };
const pays = (o: object): Loose => (tool as Loose)({ ...base, ...o });
const answers = (o: object): Loose => (agent as Loose)({ name: 'a', instructions: '', model, ...o });
const engineOf = (o: unknown): Loose => new Engine(o as Loose);
const draws = (o: object): Loose =>
  (graph as Loose)({ name: 'g', state: z.object({ topic: z.string() }), nodes: { n: () => ({}) }, edges: { start: 'n', n: 'end' }, ...o });
const loose = (f: unknown) => f as Loose;

const one = answers({});
const engine = new Engine();
const run = (o: unknown): Loose => loose(engine).run(one, 'x', o);

const wrong: readonly [what: string, act: () => unknown, ...says: string[]][] = [
  // misspelt options
  ['serve({ aut })', () => loose(serve)(engine, one, { aut: () => ({ id: 'x' }) }), 'serve()', '"aut"', '"auth"', 'bearer('],
  ['requestHandler({ aut })', () => loose(requestHandler)(engine, one, { aut: 1 }), '"auth"'],
  ['serveA2A({ aut })', () => loose(serveA2A)(engine, one, { aut: 1 }), '"auth"'],
  ['serveA2A({ card: { ur } })', () => loose(serveA2A)(engine, one, { card: { ulr: 'x' } }), '"url"'],
  ['serveAgUi({ aut })', () => loose(serveAgUi)(engine, one, { aut: 1 }), '"auth"'],
  ['agUiHandler({ authentication })', () => loose(agUiHandler)(engine, one, { authentication: 1 }), '"auth"'],
  ['mcpHandler({ aut })', () => loose(mcpHandler)(engine, one, { aut: 1 }), '"auth"'],
  ['serve({ auth: true })', () => loose(serve)(engine, one, { auth: true }), 'auth is a function', 'bearer('],
  ['mcpTools() of a URL', () => loose(mcpTools)('https://shop.example/mcp'), "{ url: 'https://example.com/mcp' }"],
  ['agentcoreGateway() of a URL', () => loose(agentcoreGateway)('https://shop.example/mcp'), "{ url: '"],
  [
    'a2aAgent({ headers: text })',
    () => loose(a2aAgent)('https://shop.example', { headers: 'x-api-key: 7' }),
    'headers',
    "{ 'x-api-key': key }",
  ],
  ['sse() of a result', () => loose(sse)({ runId: 'r', status: 'completed' }), 'a run', 'without await'],
  ['sse() of a promise of a run', () => loose(sse)(Promise.resolve()), 'a run', 'without await'],
  ['accepted() of a result', () => loose(accepted)({ runId: 'r', status: 'completed' }), 'a run', 'without await'],
  ["run({ userId: 'ana' })", () => run({ userId: 'ana' }), '"by"', "{ id: 'ana' }"],
  ["run({ tenantId: 'acme' })", () => run({ tenantId: 'acme' }), '"by"'],
  ["run({ runId: 'r' })", () => run({ runId: 'r' }), '"id"'],
  ["run({ conversationId: 'c' })", () => run({ conversationId: 'c' }), '"session"'],
  ['tool({ idempotencyKey })', () => pays({ idempotencyKey: 'k' }), '"key"'],
  ['tool({ idempotent: true })', () => pays({ idempotent: true }), '"effect"'],
  ['agent({ functions })', () => answers({ functions: [] }), '"tools"'],
  ['new Engine({ pricing })', () => engineOf({ pricing: {} }), '"prices"'],
  ['a server without an engine', () => loose(requestHandler)({}, one), 'takes an engine'],
  ['jwt({ principle })', () => loose(jwt)({ issuer: 'x', audience: 'x', keys: new URL('https://x.test'), principle: 1 }), '"principal"'],
  [
    'jwtAuthorizer({ principal: { tennant } })',
    () =>
      loose(jwtAuthorizer)({
        discoveryUrl: 'https://x.test/.well-known/openid-configuration',
        allowedClients: ['x'],
        principal: { tennant: 'org' },
      }),
    '"tenant"',
  ],
  ['a webhook with a misspelt secret', () => loose(webhooks)().send({ url: 'https://x.test', body: '', secrt: 'whsec_x' }), '"secret"'],
  ['policy: { acess }', () => engineOf({ policy: { decide: () => ({ allow: true }), acess: () => 1 } }), 'policy', '"access"'],
  ['policy: { contents }', () => engineOf({ policy: { decide: () => ({ allow: true }), contents: () => 1 } }), '"content"'],
  ['policy: { decid }', () => engineOf({ policy: { decid: () => 1 } }), '"decide"'],
  ['use: [{ tools }]', () => engineOf({ use: [{ tools: () => 1 }] }), 'use', '"tool"'],
  ['use: [{ tools }] of an agent', () => answers({ use: [{ tools: () => 1 }] }), 'use', '"tool"'],
  ['by: { tenantId }', () => run({ by: { id: 'x', tenantId: 't' } }), 'by', '"tenantId"', '"tenant"'],
  ['by: { role }', () => run({ by: { id: 'x', role: ['lead'] } }), '"roles"'],
  ['session: { share }', () => run({ session: { id: 's', share: true } }), 'session', '"shared"'],
  ['sqliteJournal({ durabilty })', () => loose(sqliteJournal)('x.db', { durabilty: 'power' }), '"durability"'],
  ['memoryJournal({ maxRun })', () => loose(memoryJournal)({ maxRun: 1 }), '"maxRuns"'],
  ['retry: { atempts }', () => pays({ retry: { atempts: 3 } }), 'tool "pay": retry', '"attempts"'],
  ['retry: { maxAttempts }', () => pays({ retry: { maxAttempts: 3 } }), '"attempts"'],
  ['breaker: { failure }', () => pays({ breaker: { failure: 3 } }), 'breaker', '"failures"'],
  ['reliability: { tools: { timout } }', () => engineOf({ reliability: { tools: { timout: 1 } } }), 'reliability.tools', '"timeout"'],
  ['reliability: { tool }', () => answers({ reliability: { tool: {} } }), 'reliability', '"tools"'],
  ['telemetry: { contnet }', () => engineOf({ telemetry: { contnet: true } }), 'telemetry', '"content"'],
  ['delegate({ nam })', () => loose(delegate)(one, { nam: 'x' }), '"name"'],
  ['handoff({ wen })', () => loose(handoff)(one, { wen: 'x' }), '"when"'],
  ['graph({ reducers: { tpic } })', () => draws({ reducers: { tpic: () => 1 } }), 'reducers', '"topic"'],
  ['credentials: { git: { provder } }', () => pays({ credentials: { git: { provder: 'x' } } }), '"git"', '"provider"'],
  ['cancel({ reson })', () => loose(engine).cancel('r', { reson: 'x' }), 'cancel()', '"reason"'],
  ['settle({ outcom })', () => loose(engine).settle('r', '1.0', { outcom: 'done', by: { id: 'x' } }), '"outcome"'],
  ['decide({ resum })', () => loose(engine).decide('r', [approve('x')], { by: { id: 'x' }, resum: true }), '"resume"'],
  ['bedrock({ regoin })', () => loose(bedrock)('us.anthropic.x', { regoin: 'x' }), '"region"'],
  ['bedrock({ maxToken })', () => loose(bedrock)('us.anthropic.x', { maxToken: 1 }), '"maxTokens"'],
  [
    'bedrock({ guardrail: { versoin } })',
    () => loose(bedrock)('us.anthropic.x', { guardrail: { id: 'x', version: '1', trac: 'x' } }),
    '"trace"',
  ],
  ['bedrock({ cache: { tll } })', () => loose(bedrock)('us.anthropic.x', { cache: { tll: '5m' } }), 'cache', '"ttl"'],
  ['scripted([{ toolCals }])', () => loose(scripted)([{ toolCals: [] }]), '"toolCalls"'],
  ["scripted('x')", () => loose(scripted)('x'), 'takes a list'],
  [
    'a misspelt field of a decision',
    () => loose(engine).decide('r', [{ approval: 'x', type: 'reject', reson: 'no' }], { by: { id: 'x' } }),
    '"reason"',
  ],
  // other libraries' names
  ['agent({ system })', () => answers({ system: 'x' }), '"instructions"', "instructions: 'Answer"],
  ['limits: { maxSteps }', () => answers({ limits: { maxSteps: 3 } }), '"steps"'],
  ['limits: { cost }', () => answers({ limits: { cost: 3 } }), '"costUsd"'],
  ['approval: { role }', () => pays({ approval: { role: ['lead'] } }), '"roles"'],
  ['agent({ colour })', () => answers({ colour: 1 }), 'There are name, description'],
  // wrong values
  ["approval: 'yes'", () => pays({ approval: 'yes' }), 'approval', 'true, false, or an object'],
  ['credentials: { git: {} }', () => pays({ credentials: { git: {} } }), '"git"', 'provider'],
  ["check of effect: 'read'", () => pays({ effect: 'read', check: () => 1 }), 'tool "pay": check', "effect: 'once'"],
  ["check of effect: 'idempotent'", () => pays({ effect: 'idempotent', check: () => 1 }), 'tool "pay": check', "effect: 'once'"],
  ['retry: 3', () => pays({ retry: 3 }), 'retry', '{ attempts: 3 }'],
  ["durability: 'ful'", () => loose(sqliteJournal)('x.db', { durability: 'ful' }), "'power' or 'process'"],
  ['new Engine({ agents: a })', () => engineOf({ agents: one }), 'agents is a list', 'agents: [support]'],
  ["journal: 'runs.db'", () => engineOf({ journal: 'runs.db' }), 'journal', "sqliteJournal('runs.db')"],
  ['journal: {}', () => engineOf({ journal: {} }), 'journal', 'append'],
  ['memory: {}', () => engineOf({ memory: {} }), 'memory', 'recall'],
  ['identity: {}', () => engineOf({ identity: {} }), 'identity', 'get'],
  ['policy: () => ...', () => engineOf({ policy: () => ({ allow: false }) }), 'policy', 'decide'],
  ['policy.access: true', () => engineOf({ policy: { decide: () => ({ allow: true }), access: true } }), 'access is true'],
  ['onEvent: 1', () => engineOf({ onEvent: 1 }), 'onEvent is a function'],
  ['use: { tool }', () => engineOf({ use: { tool: () => 1 } }), 'use is a list'],
  ['use: [() => 1]', () => answers({ use: [() => 1] }), 'use', 'step or model or tool'],
  ['use: [{}]', () => answers({ use: [{}] }), 'has none'],
  ['a node that is a number', () => draws({ nodes: { n: 5 } }), 'node "n"'],
  ['a node that is null', () => draws({ nodes: { n: null } }), 'node "n"'],
  ['aiSdkModel()', () => loose(aiSdkModel)(), 'takes a language model'],
  ['strandsAgent() of a function', () => loose(strandsAgent)(() => ({}), { name: 'x' }), 'strandsAgent() takes its options as an object'],
  ['strandsAgent({ name })', () => loose(strandsAgent)({ name: 'x' }), 'has no agent'],
  ["agentcore({ ephemeral: 'false' })", () => loose(agentcore)({ ephemeral: 'false' }), 'ephemeral is true or false'],
  ['approve(undefined)', () => loose(approve)(undefined), 'approval'],
  ['reject(undefined)', () => loose(reject)(undefined, 'no'), 'approval'],
  ['signal: 1', () => run({ signal: 1 }), 'signal is an AbortSignal'],
  ["runs({ by: 'ana' })", () => loose(engine).runs({ by: 'ana' }).next(), 'by'],
  ["cancel({ by: 'ana' })", () => loose(engine).cancel('r', { by: 'ana' }), 'by'],
  ["run({ by: 'ana' })", () => run({ by: 'ana' }), '{ id: "ana" }'],
  ['serve(agent, engine) of a runtime', () => loose(serveContainer)(one, engine), '(engine, support)'],
  ['takeTurn(agent, engine)', () => loose(takeTurn)(one, engine, { input: 'x' }), 'an engine, its agent and a turn'],
  ['eventHandler(agent)', () => loose(eventHandler)(one, { secrets: ['whsec_x'], by: { id: 'mail' } }), 'an engine and options'],
  ['listen(engine)', () => loose(listen)(engine), 'a request handler'],
  ["piiGuardrail({ mask: 'email' })", () => loose(piiGuardrail)({ mask: 'email' }), "mask: ['email', 'phone']"],
  ["topicGuardrail({ denied: ['a'] })", () => loose(topicGuardrail)({ denied: ['a'] }), "phrases: ['diagnosis']"],
  ["patternGuardrail({ patterns: ['a'] })", () => loose(patternGuardrail)({ patterns: ['a'] }), "name: 'ORDER', pattern: /"],
  ["an edge to 'END'", () => draws({ edges: { start: 'n', n: 'END' } }), 'There are n, end.'],
  ["search({ text: '' })", () => loose(engine).search({ text: '' }), '1 to 200 characters'],
  ['keepLast(5, 5)', () => loose(keepLast)(5, 5), 'keepLast()'],
  ['fallback([], { one })', () => loose(fallback)([model], { one: [] }), '"on"'],
  [
    'foreignAgent({ retry: { attempt } })',
    () => loose(foreignAgent)({ name: 'f', turn: async () => 1, retry: { attempt: 1 } }),
    '"attempts"',
  ],
];

describe('what the compiler would refuse is refused, with the field and what was meant:', () => {
  test.each(wrong)('%s', async (what, act, ...says) => {
    const error = await (async () => act())().then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    const code = what.includes('decision') ? 'DECISION_INVALID' : 'CONFIG_INVALID';
    expect(RondoError.is(error, code), String(error)).toBe(true);
    for (const text of says) expect((error as Error).message).toContain(text);
  });
});

test('a result in place of the id of its run is told as that', async () => {
  const result = await engine.run(one, 'go');
  for (const method of ['inspect', 'resume', 'cancel'] as const)
    await expect(loose(engine)[method](result)).rejects.toMatchObject({
      code: 'RUN_NOT_FOUND',
      message: expect.stringContaining('pass its runId'),
    });
});

test('a server tells its operator, and not the caller, that its auth gives a misspelt caller', async () => {
  const told: string[] = [];
  const listen = (warning: Error) => told.push(warning.message);
  process.on('warning', listen);
  const handler = loose(requestHandler)(engine, one, { auth: () => ({ id: 'ana', role: ['lead'] }) });
  const answer: Response = await handler(new Request('http://x.test/runs', { method: 'POST' }));
  expect(answer.status).toBe(401);
  await expect.poll(() => told.join()).toContain('Did you mean "roles"?');
  expect(await answer.text()).not.toContain('role');
  process.off('warning', listen);
});

describe('what is meant as it is, is taken:', () => {
  const undef = undefined;
  test.each<[string, () => unknown]>([
    ['options that are undefined', () => [engineOf({ memory: undef, policy: undef, colour: undef }), pays({ retry: { on: undef } })]],
    ['other functions of a policy', () => engineOf({ policy: { decide: () => ({ allow: true }), log: () => 1 } })],
    [
      'a policy that is a class',
      () =>
        engineOf({
          policy: new (class {
            decide() {
              return { allow: true };
            }
          })(),
        }),
    ],
    ['other fields of a caller', () => run({ by: { id: 'x', email: 'x@example.com', uid: 7 } })],
    [
      'reliability of a target that is undefined',
      () => loose(gateway)({ name: 'g', targets: { team: [one] }, reliability: { team: { timeout: undef } } }),
    ],
    ['no session', () => run({ session: undef, by: undef })],
  ])('%s', async (_, act) => {
    await act();
  });
});
