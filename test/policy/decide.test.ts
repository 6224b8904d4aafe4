import { describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { iamEntity } from '../../src/adapters/policy/index.ts';
import { agent, Engine, type Policy, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { ends, failure, shown } from '../kit/runs.ts';
import { allows, ana, call, PERMIT_ALL, policyOf, REFUND, watched } from './setup.ts';

const when = (condition: string) => `permit(principal, action, resource) when { ${condition} };`;

describe('the decision', () => {
  test('is to deny by default, and a forbid wins over every permit; the reason names the policies', async () => {
    expect((await policyOf({ policies: '' })).decide(call())).toEqual({
      allow: false,
      reason: 'Tool call not allowed due to policy enforcement [No policy applies to the request (denied by default).]',
    });
    const policies = `${PERMIT_ALL}\n@id("large") forbid(principal, action, resource) when { context.input.amount > 100 };`;
    const { policy, decisions } = await watched({ policies });
    expect(policy.decide(call())).toEqual({ allow: true });
    expect(policy.decide(call({ input: { orderId: '7', amount: 101 } }))).toEqual({
      allow: false,
      reason: 'Tool call not allowed due to policy enforcement [Policy evaluation denied due to large]',
    });
    expect(decisions).toMatchObject([
      {
        decision: 'allow',
        enforced: true,
        policies: ['all'],
        errors: [],
        call: { tool: 'shop___refund', by: ana, agent: 'support', runId: 'r' },
      },
      { decision: 'deny', enforced: true, policies: ['large'], errors: [] },
    ]);
  });

  test('ENFORCE with no policies blocks all; LOG_ONLY blocks nothing, and tells what it would have done', async () => {
    const { policy, decisions } = await watched({ policies: '', mode: 'LOG_ONLY' });
    for (const o of [{}, { tool: 'unknown' }, { by: undefined }, { input: { orderId: 7, amount: 'x' } }])
      expect(allows(policy, o)).toBe(true);
    expect(decisions.map(({ decision, enforced }) => [decision, enforced])).toEqual(Array(4).fill(['deny', false]));
    expect(policy.offers({ by: undefined, tools: ['a', 'b'] })).toEqual(['a', 'b']);
    const enforcing = await policyOf({ policies: '' });
    expect(allows(enforcing)).toBe(false);
    expect(enforcing.offers({ by: ana, tools: ['shop___refund'] })).toEqual([]);
  });

  test.each([
    ['the action of one tool', 'action == AgentCore::Action::"shop___refund"', true],
    ['its target', 'action in AgentCore::Action::"shop"', true],
    ['all calls', 'action in AgentCore::Action::"CallTool"', true],
    ['a list', 'action in [AgentCore::Action::"mail", AgentCore::Action::"shop"]', true],
    ['another tool', 'action == AgentCore::Action::"shop___order"', false],
    ['another target', 'action in AgentCore::Action::"mail"', false],
  ])('is about %s', async (_, head, permitted) => {
    const tools = [REFUND, { ...REFUND, name: 'shop___order' }, { ...REFUND, name: 'mail___send' }];
    const policy = await policyOf({ tools, policies: `permit(principal, ${head}, resource);` });
    expect(allows(policy)).toBe(permitted);
    expect(policy.offers({ by: ana, tools: ['shop___refund'] })).toEqual(permitted ? ['shop___refund'] : []);
  });

  test.each([
    ['context.agent == "support"', { agent: 'support' }, { agent: 'other' }],
    ['context.session == "s1"', { session: 's1' }, { session: undefined }],
    ['context.session == ""', { session: undefined }, { session: 's1' }],
    ['context.effect == "read"', { effect: 'read' as const }, { effect: 'once' as const }],
    ['context.intent == "refund"', { intent: 'refund', key: 'k' }, {}],
    ['context.key like "order-*"', { intent: 'refund', key: 'order-1' }, { intent: 'refund', key: 'k' }],
    ['context.amount has usd && context.amount.usd.lessThan(decimal("50.0"))', { amount: { usd: 49.99 } }, { amount: { usd: 50 } }],
    ['context.amount has usd', { amount: { usd: 0, eur: 1 } }, { amount: { eur: 1 } }],
    ['(if context.effect == "once" then context else context).agent == "support"', {}, { agent: 'other' }],
    ['(if context.effect == "once" then context else context).input.amount == 5', {}, { input: { orderId: '7', amount: 6 } }],
    ['(if context.effect == "once" then context.input else context.input).amount == 5', {}, { input: { orderId: '7', amount: 6 } }],
    ['context == context && context.input == context.input', {}, { input: { orderId: '7', amount: 'x' } }],
    ['context.system.now < datetime("2026-11-30")', {}, undefined],
  ])('looks at %s', async (condition, yes, no) => {
    const policy = await policyOf({ policies: when(condition), now: () => Date.parse('2026-11-29T23:59:59.999Z') });
    expect(allows(policy, yes)).toBe(true);
    if (no) expect(allows(policy, no)).toBe(false);
    else expect(allows(await policyOf({ policies: when(condition), now: () => Date.parse('2026-11-30') }), yes)).toBe(false);
  });

  test('does not depend on how the head of a policy is written', async () => {
    for (const head of ['@permit("a(b,c)") permit', '@id("(,,)")\n// (a, b)\npermit']) {
      const of = (action: string) =>
        policyOf({ policies: `${head} ( principal ,\n action ${action}, resource) when { [1, 2].contains(context.input.amount) };` });
      const own = await of('== AgentCore::Action::"shop___refund"');
      expect(own.offers({ by: ana, tools: ['shop___refund', 'find_tools'] })).toEqual(['shop___refund']);
      expect((await of('')).offers({ by: ana, tools: ['shop___refund', 'find_tools'] })).toEqual(['shop___refund', 'find_tools']);
    }
  });

  test('takes units that a tool declares, and refuses others', async () => {
    const tools = [{ ...REFUND, units: ['usd'] }];
    await policyOf({ tools, policies: when('context.amount has usd') });
    await expect(policyOf({ tools, policies: when('context.amount has eur && context.amount.eur == decimal("1.0")') })).rejects.toThrow(
      'eur',
    );
  });
});

describe('the principal', () => {
  const is = (condition: string) => policyOf({ policies: when(condition) });

  test('has a tag for each claim, role, and the tenant', async () => {
    const by = { id: 'ana', tenant: 'acme', roles: ['lead', 'clerk'], claims: { department: 'sales', scope: 'a refund' } };
    for (const condition of [
      'principal == AgentCore::OAuthUser::"ana"',
      'principal is AgentCore::OAuthUser && principal.hasTag("scope") && principal.getTag("scope") like "*refund*"',
      'principal.hasTag("role:lead") && principal.hasTag("role:clerk")',
      'principal.hasTag("roles") && principal.getTag("roles") == "lead clerk"',
      'principal.hasTag("tenant") && principal.getTag("tenant") == "acme"',
    ])
      expect(
        allows(await is(condition.replace(/^principal\./, 'principal is AgentCore::OAuthUser && principal.')), { by }),
        condition,
      ).toBe(true);
  });

  test('without claims is one without tags, and a call without a principal is denied', async () => {
    const tagged = await is('principal is AgentCore::OAuthUser && principal.hasTag("scope")');
    expect(allows(tagged, { by: { id: 'ana' } })).toBe(false);
    const { policy, decisions } = await watched();
    expect(allows(policy, { by: undefined })).toBe(false);
    expect(decisions[0]?.errors.join()).toContain('no principal');
    expect(policy.offers({ by: undefined, tools: ['shop___refund'] })).toEqual([]);
  });

  test('is what the option says: an IAM entity by its ARN, or nothing; a user cannot be one by its id', async () => {
    const arn = 'arn:aws:iam::123456789012:role/agent';
    const policies = `permit(principal == AgentCore::IamEntity::"${arn}", action, resource);`;
    expect(allows(await policyOf({ policies, principal: iamEntity }), { by: { id: arn } })).toBe(true);
    expect(allows(await policyOf({ policies }), { by: { id: arn } })).toBe(false);
    expect(allows(await policyOf({ principal: () => undefined }))).toBe(false);
    const anyone = await policyOf({ principal: () => ({ type: 'OAuthUser', id: 'anonymous' }) });
    expect(allows(anyone, { by: undefined })).toBe(true);
  });

  test.each([
    [
      'throws',
      () => {
        throw new Error('no directory');
      },
    ],
    ['returns another type', () => ({ type: 'Root', id: 'x' })],
    ['returns no id', () => ({ type: 'OAuthUser' })],
    ['returns tags that are no texts', () => ({ type: 'OAuthUser', id: 'x', tags: { a: 7 } })],
    ['returns a promise', async () => ({ type: 'OAuthUser', id: 'x' })],
  ])('denies where the option %s', async (_, principal) => {
    expect(allows(await policyOf({ principal: principal as never }))).toBe(false);
  });
});

const full = () => {
  throw new Error('the log is full');
};

test.each([
  ['throws', full],
  ['is rejected', async () => full()],
])('onDecision that %s changes nothing, and is a warning', async (_, onDecision) => {
  const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  const policy = await policyOf({ onDecision });
  expect(allows(policy)).toBe(true);
  await vi.waitFor(() => expect(warned.mock.calls.join()).toContain('the log is full'));
  warned.mockRestore();
});

describe('as the policy of an engine', () => {
  const ledger: unknown[] = [];
  const refund = tool({
    name: 'refund',
    description: 'Refund an order',
    input: z.object({ orderId: z.string(), cents: z.number().int() }),
    amount: ({ cents }) => ({ usd: cents / 100 }),
    execute: (input) => void ledger.push(input),
  });
  const asking = (policy: Policy, cents: number) => {
    const model = scripted([{ toolCalls: [{ name: 'refund', input: { orderId: '7', cents } }] }, 'done']);
    const a = agent({ name: 'support', instructions: '', model, tools: [refund] });
    return { model, run: ends(new Engine({ policy }).run(a, 'go', { by: { id: 'ana', roles: ['lead'] } }), 'completed') };
  };

  test('a denied call does not run, and the model is told which policy denied it; an allowed one runs', async () => {
    const policy = await policyOf({
      tools: [refund],
      policies: `@id("leads") permit(principal is AgentCore::OAuthUser, action == AgentCore::Action::"refund", resource)
        when { principal.hasTag("role:lead") && context.agent == "support" && context.session == "" };
        @id("limit") forbid(principal, action, resource) when { context.amount has usd && context.amount.usd.greaterThan(decimal("50.0")) };`,
    });
    const large = asking(policy, 5_001);
    await large.run;
    expect(ledger).toEqual([]);
    expect(failure(shown(large.model.requests[1])[0])).toMatchObject({
      code: 'NOT_PERMITTED',
      message: 'Tool call not allowed due to policy enforcement [Policy evaluation denied due to limit]',
      outcome: 'not-run',
    });
    await asking(policy, 5_000).run;
    expect(ledger).toEqual([{ orderId: '7', cents: 5_000 }]);
  });
});
