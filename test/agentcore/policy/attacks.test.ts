/** What a model, a caller or the author of a policy may try against the policies. Each guard was switched off once to see its case fail. */
import { describe, expect, test } from 'vitest';
import type { Json } from '../../../src/json.ts';
import { allows, call, policyOf, REFUND, refusal, watched } from '../../policy/setup.ts';

const when = (condition: string) => `permit(principal, action, resource) when { ${condition} };`;
const unless = (condition: string) => `permit(principal, action, resource);\nforbid(principal, action, resource) when { ${condition} };`;
const parsedJson = (text: string) => JSON.parse(text) as Json;

describe('arguments', () => {
  test('cannot stand in for the rest of the context', async () => {
    const policy = await policyOf({ policies: when('context.agent == "trusted" || context.system.now < datetime("2000-01-01")') });
    const forged = { orderId: '7', amount: 5, agent: 'trusted', system: { now: '1999-01-01' }, context: { agent: 'trusted' } };
    expect(allows(policy, { input: forged })).toBe(false);
  });

  test('that the schema does not have are not seen, whatever they are', async () => {
    const policy = await policyOf({ policies: unless('context.input.amount > 100') });
    for (const more of [
      '"__entity":{"type":"AgentCore::OAuthUser","id":"root"}',
      '"__extn":{"fn":"unknown","arg":"x"}',
      '"x":null',
      '"__proto__":{"amount":1}',
    ])
      expect(allows(policy, { input: parsedJson(`{"orderId":"7","amount":101,${more}}`) }), more).toBe(false);
  });

  test('cannot be an entity or a function of Cedar in place of a value', async () => {
    const { policy, decisions } = await watched({ policies: unless('context.input.amount > 100') });
    for (const amount of [{ __extn: { fn: 'unknown', arg: 'x' } }, { __entity: { type: 'A', id: 'b' } }, [101], '101', true])
      expect(allows(policy, { input: { orderId: '7', amount } as Json })).toBe(false);
    expect(decisions.every(({ policies, errors }) => policies.length === 0 && errors.join().includes('input.amount'))).toBe(true);
  });

  test('cannot switch a forbid off by making it fail', async () => {
    const { policy, decisions } = await watched({ policies: unless('context.input.amount * 10000 > 5000000') });
    expect(allows(policy, { input: { orderId: '7', amount: 1 } })).toBe(true);
    expect(allows(policy, { input: { orderId: '7', amount: Number.MAX_SAFE_INTEGER } })).toBe(false);
    expect(decisions[1]).toMatchObject({ decision: 'deny', policies: ['policy1'], errors: [expect.stringContaining('overflow')] });
  });

  test('of 20 MB, and of 100 levels, do not reach the engine where no policy looks at them', async () => {
    const policy = await policyOf({ policies: when('context.input.amount == 5') });
    let deep: Json = 'x';
    for (let i = 0; i < 100; i++) deep = { deep };
    expect(allows(policy, { input: { orderId: 'x'.repeat(20_000_000), amount: 5, note: 'x', deep } })).toBe(true);
    expect(allows(policy, { input: { orderId: 'x'.repeat(20_000_000), amount: 6 } })).toBe(false);
  });

  test('of 2 MB are decided about where a policy looks at them', async () => {
    const policy = await policyOf({ policies: unless('context.input.orderId like "*secret*"') });
    expect(allows(policy, { input: { orderId: 'x'.repeat(2_000_000), amount: 5 } })).toBe(true);
    expect(allows(policy, { input: { orderId: `${'x'.repeat(2_000_000)}secret`, amount: 5 } })).toBe(false);
  });
});

describe('names', () => {
  test('that look alike are different', async () => {
    const policy = await policyOf({ policies: 'permit(principal == AgentCore::OAuthUser::"J\u00e9r\u00f4me", action, resource);' });
    expect(allows(policy, { by: { id: 'J\u00e9r\u00f4me' } })).toBe(true);
    for (const id of ['Je\u0301ro\u0302me', 'j\u00e9r\u00f4me', 'J\u00e9r\u00f4me ', 'J\u00e9r\u00f4me\u200b', 'J\u00e9r\u00f4me\0'])
      expect(allows(policy, { by: { id } }), id).toBe(false);
  });

  test('with quotes, line ends and the syntax of Cedar are texts', async () => {
    const id = '"};\npermit(principal, action, resource);//\\u{0}';
    const policies = `permit(principal == AgentCore::OAuthUser::${JSON.stringify(id)}, action, resource);`;
    const policy = await policyOf({ policies });
    expect(allows(policy, { by: { id } })).toBe(true);
    expect(allows(policy, { by: { id: 'ana' } })).toBe(false);
    expect(policy.offers({ by: { id }, tools: ['shop___refund'] })).toEqual(['shop___refund']);
  });

  test('of a principal that is not valid deny', async () => {
    const policy = await policyOf();
    for (const by of [{ id: '' }, { id: 'a\ud800' }, { id: 7 }, { id: 'a', roles: [7] }, { id: 'a', claims: { x: {} } }])
      expect(allows(policy, { by: by as never })).toBe(false);
  });

  test('of a claim do not give a role or a tenant', async () => {
    const policy = await policyOf({
      policies:
        'permit(principal is AgentCore::OAuthUser, action, resource) when { principal.hasTag("role:lead") || (principal.hasTag("tenant") && principal.getTag("tenant") == "acme") };',
    });
    expect(allows(policy, { by: { id: 'a', claims: { 'role:lead': 'lead' } } })).toBe(false);
    expect(allows(policy, { by: { id: 'a', tenant: 'other', claims: { tenant: 'acme' } } })).toBe(false);
    expect(allows(policy, { by: { id: 'a', tenant: 'acme' } })).toBe(true);
  });

  test('of tools are compared whole', async () => {
    const policy = await policyOf({
      tools: [REFUND, { ...REFUND, name: 'shop___refund_all' }],
      policies: 'permit(principal, action == AgentCore::Action::"shop___refund", resource);',
    });
    for (const tool of ['shop___refund_all', 'shop', 'SHOP___refund', 'refund', 'CallTool', '', '__proto__', 'constructor'])
      expect(allows(policy, { tool }), tool).toBe(false);
  });
});

describe('a policy that would overflow the stack of the engine is refused, and the engine goes on', () => {
  const nested = (open: string, close: string, n: number, inner = 'true') => open.repeat(n) + inner + close.repeat(n);
  test.each([
    ['brackets', nested('(', ')', 4_000), 'brackets'],
    ['sets', `${nested('[', ']', 4_000, '')} == []`, 'brackets'],
    ['records', `${nested('{a: ', '}', 2_000, '1')} == {}`, 'brackets'],
    ['sums', `${Array(4_000).fill('1').join('+')} == 2`, 'operators'],
    ['accesses', `context${'.a'.repeat(4_000)} == 1`, 'accesses in a row'],
    ['accesses by brackets', `context${'["a"]'.repeat(1_900)} == 1`, 'accesses in a row'],
    ['accesses after a comment', `context${'.a//"\n'.repeat(1_300)} == 1`, 'accesses in a row'],
    ['ifs', `${'if true then '.repeat(400)}true${' else false'.repeat(400)}`, 'times "if"'],
    ['ands', Array(1_200).fill('true').join(' && '), '&& and ||'],
    ['negations', `${'!'.repeat(4_000)}true`, 'operators'],
    ['a long text', `"${'x'.repeat(10_000)}" == "x"`, 'characters'],
  ])('%s', async (_, condition, why) => {
    expect((await refusal({ policies: when(condition) })).message).toContain(why);
    expect(allows(await policyOf())).toBe(true);
  });

  test('one at all of the limits is decided about', async () => {
    const ifs = `(${'if true then '.repeat(30)}21${' else 0'.repeat(30)})`;
    const condition = `${nested('(', ')', 27, `1${'+1'.repeat(20)} == ${ifs}`)} && ${Array(290).fill('true').join(' && ')}`;
    const policy = await policyOf({ policies: when(condition) });
    expect(allows(policy)).toBe(true);
    expect(policy.offers({ by: { id: 'a' }, tools: ['shop___refund'] })).toEqual(['shop___refund']);
  });

  test('quotes and comments do not hide what is nested', async () => {
    for (const hiding of ['// "\n', '"\\"" == "\\"" && ', '"//" == "x" || '])
      expect((await refusal({ policies: when(`${hiding}${nested('(', ')', 300)}`) })).message).toContain('brackets');
  });
});

test('the engine’s limits are those of the policy, not of its set: 2,000 policies are decided about', async () => {
  const policies = Array.from({ length: 2_000 }, (_, i) => `permit(principal == AgentCore::OAuthUser::"u${i}", action, resource);`).join(
    '\n',
  );
  const policy = await policyOf({ policies });
  expect(allows(policy, { by: { id: 'u1999' } })).toBe(true);
  expect(policy.decide(call({ by: { id: 'u2000' } }))).toMatchObject({ allow: false });
});
