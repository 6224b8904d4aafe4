import { join } from 'node:path';
import {
  CreatePolicyCommand,
  DeleteGatewayCommand,
  DeleteGatewayTargetCommand,
  DeletePolicyEngineCommand,
  GetPolicyCommand,
  GetPolicyGenerationCommand,
  GetPolicyGenerationSummaryCommand,
  ListGatewayTargetsCommand,
  ListPolicyGenerationAssetsCommand,
  ListPolicyGenerationSummariesCommand,
  ListPolicyGenerationsCommand,
  type PolicyGenerationAsset,
  paginateListPolicyGenerationAssets,
  StartPolicyGenerationCommand,
  type StartPolicyGenerationCommandInput,
  UpdatePolicyCommand,
} from '@aws-sdk/client-bedrock-agentcore-control';
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { type AgentCoreOptions, movableClock } from '../../../src/adapters/agentcore/wire/index.ts';
import { generated } from '../../../src/adapters/agentcore/wire/policy/generating.ts';
import type { Model, ModelRequest } from '../../../src/ports/model.ts';
import { folder } from '../../kit/folder.ts';
import { deferred } from '../../kit/time.ts';
import { started } from '../gateway/kit.ts';
import { about, arnOf, TOKEN, type WithEngine, withEngine } from './kit.ts';

const TEXT = 'Users may refund up to 500 dollars. There are no refunds at the weekend.';
const DAY = 86_400_000;
const BOUND: AgentCoreOptions = { bindings: { 'model:default': `${import.meta.dirname}/../fixtures/models.ts#told` } };

const asked: ModelRequest[] = [];
const model = globalThis as { told?: Model['generate'] | undefined };
afterEach(() => {
  model.told = undefined;
  asked.length = 0;
});

/** What the model answers: a text, or what it does. */
function answers(...all: (string | Model['generate'])[]): void {
  model.told = async (request, call) => {
    const now = all[Math.min(asked.length, all.length - 1)] as string | Model['generate'];
    asked.push(structuredClone(request));
    return typeof now === 'string' ? { content: [{ type: 'text', text: now }], stop: 'end' } : now(request, call);
  };
}
/** What a model should answer. */
const written = (...items: { fragment?: string; statement?: string | null; why?: string | null }[]): string =>
  JSON.stringify({ items: items.map((one) => ({ fragment: TEXT, statement: null, why: null, ...one })) });

interface Generating extends WithEngine {
  start(more?: Partial<StartPolicyGenerationCommandInput>): Promise<string>;
  status(id: string): Promise<{ status?: string | undefined; reasons: string }>;
  assets(id: string): Promise<PolicyGenerationAsset[]>;
  /** The assets of a generation that is over. */
  generate(answer: string | ((gateway: string) => string)): Promise<PolicyGenerationAsset[]>;
}

async function generating(o: Parameters<typeof withEngine>[0] = BOUND, input: Parameters<typeof withEngine>[1] = {}): Promise<Generating> {
  const found = await withEngine(o, input);
  const { controls, engine: policyEngineId, gateway, server } = found;
  const own: Generating = {
    ...found,
    async start(more = {}) {
      const input = { policyEngineId, name: 'money', resource: { arn: gateway }, content: { rawText: TEXT }, ...more };
      return (await controls.send(new StartPolicyGenerationCommand(input))).policyGenerationId ?? '';
    },
    async status(policyGenerationId) {
      const { status, statusReasons = [] } = await controls.send(new GetPolicyGenerationCommand({ policyEngineId, policyGenerationId }));
      return { status, reasons: statusReasons.join() };
    },
    async assets(policyGenerationId) {
      const all: PolicyGenerationAsset[] = [];
      for await (const { policyGenerationAssets = [] } of paginateListPolicyGenerationAssets(
        { client: controls },
        { policyEngineId, policyGenerationId },
      ))
        all.push(...policyGenerationAssets);
      return all;
    },
    async generate(answer) {
      answers(typeof answer === 'string' ? answer : answer(gateway));
      const id = await own.start();
      await server.clock.advance(2_000);
      expect(await own.status(id)).toEqual({ status: 'GENERATED', reasons: '' });
      return own.assets(id);
    },
  };
  return own;
}

describe('a policy generation', () => {
  test('asks the model that is bound, with the schema of the tools, and has its policies with their findings', async () => {
    const { controls, engine: policyEngineId, gateway, server, assets, status } = await generating();
    const statement = about(gateway);
    const fragment = 'Users may refund up to 500 dollars.';
    answers(
      written({ fragment, statement }, { fragment: 'There are no refunds at the weekend.', why: 'the schema has no day of the week' }),
    );
    const input = { policyEngineId, name: 'money', resource: { arn: gateway }, content: { rawText: TEXT } };
    const made = await controls.send(new StartPolicyGenerationCommand(input));
    const { policyGenerationId = '', policyGenerationArn, createdAt } = made;
    expect(policyGenerationId).toMatch(/^money-[a-z0-9]{10}$/);
    expect(policyGenerationArn).toBe(
      `arn:aws:bedrock-agentcore:us-east-1:123456789012:policy-engine/${policyEngineId}/policy-generation/${policyGenerationId}`,
    );
    expect(made).toMatchObject({ policyEngineId, name: 'money', status: 'GENERATING', statusReasons: [], resource: { arn: gateway } });
    const named = { policyEngineId, policyGenerationId };
    await server.clock.advance(1_999);
    expect((await status(policyGenerationId)).status).toBe('GENERATING');
    await expect(assets(policyGenerationId)).rejects.toMatchObject({ name: 'ValidationException' });
    expect(asked).toEqual([]);

    await server.clock.advance(1);
    const got = await controls.send(new GetPolicyGenerationCommand(named));
    expect(got).toMatchObject({ status: 'GENERATED', createdAt, updatedAt: new Date(server.clock.now()), statusReasons: [] });
    const summary = await controls.send(new GetPolicyGenerationSummaryCommand(named));
    expect(summary).toMatchObject({ policyGenerationId, status: 'GENERATED' });
    expect(summary).not.toHaveProperty('statusReasons');
    expect(await assets(policyGenerationId)).toEqual([
      {
        policyGenerationAssetId: expect.stringMatching(/^asset-[a-z0-9]{10}$/),
        definition: { cedar: { statement } },
        rawTextFragment: fragment,
        findings: [{ type: 'VALID' }],
      },
      {
        policyGenerationAssetId: expect.stringMatching(/^asset-[a-z0-9]{10}$/),
        rawTextFragment: 'There are no refunds at the weekend.',
        findings: [{ type: 'NOT_TRANSLATABLE', description: 'the schema has no day of the week' }],
      },
    ]);
    const [part] = asked[0]?.messages[0]?.content ?? [];
    expect(JSON.parse((part as { text: string }).text)).toMatchObject({
      gateway,
      callers: 'AgentCore::IamEntity',
      text: TEXT,
      schema: expect.stringContaining('"Refund___process"'),
    });
  });

  test.each<[string, (gateway: string) => string, string, string]>([
    ['a misspelt argument', (gateway) => about(gateway, 'context.input.amont < 5'), 'INVALID', 'did you mean `amount`?'],
    ['no Cedar', () => 'allow everything that is asked for politely', 'INVALID', 'line 1'],
    ['two policies', (gateway) => `${about(gateway)}\n${about(gateway)}`, 'INVALID', 'a statement is one policy, and this is 2'],
    ['a temporal policy', () => 'permit(principal, action, resource) when temporal { formerly within 1h true };', 'INVALID', 'temporal'],
    ['a condition that is never true', (gateway) => about(gateway, 'context.input.amount < 5 && false'), 'ALLOW_NONE', 'line 1'],
    [
      'a forbid that is never true',
      (gateway) => about(gateway, 'context.input.amount < 5 && false').replace('permit', 'forbid'),
      'DENY_NONE',
      'line 1',
    ],
    ['a permit without a condition', (gateway) => about(gateway).replace(/\nwhen.*/, ';'), 'ALLOW_ALL', 'every call'],
    [
      'a forbid without a condition',
      (gateway) =>
        about(gateway)
          .replace(/\nwhen.*/, ';')
          .replace('permit', 'forbid'),
      'DENY_ALL',
      'every call',
    ],
    ['another gateway', () => about(arnOf('other-abcdefghij')), 'INVALID', 'it is about the gateway'],
    ['no gateway', () => 'permit(principal, action, resource) when { principal.hasTag("x") };', 'INVALID', 'it names no gateway'],
  ])('says of %s what is wrong', async (_, statement, type, why) => {
    const { generate } = await generating();
    const [asset] = await generate((gateway) => written({ statement: statement(gateway) }));
    expect(asset?.findings).toContainEqual({ type, description: expect.stringContaining(why) });
    expect(asset?.definition?.cedar?.statement).toBeDefined();
  });

  test('has the whole text for a fragment that the model made up, and one asset where the model wrote none', async () => {
    const { generate } = await generating();
    expect(await generate((gateway) => written({ fragment: 'Users may refund anything.', statement: about(gateway) }))).toMatchObject([
      { rawTextFragment: TEXT },
    ]);
    expect(await generate(written())).toEqual([
      {
        policyGenerationAssetId: expect.anything(),
        rawTextFragment: TEXT,
        findings: [{ type: 'NOT_TRANSLATABLE', description: 'The model wrote no policy for this text.' }],
      },
    ]);
  });

  test('has its assets in pages of ten, at most 100', async () => {
    const { controls, engine: policyEngineId, generate, start, status, server } = await generating();
    const statements = (count: number) => (gateway: string) => written(...Array(count).fill({ statement: about(gateway) }));
    const all = await generate(statements(100));
    expect(new Set(all.map((asset) => asset.policyGenerationAssetId)).size).toBe(100);
    const { policyGenerations: [first, ...more] = [] } = await controls.send(new ListPolicyGenerationsCommand({ policyEngineId }));
    expect(more).toEqual([]);
    const named = { policyEngineId, policyGenerationId: first?.policyGenerationId };
    const page = await controls.send(new ListPolicyGenerationAssetsCommand(named));
    expect(page.policyGenerationAssets).toEqual(all.slice(0, 10));
    answers(statements(101)('gateway'));
    const id = await start();
    await server.clock.advance(2_000);
    expect(await status(id)).toMatchObject({
      status: 'GENERATE_FAILED',
      reasons: expect.stringContaining("the model's answer does not fit"),
    });
    // a token belongs to its list
    const other = new ListPolicyGenerationAssetsCommand({ ...named, policyGenerationId: id, nextToken: page.nextToken });
    await expect(controls.send(other)).rejects.toMatchObject({ name: 'ValidationException' });
  });

  test.each<[string, string | Model['generate'], string]>([
    ['throws', () => Promise.reject(new Error('the quota is used up')), 'the quota is used up'],
    ['answers nothing', async () => undefined as never, 'content is not a list'],
    ['answers prose', 'I am glad to help!', "the model's answer does not fit, 3 times"],
    ['answers other JSON', '{"policies":[]}', "the model's answer does not fit, 3 times"],
    ['answers a statement that is too long', written({ statement: 'x'.repeat(10_001) }), "the model's answer does not fit, 3 times"],
    ['is cut off', async () => ({ content: [], stop: 'length' }), "the model's answer was cut off"],
    ['is blocked', async () => ({ content: [], stop: 'blocked' }), 'the provider blocked the answer'],
  ])('fails with the reason where the model %s', async (_, answer, why) => {
    const { assets, server, start, status } = await generating();
    answers(answer);
    const id = await start();
    await server.clock.advance(2_000);
    expect(await status(id)).toEqual({ status: 'GENERATE_FAILED', reasons: expect.stringMatching(/^No policy was generated: /) });
    expect((await status(id)).reasons).toContain(why);
    expect(await assets(id)).toEqual([]);
  });

  test('tells the model what is wrong with its answer, and takes the next one', async () => {
    const { server, start, status } = await generating();
    answers('Here you are.', written({ why: 'it cannot be said' }));
    const id = await start();
    await server.clock.advance(2_000);
    expect(await status(id)).toMatchObject({ status: 'GENERATED' });
    expect(asked.map(({ messages }) => messages.length)).toEqual([1, 3]);
  });

  test('fails where the model hangs, and tells it to stop', async () => {
    const { server, start, status } = await generating();
    const begun = deferred<AbortSignal>();
    answers((_, { signal }) => {
      begun.resolve(signal);
      return new Promise(() => undefined);
    });
    const id = await start();
    vi.useFakeTimers({ toFake: ['setTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const moved = server.clock.advance(2_000);
    const signal = await begun.promise;
    await vi.advanceTimersByTimeAsync(119_999);
    expect(signal.aborted).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    await moved;
    vi.useRealTimers();
    expect(await status(id)).toMatchObject({
      status: 'GENERATE_FAILED',
      reasons: expect.stringContaining('did not answer within 120000 ms'),
    });
    expect(signal.aborted).toBe(true);
  });

  test('fails without a model, and says what to bind', async () => {
    const { server, start, status } = await generating({});
    const id = await start();
    await server.clock.advance(2_000);
    expect(await status(id)).toMatchObject({ status: 'GENERATE_FAILED', reasons: expect.stringContaining('"model:default"') });
  });

  test.each([
    ['an engine that is not there', { policyEngineId: 'other-abcdefghij' }, 'ResourceNotFoundException'],
    ['a gateway that is not there', { resource: { arn: arnOf('other-abcdefghij') } }, 'ResourceNotFoundException'],
    ['a resource of another kind', { resource: { arn: arnOf('x').replace('gateway', 'runtime') } }, 'ResourceNotFoundException'],
    ['no resource', { resource: {} }, 'ValidationException'],
    ['no text', { content: {} }, 'ValidationException'],
    ['a text of 2,001 characters', { content: { rawText: 'x'.repeat(2_001) } }, 'ValidationException'],
    ['a name with a dash', { name: 'a-b' }, 'ValidationException'],
    ['a short client token', { clientToken: 'a' }, 'ValidationException'],
  ])('with %s is refused', async (_, wrong, name) => {
    const { start } = await generating();
    await expect(start(wrong as never)).rejects.toMatchObject({ name });
  });

  test('is one for a client token, and is listed with its engine', async () => {
    const { controls, engine: policyEngineId, server, start } = await generating();
    answers(written());
    const ids = [await start({ clientToken: TOKEN }), await start(), await start()];
    expect(await start({ clientToken: TOKEN })).toBe(ids[0]);
    await expect(start({ clientToken: TOKEN, name: 'other' })).rejects.toMatchObject({ name: 'ConflictException' });
    await server.clock.advance(2_000);
    expect(asked).toHaveLength(3);
    const first = await controls.send(new ListPolicyGenerationsCommand({ policyEngineId, maxResults: 2 }));
    const rest = await controls.send(new ListPolicyGenerationSummariesCommand({ policyEngineId, nextToken: first.nextToken }));
    const listed = [...(first.policyGenerations ?? []), ...(rest.policyGenerations ?? [])];
    expect(listed.map(({ policyGenerationId }) => policyGenerationId)).toEqual(ids);
    expect(rest.policyGenerations?.[0]).not.toHaveProperty('statusReasons');
  });

  test('is removed after 7 days, with its assets; a policy that was made of it stays', async () => {
    // the clients sign again by the time of the server
    const { controls, engine: policyEngineId, generate, server, status } = await generating({ ...BOUND, attempts: 3 });
    const [asset] = await generate((gateway) => written({ statement: about(gateway) }));
    const { policyGenerations: [generation] = [] } = await controls.send(new ListPolicyGenerationsCommand({ policyEngineId }));
    const policyGeneration = {
      policyGenerationId: generation?.policyGenerationId,
      policyGenerationAssetId: asset?.policyGenerationAssetId,
    };
    const create = (name: string) => controls.send(new CreatePolicyCommand({ policyEngineId, name, definition: { policyGeneration } }));
    const { policyId } = await create('kept');
    await server.clock.advance(7 * DAY - 1);
    expect((await status(policyGeneration.policyGenerationId ?? '')).status).toBe('GENERATED');
    await server.clock.advance(1);
    await expect(status(policyGeneration.policyGenerationId ?? '')).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
    await expect(create('late')).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
    expect(await controls.send(new GetPolicyCommand({ policyEngineId, policyId }))).toMatchObject({
      status: 'ACTIVE',
      definition: asset?.definition,
    });
    const { policy, ...left } = await kinds(server);
    expect(policy).toBe(1);
    expect(Object.keys(left).filter((kind) => kind.startsWith('policy-generation'))).toEqual([]);
  });

  test('goes with its engine, also while the model is asked', async () => {
    const { controls, engine: policyEngineId, generate, server, start } = await generating();
    await generate((gateway) => written({ statement: about(gateway) }));
    expect(await kinds(server)).toMatchObject({ 'policy-generation': 1, 'policy-generation-asset': 1 });
    const [begun, late] = [deferred(), deferred<string>()];
    answers(async () => {
      begun.resolve();
      return { content: [{ type: 'text', text: await late.promise }], stop: 'end' };
    });
    await start();
    const moved = server.clock.advance(2_000);
    await begun.promise;
    await controls.send(new DeletePolicyEngineCommand({ policyEngineId }));
    await expect(start()).rejects.toMatchObject({ name: 'ConflictException' });
    late.resolve(written());
    await moved;
    await server.clock.advance(2_000);
    expect(Object.keys(await kinds(server)).filter((kind) => kind.startsWith('policy'))).toEqual([]);
  });

  test('that a server was stopped in is done by the next one: the model is asked again', async () => {
    const state = join(folder('generation'), 'state.sqlite');
    const { engine: policyEngineId, gateway, server, start } = await generating({ ...BOUND, state });
    const begun = deferred();
    answers(
      () => {
        begun.resolve();
        return new Promise(() => undefined);
      },
      written({ statement: about(gateway) }),
    );
    const policyGenerationId = await start();
    const moved = server.clock.advance(2_000);
    await begun.promise;
    await server.close();
    await moved;
    const next = await started({ ...BOUND, state, clock: movableClock({ frozen: true, start: server.clock.now() }) });
    const named = { policyEngineId, policyGenerationId };
    expect(await next.controls.send(new GetPolicyGenerationCommand(named))).toMatchObject({ status: 'GENERATING' });
    await next.server.clock.advance(0);
    expect(await next.controls.send(new GetPolicyGenerationCommand(named))).toMatchObject({ status: 'GENERATED' });
    const { policyGenerationAssets } = await next.controls.send(new ListPolicyGenerationAssetsCommand(named));
    expect(policyGenerationAssets).toMatchObject([{ findings: [{ type: 'VALID' }] }]);
    expect(asked).toHaveLength(2);
  });

  test('fails where its gateway was deleted since', async () => {
    const { controls, gateway, id: gatewayIdentifier, server, start, status } = await generating();
    answers(written());
    const { items: [target] = [] } = await controls.send(new ListGatewayTargetsCommand({ gatewayIdentifier }));
    await controls.send(new DeleteGatewayTargetCommand({ gatewayIdentifier, targetId: target?.targetId }));
    await server.clock.advance(2_000);
    const id = await start();
    await controls.send(new DeleteGatewayCommand({ gatewayIdentifier }));
    await expect(start()).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
    await server.clock.advance(2_000);
    expect(await status(id)).toMatchObject({ status: 'GENERATE_FAILED', reasons: expect.stringContaining(`${gateway} was not found`) });
    expect(asked).toEqual([]);
  });

  test('that was begun before a reset is forgotten, and the next one is made', async () => {
    const { server, start, status } = await generating();
    answers(written());
    const id = await start();
    const reset = await fetch(`${server.url}/_rondo/reset`, { method: 'POST', headers: { authorization: `Bearer ${server.adminToken}` } });
    expect(reset.ok).toBe(true);
    await server.clock.advance(2_000);
    expect(asked).toEqual([]);
    await expect(status(id)).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
  });

  test('tells the model which callers the gateway has', async () => {
    const { server, start } = await generating(BOUND, { authorizerType: 'NONE' });
    answers(written());
    await start();
    await server.clock.advance(2_000);
    expect(JSON.stringify(asked[0]?.messages)).toContain('\\"callers\\":\\"AgentCore::OAuthUser\\"');
  });
});

test('policies are judged one after the other, so that the server answers meanwhile, and no more when it stops', async () => {
  const gateway = arnOf('desk-abcdefghij');
  const tool = { name: 'Refund___process', input: { type: 'object', properties: { amount: { type: 'integer' } }, required: ['amount'] } };
  const question = { text: TEXT, callers: 'AgentCore::OAuthUser', about: { arn: gateway, tools: [tool] } } as const;
  const text = written(...Array(20).fill({ statement: about(gateway) }));
  const many: Model = { provider: 'p', id: 'm', generate: async () => ({ content: [{ type: 'text', text }], stop: 'end' }) };
  const stop = new AbortController();
  let turns = 0;
  const turn = setInterval(() => ++turns === 5 && stop.abort(new Error('the server stops')), 0);
  onTestFinished(() => clearInterval(turn));
  await expect(generated(many, question, stop.signal)).rejects.toMatchObject({ name: 'AbortError' });
  expect(turns).toBeLessThan(20);
  expect(await generated(many, question, new AbortController().signal)).toHaveLength(20);
  expect(turns).toBeGreaterThan(5);
});

describe('a policy of what was generated', () => {
  async function ofAsset(answer: (gateway: string) => string) {
    const found = await generating();
    const { controls, engine: policyEngineId } = found;
    const [asset] = await found.generate(answer);
    const { policyGenerations: [generation] = [] } = await controls.send(new ListPolicyGenerationsCommand({ policyEngineId }));
    const definition = {
      policyGeneration: {
        policyGenerationId: generation?.policyGenerationId,
        policyGenerationAssetId: asset?.policyGenerationAssetId,
      },
    };
    const create = (more: object = {}) =>
      controls.send(new CreatePolicyCommand({ policyEngineId, name: 'generated', definition, ...more }));
    return { ...found, policyEngineId, asset, definition, create };
  }

  test('is one like others, and an update of another', async () => {
    const { asset, controls, create, definition, gateway, policy, policyEngineId, server } = await ofAsset((arn) =>
      written({ statement: about(arn) }),
    );
    const { policyId } = await create();
    const { id } = await policy(about(gateway, 'context.input.amount < 1'));
    await controls.send(new UpdatePolicyCommand({ policyEngineId, policyId: id, definition }));
    await server.clock.advance(2_000);
    for (const one of [policyId, id])
      expect(await controls.send(new GetPolicyCommand({ policyEngineId, policyId: one }))).toMatchObject({
        status: 'ACTIVE',
        definition: asset?.definition,
      });
  });

  test.each<[string, (gateway: string) => string, string]>([
    ['is not there', () => written({ why: 'the schema has no weekends' }), 'the schema has no weekends'],
    ['is about another gateway', () => written({ statement: about(arnOf('other-abcdefghij')) }), 'it is about the gateway'],
    ['does not fit', (gateway) => written({ statement: about(gateway, 'context.input.amont < 5') }), 'amont'],
  ])('is refused where the policy %s, whatever is ignored', async (_, answer, why) => {
    const { create } = await ofAsset(answer);
    await expect(create({ validationMode: 'IGNORE_ALL_FINDINGS' })).rejects.toMatchObject({
      name: 'ValidationException',
      message: expect.stringContaining(why),
    });
  });

  test('is validated again, against the tools as they are then', async () => {
    const { controls, create, id: gatewayIdentifier, policyEngineId, server } = await ofAsset((arn) => written({ statement: about(arn) }));
    const { items: [target] = [] } = await controls.send(new ListGatewayTargetsCommand({ gatewayIdentifier }));
    await controls.send(new DeleteGatewayTargetCommand({ gatewayIdentifier, targetId: target?.targetId }));
    await server.clock.advance(2_000);
    const { policyId } = await create();
    await server.clock.advance(2_000);
    expect(await controls.send(new GetPolicyCommand({ policyEngineId, policyId }))).toMatchObject({ status: 'CREATE_FAILED' });
  });
});

/** How many resources of each kind there are. */
async function kinds({ url, adminToken }: { url: string; adminToken: string }): Promise<Record<string, number>> {
  const answer = await fetch(`${url}/_rondo/state`, { headers: { authorization: `Bearer ${adminToken}` } });
  return ((await answer.json()) as { resources: Record<string, number> }).resources;
}
