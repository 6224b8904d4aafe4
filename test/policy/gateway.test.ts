import { expect, test } from 'vitest';
import { z } from 'zod';
import { gateway } from '../../src/adapters/gateway/index.ts';
import { cedarPolicy } from '../../src/adapters/policy/index.ts';
import { agent, Engine, type Principal, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { ends, failure, shown } from '../kit/runs.ts';

const LONG = `refund_${'x'.repeat(57)}`;

/** An office of which a lead may refund small amounts, and anyone may read. */
async function office(at: 'gateway' | 'engine', o: { search?: true } = {}) {
  const ran: string[] = [];
  const named = (name: string) =>
    tool({
      name,
      description: `${name} an order`,
      input: z.object({ amount: z.number().int() }),
      execute: ({ amount }) => void ran.push(`${name} ${amount}`),
    });
  const targets = { shop: [named('refund'), named('erase'), named(LONG)], mail: [named('read')] };
  const policy = await cedarPolicy({
    gateway: 'office',
    tools: gateway({ name: 'office', targets }),
    policies: {
      'leads refund': `permit(principal is AgentCore::OAuthUser, action in [AgentCore::Action::"shop___refund", AgentCore::Action::"shop___${LONG}"],
        resource == AgentCore::Gateway::"office") when { principal.hasTag("role:lead") && context.input.amount < 500 };`,
      'anyone reads': 'permit(principal, action in AgentCore::Action::"mail", resource);',
      searching: 'permit(principal, action == AgentCore::Action::"find_tools", resource);',
    },
  });
  const source = gateway({ name: 'office', targets, ...(at === 'gateway' && { policy }), ...o });
  const engine = new Engine(at === 'engine' ? { policy } : {});
  return {
    ran,
    policy,
    /** What a search of the model finds. */
    async find(query: string, by: Principal) {
      const model = scripted([{ toolCalls: [{ name: 'find_tools', input: { query } }] }, 'done']);
      await ends(engine.run(agent({ name: 'desk', instructions: '', model, tools: [source] }), 'go', { by }), 'completed');
      return JSON.stringify(shown(model.requests[1])[0]);
    },
    async call(name: string, amount: number, by: Principal) {
      const model = scripted([{ toolCalls: [{ name, input: { amount } }] }, 'done']);
      await ends(engine.run(agent({ name: 'desk', instructions: '', model, tools: [source] }), 'go', { by }), 'completed');
      const [answer] = shown(model.requests[1]);
      const listed = model.requests[0]?.tools?.map((one) => one.name) ?? [];
      return { listed, denied: ran.length === 0 ? failure(answer) : undefined };
    },
  };
}

const LEAD = { id: 'ana', roles: ['lead'] };
const short = expect.stringMatching(/^shop___refund_x+_[0-9a-f]{10}$/);

test.each(['gateway', 'engine'] as const)('the same policy decides as that of the %s', async (at) => {
  const allowed = await office(at);
  await allowed.call('shop___refund', 499, LEAD);
  expect(allowed.ran).toEqual(['refund 499']);
  const large = await office(at);
  expect((await large.call('shop___refund', 500, LEAD)).denied).toMatchObject({
    code: 'NOT_PERMITTED',
    message: 'Tool call not allowed due to policy enforcement [No policy applies to the request (denied by default).]',
  });
  const other = await office(at);
  await other.call('shop___refund', 1, { id: 'ben' });
  expect(other.ran).toEqual([]);
});

test('a gateway lists what some call of the caller is permitted for, also a tool with a shortened name', async () => {
  const { call } = await office('gateway');
  expect((await call('mail___read', 1, LEAD)).listed).toEqual(['shop___refund', short, 'mail___read']);
  expect((await call('mail___read', 1, { id: 'ben' })).listed).toEqual(['mail___read']);
});

test('a tool with a shortened name is decided about by its full one', async () => {
  for (const at of ['gateway', 'engine'] as const) {
    const { call, ran } = await office(at);
    const { listed } = await call('mail___read', 1, LEAD);
    const name = listed.find((one) => one.startsWith('shop___refund_')) as string;
    expect(name).toEqual(short);
    await call(name, 500, LEAD);
    expect(ran).toEqual(['read 1']);
    await call(name, 7, LEAD);
    expect(ran).toEqual(['read 1', `${LONG} 7`]);
  }
});

test('a search finds what some call of the caller is permitted for, and is itself a call that a policy of the engine permits', async () => {
  const behind = await office('gateway', { search: true });
  expect(await behind.find('refund an order', LEAD)).toContain('shop___refund');
  const ben = await behind.find('refund read an order', { id: 'ben' });
  expect(ben).toContain('mail___read');
  expect(ben).not.toContain('shop___');
  const ruled = await office('engine', { search: true });
  expect(await ruled.find('refund an order', LEAD)).toContain('shop___refund');
});
