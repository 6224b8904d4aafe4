import { expect, onTestFinished, test } from 'vitest';
import { bindings } from '../../../src/adapters/agentcore/wire/bindings.ts';
import type { Operation, World } from '../../../src/adapters/agentcore/wire/call.ts';
import { movableClock } from '../../../src/adapters/agentcore/wire/clock.ts';
import { type Exchange, exchange } from '../../../src/adapters/agentcore/wire/gateway/exchange.ts';
import { GATEWAY, type Gateway, type GatewaySettings } from '../../../src/adapters/agentcore/wire/gateway/resources.ts';
import { policyService } from '../../../src/adapters/agentcore/wire/operations/policy.ts';
import type { PolicyRecord } from '../../../src/adapters/agentcore/wire/policy/decided.ts';
import { generationOf, putGeneration } from '../../../src/adapters/agentcore/wire/policy/resources.ts';
import { openState } from '../../../src/adapters/agentcore/wire/state.ts';
import type { DescribedTool } from '../../../src/adapters/policy/index.ts';
import type { CallRequest, Policy } from '../../../src/index.ts';

const ARN = 'arn:aws:bedrock-agentcore:us-east-1:123456789012:gateway/desk-abcdefghij';
const process = (name = 'Refund___process'): DescribedTool => ({
  name,
  input: { type: 'object', properties: { amount: { type: 'integer' } }, required: ['amount'] },
});
const ROLE = 'arn:aws:iam::123456789012:role/agent';
const permit = (condition: string, principal = 'principal') =>
  `permit(${principal}, action == AgentCore::Action::"Refund___process", resource == AgentCore::Gateway::"${ARN}") when { ${condition} };`;

interface Enforcing {
  world: World;
  clock: ReturnType<typeof movableClock>;
  tools: DescribedTool[];
  /** Whether the tools cannot be listed. */
  failing: { now: boolean };
  policy: Policy;
  send(operation: string, input: object): Promise<{ policyId: string; policyEngineId: string }>;
  /** A policy that is active. */
  add(statement: string, more?: object): Promise<string>;
  allowed(amount: number, o?: Partial<CallRequest>): Promise<boolean>;
  engine: string;
}

/** The policy engine of a gateway, by the operations of the local server. */
async function enforcing(settings: Partial<GatewaySettings> = {}, mode: 'ENFORCE' | 'LOG_ONLY' = 'ENFORCE'): Promise<Enforcing> {
  const clock = movableClock({ start: Date.parse('2026-11-29T12:00:00Z'), frozen: true });
  const state = openState(undefined, clock);
  onTestFinished(() => {
    clock.stop();
    state.close();
  });
  const world: World = { state, clock, region: 'us-east-1', account: '123456789012', throttle: undefined, env: () => ({}) };
  const tools = [process()];
  const failing = { now: false };
  const service = policyService(world, bindings({ 'model:default': './unused.ts' }), async () =>
    failing.now ? Promise.reject(new Error('the server is down')) : tools,
  );
  const send = async (operation: string, input: object) =>
    (await (service.operations[operation] as Operation)(input as never, undefined as never)) as never;
  const { policyEngineId: engine } = await send('CreatePolicyEngine', { name: 'rules' });
  const arn = `arn:aws:bedrock-agentcore:us-east-1:123456789012:policy-engine/${engine}`;
  const at = new Date(clock.now());
  const gateway: Gateway = {
    id: 'desk-abcdefghij',
    name: 'desk',
    createdAt: at,
    updatedAt: at,
    until: 'CREATING',
    readyAt: clock.now(),
    tags: {},
    settings: { roleArn: ROLE, authorizerType: 'NONE', policyEngineConfiguration: { arn, mode }, ...settings },
  };
  state.put(GATEWAY, gateway.id, gateway);
  const policy = service.policyOf(gateway) as Policy;
  return {
    world,
    clock,
    tools,
    failing,
    policy,
    send,
    engine,
    async add(statement, more = {}) {
      const name = `p${Math.random().toString(36).slice(2)}`;
      const { policyId } = await send('CreatePolicy', { policyEngineId: engine, name, definition: { cedar: { statement } }, ...more });
      await clock.advance(2_000);
      return policyId;
    },
    async allowed(amount, o = {}) {
      const ruling = await policy.decide({
        by: { id: 'ana', claims: { role: 'agent' } },
        agent: 'gateway',
        tool: 'Refund___process',
        input: { amount },
        effect: 'once',
        context: undefined,
        runId: 'r',
        session: undefined,
        ...o,
      });
      return 'allow' in ruling && ruling.allow;
    },
  };
}

test('without policies ENFORCE blocks all and shows nothing, and LOG_ONLY blocks nothing', async () => {
  const closed = await enforcing();
  expect(await closed.allowed(1)).toBe(false);
  expect(await closed.policy.offers?.({ by: { id: 'ana' }, tools: ['Refund___process'] })).toEqual([]);
  const open = await enforcing({}, 'LOG_ONLY');
  expect(await open.allowed(1)).toBe(true);
  expect(await open.policy.offers?.({ by: { id: 'ana' }, tools: ['Refund___process'] })).toEqual(['Refund___process']);
});

test('a call is permitted by the claims of its caller and its arguments; a denial names the policy', async () => {
  const { add, allowed, policy } = await enforcing();
  await add(
    permit(
      'principal.hasTag("role") && principal.getTag("role") == "agent" && context.input.amount < 500',
      'principal is AgentCore::OAuthUser',
    ),
  );
  expect(await allowed(499)).toBe(true);
  expect(await allowed(500)).toBe(false);
  expect(await allowed(1, { by: { id: 'ana' } })).toBe(false);
  expect(await policy.offers?.({ by: { id: 'ana', claims: { role: 'agent' } }, tools: ['Refund___process', 'other'] })).toEqual([
    'Refund___process',
  ]);
  expect(await policy.offers?.({ by: { id: 'ana' }, tools: ['Refund___process'] })).toEqual([]);
  const id = await add('forbid(principal, action, resource) when { context.input.amount == 13 };');
  const call = { by: { id: 'ana', claims: { role: 'agent' } }, agent: 'gateway', tool: 'Refund___process', input: { amount: 13 } };
  expect(await policy.decide({ ...call, effect: 'once', context: undefined, runId: 'r', session: undefined })).toEqual({
    allow: false,
    reason: `Tool call not allowed due to policy enforcement [Policy evaluation denied due to ${id}]`,
  });
});

test('a policy is in force when it is active, a change when it has taken effect, and a deletion when it is gone', async () => {
  const { allowed, send, clock, engine: policyEngineId } = await enforcing();
  const definition = (limit: number) => ({ cedar: { statement: permit(`context.input.amount < ${limit}`) } });
  const { policyId } = await send('CreatePolicy', { policyEngineId, name: 'small', definition: definition(10) });
  expect(await allowed(5)).toBe(false);
  await clock.advance(2_000);
  expect(await allowed(5)).toBe(true);
  await send('UpdatePolicy', { policyEngineId, policyId, definition: definition(3) });
  expect(await allowed(5)).toBe(true);
  await clock.advance(2_000);
  expect(await allowed(5)).toBe(false);
  expect(await allowed(2)).toBe(true);
  await send('UpdatePolicy', { policyEngineId, policyId, definition: { cedar: { statement: permit('context.input.amont < 3') } } });
  await clock.advance(2_000);
  expect(await allowed(2)).toBe(true);
  await send('DeletePolicy', { policyEngineId, policyId });
  expect(await allowed(2)).toBe(true);
  await clock.advance(2_000);
  expect(await allowed(2)).toBe(false);
});

test('the mode of a policy changes when the change has taken effect, and not with a change that fails', async () => {
  const { add, allowed, send, clock, engine: policyEngineId } = await enforcing();
  const policyId = await add(permit('context.input.amount < 10'));
  const update = (change: object) => send('UpdatePolicy', { policyEngineId, policyId, ...change });
  const broken = { cedar: { statement: permit('context.input.amont < 10') } };
  await update({ definition: broken, enforcementMode: 'LOG_ONLY' });
  expect(await allowed(5)).toBe(true);
  await clock.advance(2_000);
  expect(await allowed(5)).toBe(true);
  // its definition is still the one that fails
  await update({ enforcementMode: 'LOG_ONLY' });
  await clock.advance(2_000);
  expect(await send('GetPolicy', { policyEngineId, policyId })).toMatchObject({ status: 'UPDATE_FAILED' });
  expect(await allowed(5)).toBe(true);
  await update({ definition: { cedar: { statement: permit('context.input.amount < 9') } }, enforcementMode: 'ACTIVE' });
  await clock.advance(2_000);
  for (const [enforcementMode, before, after] of [
    ['LOG_ONLY', true, false],
    ['ACTIVE', false, true],
  ]) {
    await update({ enforcementMode });
    expect(await allowed(5)).toBe(before);
    await clock.advance(2_000);
    expect(await allowed(5)).toBe(after);
  }
});

/** A call, and what the log is told of it. */
async function logged({ allowed }: Enforcing, amount: number) {
  const current: Exchange = { id: 'r', messageId: '1' };
  const held = await exchange.run(current, () => allowed(amount));
  return { held, ...(current.decided as PolicyRecord) };
}

test('the log has each decision, and what each policy that only logs would have done, which changes nothing', async () => {
  const own = await enforcing();
  const small = await own.add(permit('context.input.amount < 10'));
  const log = { enforcementMode: 'LOG_ONLY' };
  const large = await own.add(permit('context.input.amount < 100'), log);
  const never = await own.add(permit('context.input.amount == 5').replace('permit(', 'forbid('), log);
  const base = { mode: 'ENFORCE' as const };
  expect(await logged(own, 7)).toEqual({
    ...base,
    held: true,
    decision: 'ALLOW',
    determiningPolicies: [small],
    logOnlyMatches: [large],
    logOnlyDecisionFlips: [],
  });
  expect(await logged(own, 5)).toEqual({
    ...base,
    held: true,
    decision: 'ALLOW',
    determiningPolicies: [small],
    logOnlyMatches: [large, never],
    logOnlyDecisionFlips: [never],
  });
  expect(await logged(own, 50)).toEqual({
    ...base,
    held: false,
    decision: 'DENY',
    determiningPolicies: [],
    logOnlyMatches: [large],
    logOnlyDecisionFlips: [large],
  });
  expect(await logged(own, 500)).toEqual({
    ...base,
    held: false,
    decision: 'DENY',
    determiningPolicies: [],
    logOnlyMatches: [],
    logOnlyDecisionFlips: [],
  });
  // a permit beside a forbid that decides changes nothing
  const forbid = await own.add(permit('context.input.amount > 20').replace('permit(', 'forbid('));
  expect(await logged(own, 50)).toMatchObject({
    held: false,
    determiningPolicies: [forbid],
    logOnlyMatches: [large],
    logOnlyDecisionFlips: [],
  });
});

test('a policy that only logs and fails is told of as incomplete, and changes nothing', async () => {
  const own = await enforcing();
  await own.add(permit('context.input.amount < 10'));
  const broken = await own.add(permit('context.input.amount * 9223372036854775807 > 3'), { enforcementMode: 'LOG_ONLY' });
  expect(await logged(own, 7)).toMatchObject({ held: true, decision: 'ALLOW', logOnlyMatches: [], logOnlyEvalIncomplete: [broken] });
});

test('an engine that only logs logs what it would have decided', async () => {
  const own = await enforcing({}, 'LOG_ONLY');
  expect(await logged(own, 7)).toEqual({ held: true, decision: 'DENY', mode: 'LOG_ONLY', determiningPolicies: [] });
});

test('a policy that failed, or is for another gateway, permits nothing', async () => {
  const { add, allowed } = await enforcing();
  await add(permit('context.input.amont < 10'));
  await add(permit('context.input.amount < 10').replace('desk-', 'else-'), { validationMode: 'IGNORE_ALL_FINDINGS' });
  expect(await allowed(5)).toBe(false);
});

test('the caller of a gateway of AWS_IAM is an entity of IAM, and that of a gateway with tokens a user', async () => {
  const iam = await enforcing({ authorizerType: 'AWS_IAM' });
  await iam.add(permit('true', `principal == AgentCore::IamEntity::"${ROLE}"`));
  expect(await iam.allowed(1, { by: { id: ROLE } })).toBe(true);
  expect(await iam.allowed(1, { by: { id: `${ROLE}2` } })).toBe(false);
  const jwt = await enforcing({
    authorizerType: 'CUSTOM_JWT',
    authorizerConfiguration: {
      customJWTAuthorizer: { discoveryUrl: 'https://idp.example/.well-known/openid-configuration', allowedClients: ['web'] },
    },
  });
  await jwt.add(permit('true', `principal == AgentCore::IamEntity::"${ROLE}"`));
  expect(await jwt.allowed(1, { by: { id: ROLE } })).toBe(false);
});

test('a tool that a target got since is decided about; one that there is not is denied', async () => {
  const { add, allowed, tools } = await enforcing();
  await add(`permit(principal, action in AgentCore::Action::"Refund", resource == AgentCore::Gateway::"${ARN}") when { true };`);
  expect(await allowed(1)).toBe(true);
  expect(await allowed(1, { tool: 'Refund___later' })).toBe(false);
  tools.push(process('Refund___later'));
  expect(await allowed(1, { tool: 'Refund___later' })).toBe(true);
});

test('an engine that is gone, and tools that cannot be listed, deny by an error, and generate nothing; the next call tries again', async () => {
  const { add, allowed, clock, world, engine, failing, send } = await enforcing();
  await add(permit('true'));
  failing.now = true;
  await expect(allowed(1)).rejects.toThrow('the server is down');
  await expect(add(permit('true'))).rejects.toMatchObject({ name: 'InternalServerException', because: 'the server is down' });
  const asked = { policyEngineId: engine, name: 'g', resource: { arn: ARN }, content: { rawText: 'be kind' } };
  const generation = await send('StartPolicyGeneration', asked);
  await clock.advance(2_000);
  expect(await send('GetPolicyGeneration', generation)).toMatchObject({
    status: 'GENERATE_FAILED',
    statusReasons: ['No policy was generated: the server is down'],
  });
  failing.now = false;
  expect(await allowed(1)).toBe(true);
  world.state.delete('policy-engine', engine);
  await expect(allowed(1)).rejects.toThrow('was not found');
});

test('an engine has 50,000 generated policies at most, until they are removed', async () => {
  const { clock, engine, send, world } = await enforcing();
  const asked = { policyEngineId: engine, name: 'g', resource: { arn: ARN }, content: { rawText: 'be kind' } };
  const generation = await send('StartPolicyGeneration', asked);
  await clock.advance(2_000);
  const { policyGenerationId } = generation as unknown as { policyGenerationId: string };
  putGeneration(world, { ...generationOf(world, engine, policyGenerationId), assets: 50_000 });
  await expect(send('StartPolicyGeneration', asked)).rejects.toMatchObject({ name: 'ServiceQuotaExceededException' });
  await clock.advance(7 * 86_400_000);
  expect(await send('StartPolicyGeneration', asked)).toMatchObject({ status: 'GENERATING' });
});
