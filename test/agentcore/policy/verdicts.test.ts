/** Verdicts and offers beside Cedar's own engine, called directly, over random policies, principals, tools and inputs. */
import * as module from '@cedar-policy/cedar-wasm/nodejs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type CedarPolicy, cedarPolicy } from '../../../src/adapters/policy/index.ts';
import type { CallRequest, Principal } from '../../../src/index.ts';

const GATEWAY = 'arn:aws:bedrock-agentcore:us-east-1:123456789012:gateway/gw-abcdefghij';
const input = {
  type: 'object',
  properties: {
    amount: { type: 'integer' },
    price: { type: 'number' },
    note: { type: 'string' },
    tags: { type: 'array', items: { type: 'string' } },
    where: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
    sure: { type: 'boolean' },
  },
  required: ['amount', 'price', 'tags', 'where', 'sure'],
};
const NAMES = ['shop___refund', 'shop___order', 'mail___send', 'lone'];
const tools = NAMES.map((name) => ({ name, input, units: ['usd', 'eur'] }));

interface Input {
  readonly amount: number;
  readonly price: number;
  readonly note?: string;
  readonly tags: readonly string[];
  readonly where: { readonly city: string };
  readonly sure: boolean;
}
interface Case {
  readonly by: Principal;
  readonly tool: string;
  readonly input: Input;
  readonly agent: string;
  readonly effect: CallRequest['effect'];
  readonly amount?: Record<string, number>;
}

const texts = fc.constantFrom('a', 'b', 'ü', '*', '"', '');
const cents = fc.integer({ min: -50_000, max: 50_000 }).map((n) => n / 100);
const inputs = fc.record(
  {
    amount: fc.integer({ min: -10, max: 10 }),
    price: cents,
    note: texts,
    tags: fc.array(texts, { maxLength: 3 }),
    where: fc.record({ city: texts }),
    sure: fc.boolean(),
  },
  { requiredKeys: ['amount', 'price', 'tags', 'where', 'sure'] },
);
const principals: fc.Arbitrary<Principal> = fc.record(
  {
    id: fc.constantFrom('ana', 'ben', 'ÄNA', '__entity'),
    tenant: fc.constantFrom('acme', 'other'),
    roles: fc.subarray(['lead', 'clerk', 'not lead']),
    claims: fc.record({ department: texts.filter((text) => text !== '') }, { requiredKeys: [] }),
  },
  { requiredKeys: ['id'] },
);
const cases: fc.Arbitrary<Case> = fc.record(
  {
    by: principals,
    tool: fc.constantFrom(...NAMES),
    input: inputs,
    agent: fc.constantFrom('support', 'sales'),
    effect: fc.constantFrom('read', 'idempotent', 'once'),
    amount: fc.record({ usd: cents.map(Math.abs), eur: cents.map(Math.abs) }, { requiredKeys: [] }),
  },
  { requiredKeys: ['by', 'tool', 'input', 'agent', 'effect'] },
);

/** Conditions by what they look at. */
const ATOMS = {
  role: [
    'principal.hasTag("role:lead")',
    '!principal.hasTag("role:clerk")',
    'principal.hasTag("roles") && principal.getTag("roles") like "*lead*"',
  ],
  claim: ['principal.hasTag("department") && principal.getTag("department") == "a"', 'principal.hasTag("tenant")'],
  id: ['principal == AgentCore::OAuthUser::"ana"', 'principal is AgentCore::OAuthUser && principal.id like "*NA"'],
  agent: ['context.agent == "support"'],
  amount: ['context.input.amount < 5', 'context.input.amount * 2 > -3', '!(context.input.amount == 0)'],
  price: ['context.input.price.lessThan(decimal("12.34"))', 'context.input.price.greaterThanOrEqual(decimal("-0.01"))'],
  note: ['context.input has note && context.input.note == "ü"', '!(context.input has note)'],
  tags: ['context.input.tags.contains("a")', 'context.input.tags.isEmpty()'],
  city: ['context.input.where.city != "b"', 'context.input.where == {city: "a"}'],
  sure: ['context.input.sure', 'if context.input.sure then false else true'],
  effect: ['context.effect == "read"', '["once", "read"].contains(context.effect)'],
  usd: ['context.amount has usd && context.amount.usd.lessThan(decimal("100.0"))'],
  time: ['context.system.now > datetime("2020-01-01")'],
  whole: ['context.input == context.input', '!(context.amount != context.amount)'],
};
const HEADS = [
  'action',
  'action in AgentCore::Action::"CallTool"',
  'action in AgentCore::Action::"shop"',
  ...NAMES.map((name) => `action == AgentCore::Action::"${name}"`),
  'action in [AgentCore::Action::"lone", AgentCore::Action::"mail"]',
];
const policy = (effect: fc.Arbitrary<string>, subjects: readonly (keyof typeof ATOMS)[], most: number) =>
  fc
    .record({
      effect,
      head: fc.constantFrom(...HEADS),
      resource: fc.constantFrom('resource', `resource == AgentCore::Gateway::"${GATEWAY}"`),
      of: fc.subarray([...subjects], { maxLength: most }),
      pick: fc.nat(),
    })
    .map(({ effect, head, resource, of, pick }) => {
      const conditions = of.map((subject) => `(${ATOMS[subject][pick % ATOMS[subject].length]})`);
      return `${effect}(principal, ${head}, ${resource})${conditions.length > 0 ? ` when { ${conditions.join(' && ')} }` : ''};`;
    });
const policies = fc.array(policy(fc.constantFrom('permit', 'permit', 'forbid'), Object.keys(ATOMS) as (keyof typeof ATOMS)[], 3), {
  maxLength: 5,
});

const NOW = Date.parse('2026-11-29T12:00:00Z');
const loaded = (texts: readonly string[], mode?: 'LOG_ONLY') =>
  cedarPolicy({ policies: texts, tools, gateway: GATEWAY, now: () => NOW, ...(mode && { mode }) });
const call = ({ by, tool, input, agent, effect, amount }: Case): CallRequest => ({
  by,
  tool,
  input: input as never,
  agent,
  effect,
  amount,
  context: undefined,
  runId: 'r',
  session: 's',
});
const allowed = (policy: CedarPolicy, one: Case): boolean => {
  const ruling = policy.decide(call(one));
  return 'allow' in ruling && ruling.allow;
};

const decimal = (n: number) => ({ __extn: { fn: 'decimal', arg: n.toFixed(4) } });
/** Cedar's own answer to the request, written out whole: nothing is left out, and nothing is prepared. */
function direct(texts: readonly string[], { by, tool, input: { price, ...rest }, agent, effect, amount = {} }: Case): boolean {
  const uid = (type: string, id: string) => ({ type: `AgentCore::${type}`, id });
  const parents = [...(tool.includes('___') ? [tool.split('___')[0] as string] : []), 'CallTool'].map((id) => uid('Action', id));
  const tags = {
    ...by.claims,
    ...(by.tenant !== undefined && { tenant: by.tenant }),
    ...(by.roles && { roles: by.roles.join(' ') }),
    ...Object.fromEntries((by.roles ?? []).map((role) => [`role:${role}`, role])),
  };
  const answer = module.isAuthorized({
    principal: uid('OAuthUser', by.id),
    action: uid('Action', tool),
    resource: uid('Gateway', GATEWAY),
    context: {
      input: { ...rest, tags: [...rest.tags], where: { ...rest.where }, price: decimal(price) } as never,
      system: { now: { __extn: { fn: 'datetime', arg: new Date(NOW).toISOString() } } },
      agent,
      session: 's',
      effect,
      amount: Object.fromEntries(Object.entries(amount).map(([unit, n]) => [unit, decimal(n)])),
      intent: '',
      key: '',
    },
    policies: { staticPolicies: texts.join('\n') },
    entities: [
      { uid: uid('OAuthUser', by.id), attrs: { id: by.id }, parents: [], tags },
      { uid: uid('Gateway', GATEWAY), attrs: {}, parents: [] },
      { uid: uid('Action', tool), attrs: {}, parents },
    ],
  });
  if (answer.type === 'failure') throw new Error(JSON.stringify(answer.errors));
  return answer.response.decision === 'allow';
}

test('200 random principals, tools and inputs: the verdict is that of Cedar called directly', async () => {
  let yes = 0;
  await fc.assert(
    fc.asyncProperty(policies, fc.array(cases, { minLength: 3, maxLength: 3 }), async (texts, some) => {
      const [policy, logged] = await Promise.all([loaded(texts), loaded(texts, 'LOG_ONLY')]);
      for (const one of some) {
        const verdict = direct(texts, one);
        yes += Number(verdict);
        expect(allowed(policy, one)).toBe(verdict);
        expect(allowed(logged, one)).toBe(true);
      }
    }),
    { numRuns: 200 },
  );
  expect(yes).toBeGreaterThan(30);
});

test('a tool that is not offered is denied for every input', async () => {
  await fc.assert(
    fc.asyncProperty(policies, principals, fc.array(cases, { minLength: 5, maxLength: 10 }), async (texts, by, some) => {
      const policy = await loaded(texts);
      const offers = { any: policy.offers({ by, tools: NAMES }), support: policy.offers({ by, agent: 'support', tools: NAMES }) };
      for (const one of some) {
        if (!direct(texts, { ...one, by })) continue;
        expect(offers.any).toContain(one.tool);
        if (one.agent === 'support') expect(offers.support).toContain(one.tool);
      }
    }),
    { numRuns: 100 },
  );
});

/** One input for each combination of what the conditions can tell apart. */
function* everything(by: Principal, tool: string, agent: string): Generator<Case> {
  for (const amount of [-10, 0, 4, 5])
    for (const note of [undefined, 'ü'])
      for (const price of [-1, 0, 100])
        for (const tags of [[], ['a']])
          for (const usd of [undefined, 1])
            yield {
              by,
              tool,
              agent,
              effect: 'read',
              input: { amount, price, tags, where: { city: 'a' }, sure: true, ...(note !== undefined && { note }) },
              ...(usd !== undefined && { amount: { usd } }),
            };
}

test('the tools that are offered are those with an input that is permitted, by enumeration', async () => {
  // where one policy looks at what another does, what each may do does not say what both may do together
  const permit = policy(fc.constant('permit'), ['role', 'claim', 'id', 'agent', 'amount', 'note', 'usd'], 3);
  const forbid = policy(fc.constant('forbid'), ['role', 'agent'], 2);
  const narrow = fc
    .constantFrom(...HEADS)
    .map((head) => `forbid(principal, ${head}, resource) when { context.input.price.greaterThan(decimal("99.0")) };`);
  const sets = fc
    .tuple(fc.array(permit, { maxLength: 4 }), fc.array(fc.oneof(forbid, narrow), { maxLength: 2 }))
    .map(([some, more]) => [...some, ...more]);
  let hidden = 0;
  await fc.assert(
    fc.asyncProperty(sets, principals, fc.constantFrom('support', 'sales'), async (texts, by, agent) => {
      const policy = await loaded(texts);
      const permitted = NAMES.filter((tool) => [...everything(by, tool, agent)].some((one) => allowed(policy, one)));
      hidden += NAMES.length - permitted.length;
      expect(policy.offers({ by, agent, tools: NAMES })).toEqual(permitted);
    }),
    { numRuns: 30 },
  );
  expect(hidden).toBeGreaterThan(10);
});
