/**
 * Every function of every door, and every method of an engine: those with options refuse one that they do not have. What is new must be put into one
 * of the two lists.
 */
import { Engine, RondoError } from 'rondo';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { doors } from '../../scripts/doors.ts';

// biome-ignore lint/suspicious/noExplicitAny: the functions of all doors, called as plain JavaScript does
type Loose = any;
type Doors = { readonly [door: string]: { readonly [name: string]: Loose } };

const all: Doors = Object.fromEntries(await Promise.all(doors().map(async ({ name }) => [name, await import(name)] as const)));
const from = (door: string): Loose => all[door];
const { agent, memoryJournal, tool } = from('rondo');
const { scripted } = from('rondo/testing');

const model = scripted(['x']);
const pay = { name: 'pay', description: '', input: z.object({}), execute: () => 1 };
const one = agent({ name: 'one', instructions: '', model });
const engine: Loose = new Engine({ agents: [one] });
const turn = async () => ({ status: 'completed', output: '' });
const url = 'https://x.test';
const chat = { invoke: async () => 1, stream: async () => 1 };
const journal = memoryJournal();
const key = 'k'.repeat(32);
const report = { variants: ['a', 'b'] };

/** A call with options, by door and function: `o` holds an option that does not exist. */
const WITH_OPTIONS: { readonly [door: string]: { readonly [name: string]: (f: Loose, o: object) => unknown } } = {
  rondo: {
    Engine: (F, o) => new F(o),
    agent: (f, o) => f({ name: 'a', instructions: '', model, ...o }),
    askHuman: (f, o) => f(o),
    clearToolResults: (f, o) => f(o),
    delegate: (f, o) => f(one, o),
    fallback: (f, o) => f([model], o),
    foreignAgent: (f, o) => f({ name: 'f', turn, ...o }),
    graph: (f, o) => f({ name: 'g', state: z.object({}), nodes: { n: () => ({}) }, edges: { start: 'n', n: 'end' }, ...o }),
    handoff: (f, o) => f(one, o),
    keepLast: (f, o) => f(5, o),
    memoryJournal: (f, o) => f(o),
    reliability: (f, o) => f(o),
    summarise: (f, o) => f(o),
    supervisor: (f, o) => f({ name: 's', instructions: '', model, agents: [one], ...o }),
    tool: (f, o) => f({ ...pay, ...o }),
    waitForEvent: (f, o) => f({ name: 'w', event: 'e', key: 'k', schema: z.object({}), ...o }),
    waitTool: (f, o) => f(o),
  },
  'rondo/server': {
    bearer: (f, o) => f({ verify: () => undefined, ...o }),
    eventHandler: (f, o) => f(engine, { secrets: [key], by: { id: 'x' }, ...o }),
    eventStream: (f, o) => f([], o),
    jwt: (f, o) => f({ issuer: 'x', audience: 'x', keys: new URL(url), ...o }),
    jwtAuthorizer: (f, o) => f({ discoveryUrl: `${url}/.well-known/openid-configuration`, allowedClients: ['x'], ...o }),
    listen: (f, o) => f(() => new Response(), o),
    publicFetch: (f, o) => f(o),
    requestHandler: (f, o) => f(engine, one, o),
    serve: (f, o) => f(engine, one, o),
    sigV4: (f, o) => f({ keys: [], ...o }),
    sse: (f, o) => f(new ReadableStream(), o),
    webhooks: (f, o) => f(o),
  },
  'rondo/bench': {
    benchmark: (f, o) => f(o),
    compared: (f, o) => f(report, o),
    exact: (f, o) => f('x', o),
    failIf: (f, o) => f(report, [], o),
    fromJournal: (f, o) => f(journal, o),
    grounded: (f, o) => f({ model, ...o }),
    matches: (f, o) => f(z.object({}), o),
    month: (f, o) => f([], { sessions: 1, ...o }),
    paperSession: (f, o) => f({ steps: 1, context: 1, output: 1, ...o }),
    rubric: (f, o) => f({ model, ...o }),
    trajectory: (f, o) => f([], o),
  },
  'rondo/testing': {
    foreignCases: (f, o) => f(() => 1, o),
    foreignConformance: (f, o) => f(() => 1, o),
    identityConformance: (f, o) => f(() => 1, o),
    journalCases: (f, o) => f(() => 1, o),
    journalConformance: (f, o) => f(() => 1, o),
    memoryCases: (f, o) => f(() => 1, o),
    memoryConformance: (f, o) => f(() => 1, o),
    memoryStoreCases: (f, o) => f(() => 1, o),
    memoryStoreConformance: (f, o) => f(() => 1, o),
    record: (f, o) => f(model, 'x.jsonl', o),
    recordsCases: (f, o) => f(() => 1, o),
    recordsConformance: (f, o) => f(() => 1, o),
    replay: (f, o) => f('x.jsonl', o),
    scripted: (f, o) => f([], o),
  },
  'rondo/aws': { awsCredentials: (f, o) => f(o) },
  'rondo/bedrock': {
    bedrock: (f, o) => f('us.anthropic.claude-sonnet-4-5', o),
    bedrockGuardrail: (f, o) => f({ id: 'x', version: '1', ...o }),
  },
  'rondo/policy': { cedarPolicy: (f, o) => f({ policies: '', tools: [], ...o }) },
  'rondo/mcp': {
    assertionGrant: (f, o) => f(o),
    clientGrant: (f, o) => f(o),
    gatewayHandler: (f, o) => f(engine, { name: 's', open: () => 1 }, o),
    mcpHandler: (f, o) => f(engine, one, o),
    mcpTools: (f, o) => f({ url, ...o }),
    userGrant: (f, o) => f(o),
  },
  'rondo/gateway': {
    brave: (f, o) => f(o),
    gateway: (f, o) => f({ name: 'g', targets: { a: [tool(pay)] }, ...o }),
    github: (f, o) => f(o),
    lambdaTools: (f, o) => f(o),
    openApiTools: (f, o) => f(o),
    searxng: (f, o) => f({ url, ...o }),
    slack: (f, o) => f(o),
    tavily: (f, o) => f(o),
    webSearch: (f, o) => f(o),
  },
  'rondo/guardrails': { patternGuardrail: (f, o) => f(o), piiGuardrail: (f, o) => f(o), topicGuardrail: (f, o) => f(o) },
  'rondo/http': { sse: (f, o) => f(new ReadableStream(), o) },
  'rondo/langgraph': {
    journalSaver: (f, o) => f(journal, o),
    langgraphAgent: (f, o) => f({ name: 'l', graph: { stream: 1 }, ...o }),
    rondoNode: (f, o) => f(engine, one, o),
  },
  'rondo/langchain': {
    langchainModel: (f, o) => f(chat, o),
    langchainTool: (f, o) => f({ ...chat, name: 't', description: '', schema: { type: 'object', properties: {} } }, o),
  },
  'rondo/strands': { rondoTool: (f, o) => f(engine, one, o), strandsAgent: (f, o) => f({ name: 's', agent: () => 1, ...o }) },
  'rondo/ai-sdk': {
    aiSdkAgent: (f, o) => f({ name: 'a', generate: () => 1, ...o }),
    aiSdkModel: (f, o) => f({ provider: 'p', modelId: 'm' }, o),
  },
  'rondo/openai-agents': { openaiAgent: (f, o) => f({ name: 'a', agent: {}, ...o }) },
  'rondo/a2a': {
    a2aAgent: (f, o) => f(url, o),
    a2aHandler: (f, o) => f(engine, one, { card: { url }, ...o }),
    bearer: (f, o) => f({ verify: () => undefined, ...o }),
    clientCredentials: (f, o) => f({ tokenUrl: url, clientId: 'x', clientSecret: 'x', ...o }),
    jwt: (f, o) => f({ issuer: 'x', audience: 'x', keys: new URL(url), ...o }),
    serveA2A: (f, o) => f(engine, one, o),
  },
  'rondo/agentcore': { agentcore: (f, o) => f(o) },
  'rondo/agentcore/gateway': { agentcoreGateway: (f, o) => f({ url, ...o }), gatewayConsents: (f, o) => f(engine, o) },
  'rondo/agentcore/identity': { agentcoreIdentity: (f, o) => f(o) },
  'rondo/agentcore/runtime': {
    agentcoreRuntime: (f, o) => f(o),
    runtimeCard: (f, o) => f(o),
    runtimeCommand: (f, o) => f(o),
    serve: (f, o) => f(engine, one, o),
  },
  'rondo/agentcore/memory': { agentcoreMemory: (f, o) => f(o) },
  'rondo/agentcore/wire': { movableClock: (f, o) => f(o), startAgentCore: (f, o) => f(o) },
  'rondo/memory': {
    episodes: (f, o) => f(o),
    facts: (f, o) => f(o),
    preferences: (f, o) => f(o),
    remember: (f, o) => f({ search: () => 1, append: () => 1 }, o),
    sqliteMemory: (f, o) => f('x.db', o),
    strategy: (f, o) => f(o),
    summary: (f, o) => f(o),
  },
  'rondo/ag-ui': {
    agUiHandler: (f, o) => f(engine, one, o),
    bearer: (f, o) => f({ verify: () => undefined, ...o }),
    jwt: (f, o) => f({ issuer: 'x', audience: 'x', keys: new URL(url), ...o }),
    serveAgUi: (f, o) => f(engine, one, o),
  },
  'rondo/identity': {
    consentCallback: (f, o) => f(engine, { get: () => 1, returned: () => 1 }, o),
    localIdentity: (f, o) => f(o),
    sqliteVault: (f, o) => f('x.db', { current: 'k', keys: { k: key } }, o),
  },
  'rondo/journal/postgres': { postgresJournal: (f, o) => f({ url: 'postgres://x.test', ...o }) },
  'rondo/journal/dynamodb': { createDynamodbTable: (f, o) => f(o), dynamodbJournal: (f, o) => f(o) },
  'rondo/journal/encrypted': { encrypted: (f, o) => f(journal, { current: 'k', keys: { k: key } }, o) },
  'rondo/journal/sqlite': { sqliteJournal: (f, o) => f('x.db', o) },
};

/** Functions without options: what they take are values, names of your own, or what Rondo itself or a store passes. */
const WITHOUT: { readonly [door: string]: readonly string[] } = {
  rondo: [
    // thrown by users: an error must not fail for how it is made
    ...['NeedsPerson', 'RondoError', 'ToolError'],
    ...['append', 'approve', 'edit', 'jsonSchema', 'reject', 'respond', 'send', 'toMermaid'],
    // for stores of your own
    ...['changedClaims', 'changedEffect', 'claimMac', 'inboxOver', 'isDead', 'tombstone', 'withoutWaits'],
  ],
  'rondo/server': [
    ...['HttpError', 'accepted', 'authenticate', 'begun', 'checkHost', 'checkOpen', 'errorAnswer', 'isInside', 'isLoopback', 'isSameRun'],
    ...['json', 'lastEventId', 'openRunOf', 'problemOf', 'publicOnly', 'readJson', 'report', 'takeTurn'],
  ],
  'rondo/bench': ['condition', 'pricedModels', 'sessionOf', 'summarised'],
  'rondo/testing': ['checkPrefixes', 'identityCases', 'prefixTokens', 'prefixes'],
  'rondo/aws': ['awsKeys'],
  'rondo/policy': ['iamEntity', 'oauthUser'],
  'rondo/gateway': ['localIndex'],
  'rondo/agentcore/identity': ['userIdOf'],
  'rondo/agentcore/runtime': ['currentInvocation'],
  'rondo/memory': ['openMemoryDatabase'],
  'rondo/identity': ['identities', 'keyEnv', 'keyFile'],
};

const by = { id: 'ana' };
const METHODS: { readonly [method: string]: (e: Loose, o: object) => unknown } = {
  approvals: (e, o) => e.approvals(o).next(),
  cancel: (e, o) => e.cancel('r', o),
  deadLetters: (e, o) => e.deadLetters({ by, ...o }).next(),
  decide: (e, o) => e.decide('r', [], { by, ...o }),
  dismiss: (e, o) => e.dismiss({ runId: 'r', callId: '1.0' }, { by, reason: 'x', ...o }),
  effectSums: (e, o) => e.effectSums(o),
  effects: (e, o) => e.effects(o).next(),
  enqueue: (e, o) => e.enqueue(one, 'x', o),
  entries: (e, o) => e.entries('r', o).next(),
  events: (e, o) => e.events(o),
  exportTrace: (e, o) => e.exportTrace('r', o).next(),
  forget: (e, o) => e.forget('r', o),
  fork: (e, o) => e.fork('r', { at: 1, ...o }),
  handOuts: (e, o) => e.handOuts(o),
  inspect: (e, o) => e.inspect('r', o),
  prune: (e, o) => e.prune({ olderThan: 1, ...o }),
  reopen: (e, o) => e.reopen({ runId: 'r', callId: '1.0' }, { by, reason: 'x', ...o }),
  resume: (e, o) => e.resume('r', o),
  retry: (e, o) => e.retry({ runId: 'r', callId: '1.0' }, { by, ...o }),
  run: (e, o) => e.run(one, 'x', o),
  runs: (e, o) => e.runs(o).next(),
  schedule: (e, o) => e.schedule('s', { cron: '* * * * *', agent: one, input: 'x', ...o }),
  schedules: (e, o) => e.schedules(o),
  search: (e, o) => e.search({ text: 'x', ...o }),
  send: (e, o) => e.send('r', 'x', o),
  settle: (e, o) => e.settle('r', '1.0', { outcome: 'done', by, ...o }),
  signal: (e, o) => e.signal({ event: 'e', key: 'k', data: {} }, { by, ...o }),
  unschedule: (e, o) => e.unschedule('s', o),
  watch: (e, o) => e.watch('r', o)[Symbol.asyncIterator]().next(),
  work: (e, o) => e.work(o),
};
const METHODS_WITHOUT = ['agents', 'close', 'rebuildEffects', 'recover', 'register', 'sweep'];

/** The error of a call, thrown or rejected. */
const errorOf = (act: () => unknown): Promise<unknown> =>
  (async () => act())().then(
    () => undefined,
    (error: unknown) => error,
  );

async function refuses(call: (f: Loose, o: object) => unknown, on: Loose) {
  const error = await errorOf(() => call(on, { zzunknown: 1 }));
  expect(RondoError.is(error, 'CONFIG_INVALID'), String((error as Error | undefined)?.stack)).toBe(true);
  expect((error as Error).message).toMatch(/has no (option|field) "zzunknown"\. (Did you mean|There are)/);
}

describe.each(Object.keys(all))('%s', (door) => {
  test('each of its functions is in one of the lists', () => {
    const functions = Object.entries(all[door] ?? {}).flatMap(([name, value]) => (typeof value === 'function' ? [name] : []));
    const listed = [...Object.keys(WITH_OPTIONS[door] ?? {}), ...(WITHOUT[door] ?? [])];
    expect(listed.sort()).toEqual(functions.sort());
  });
  for (const [name, call] of Object.entries(WITH_OPTIONS[door] ?? {}))
    test(`${name} refuses an option that it does not have`, () => refuses(call, from(door)[name]));
});

describe('Engine', () => {
  test('each of its methods is in one of the lists', () => {
    const methods = [Engine.prototype, Object.getPrototypeOf(Engine.prototype)].flatMap((one) => Object.getOwnPropertyNames(one));
    const listed = [...Object.keys(METHODS), ...METHODS_WITHOUT, 'constructor'];
    expect([...new Set(listed)].sort()).toEqual([...new Set(methods)].sort());
  });
  for (const [name, call] of Object.entries(METHODS))
    test(`${name}() refuses an option that it does not have`, () => refuses(call, engine));
});
