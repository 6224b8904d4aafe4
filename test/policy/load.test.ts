import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { agent, type Tool, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { allows, policyOf, REFUND, refusal } from './setup.ts';

const when = (condition: string) => `permit(principal, action == AgentCore::Action::"shop___refund", resource) when { ${condition} };`;

describe('a policy that is wrong is refused when it is loaded: its id, line, column, and what was meant', () => {
  test.each([
    [
      'a misspelt argument',
      `@id("small")\n${when('context.input.amont < 500')}`,
      'policy "small", line 2, column 82',
      'did you mean `amount`?',
    ],
    [
      'a misspelt argument in a policy about all tools',
      'permit(principal, action, resource) when { context.input.amont < 5 };',
      'policy "policy0", line 1, column 44',
      'did you mean `amount`?',
    ],
    [
      'a tool that there is not',
      '// first\n\n  permit(principal, action == AgentCore::Action::"shop___refnd", resource);',
      'policy "policy0", line 3, column 31',
      'did you mean `AgentCore::Action::"shop___refund"`?',
    ],
    ['a target that there is not', 'permit(principal, action in AgentCore::Action::"shp", resource);', 'line 1, column 29', '"shop"`?'],
    ['a type that does not fit', when('context.input.amount == "five"'), 'line 1, column 82', 'compatible types'],
    ['an optional argument that may be missing', when('context.input.note == "x"'), 'line 1, column 82', 'context.input has note'],
    ['a part of the context that there is not', when('context.sesion == "x"'), 'line 1, column 82', 'did you mean `session`?'],
    ['an argument that no tool has, behind a has', when('context.input has amont'), 'column 82', 'Did you mean "amount"?'],
    [
      'the same, about all tools',
      'permit(principal, action, resource) when { context.input has amont };',
      'column 44',
      'Did you mean "amount"?',
    ],
    ['a part that there is not, behind a has', when('context has sesion'), 'column 82', 'Did you mean "session"?'],
    ['an argument without input', when('context.orderId == "7"'), 'line 1, column 82', 'did you mean `context.input.orderId`?'],
    ['a number with digits after the point', when('context.input.amount < 5.5'), 'line 1, column 107', 'lessThan(decimal("10.5"))'],
    ['a text that is not Cedar', 'allow everything', 'line 1, column 7', 'everything'],
    ['an operator of another language', `// é ü\n${when('context.input.amount = 5')}`, 'line 2, column 82', "try using '=='"],
    ['a policy without an end', 'permit(principal, action, resource)', 'line 1, column 36', 'unexpected end of input'],
    ['a template', 'permit(principal == ?principal, action, resource);', 'line 1, column 21', 'template'],
    [
      'a temporal policy',
      'permit(principal, action, resource)\nwhen temporal { formerly within 1h true };',
      'line 2, column 6',
      'temporal policies are not supported',
    ],
    [
      'another gateway',
      'permit(principal, action, resource == AgentCore::Gateway::"other");',
      'line 1, column 59',
      'it is for the gateway "other", and these policies are for "local"',
    ],
    [
      'an id twice',
      '@id("a") permit(principal, action, resource);\n@id("a") forbid(principal, action, resource);',
      'policy "a", line 2',
      'own',
    ],
    ['a type of principal that there is not', 'permit(principal is AgentCore::User, action, resource);', 'line 1', 'AgentCore::User'],
  ])('%s', async (_, policies, place, meant) => {
    const { message, details } = await refusal({ policies });
    expect(message).toContain('cedarPolicy(): policy ');
    expect(message).toContain(place);
    expect(message).toContain(meant);
    const { faults } = details as { faults: { line: number; column: number; policy: string; message: string }[] };
    expect(faults).toHaveLength(1);
    const [{ policy = '', line, column, message: told } = {}] = faults;
    expect(message).toContain(`policy ${JSON.stringify(policy)}, line ${line}, column ${column}: ${told}`);
  });

  test('a text that the schema of the argument does not list, where each tool with that argument lists its own', async () => {
    const tools = [{ name: 'pay', input: { type: 'object', properties: { state: { enum: ['open', 'done'] }, free: { type: 'string' } } } }];
    const about = (text: string) =>
      `permit(principal, action, resource) when { context.input has state && context.input.state == "${text}" };`;
    const { message } = await refusal({ tools, policies: about('opn') });
    expect(message).toContain('line 1, column 94: input.state is never "opn": Did you mean "open"?');
    await policyOf({ tools, policies: about('done') });
    const more = [...tools, { name: 'other', input: { type: 'object', properties: { state: { type: 'string' } } } }];
    await policyOf({ tools: more, policies: about('opn') });
  });

  test('the policies have ids by their names, and a fault names the text it is in', async () => {
    const good = 'permit(principal, action, resource);';
    const bad = 'permit(principal, action, resource) when { context.x };';
    expect((await refusal({ policies: { good, bad } })).message).toContain('policy "bad", line 1');
    expect((await refusal({ policies: { two: `${good}\n${bad}` } })).message).toContain('policy "two.1", line 2');
    expect((await refusal({ policies: [good, bad] })).message).toContain('policy "policy1", line 1');
  });

  test('all faults are in the details, and the message has the first ones', async () => {
    const { message, details } = await refusal({ policies: Array.from({ length: 9 }, (_, i) => when(`context.a${i}`)).join('\n') });
    expect((details as { faults: unknown[] }).faults).toHaveLength(9);
    expect(message).toMatch(/; and 4 more$/);
  });
});

test.each([
  ['principal.role == "lead"', 'principal.hasTag("role:lead")'],
  ['principal.roles.contains("lead")', 'principal.hasTag("role:lead")'],
  ['principal.team == "parcels"', 'principal.hasTag("team") && principal.getTag("team") == "..."'],
])('what is known of a user is a tag, and the message says so: %s', async (condition, meant) => {
  const { message } = await refusal({ policies: when(condition) });
  expect(message).toContain(meant);
  expect(message).toContain('`principal is AgentCore::OAuthUser`'); // the other kind of principal has none
});

test('a decimal is not compared with a number: the message says how it is', async () => {
  const tools = [{ name: 'pay', input: { type: 'object', properties: { usd: { type: 'number' } }, required: ['usd'] } }];
  const policies = 'permit(principal, action == AgentCore::Action::"pay", resource) when { context.input.usd < 5 };';
  expect((await refusal({ tools, policies } as never)).message).toContain('lessThan(decimal("10.5"))');
});

test.each([
  ['no tools', { tools: undefined }, 'needs the tools'],
  ['a tool that is none', { tools: [{ name: 'x' }] }, 'tools is a list'],
  ['a mode that there is not', { mode: 'OFF' }, 'mode is "OFF"'],
  ['policies that are no text', { policies: 7 }, 'policies is a text'],
  ['a policy that is not a text', { policies: { a: 7 } }, 'policies is a text'],
  ['a lone surrogate', { policies: 'permit(principal, action, resource); // \ud800' }, 'policies is a text'],
  ['a misspelt option', { gatway: 'x' }, 'Did you mean "gateway"?'],
  ['an empty gateway', { gateway: '' }, 'gateway is the id'],
  ['a principal that is not a function', { principal: {} }, 'principal is a function'],
  ['a tool with the name of the group of all calls', { tools: [{ name: 'CallTool', input: {} }] }, 'named "CallTool"'],
  ['a tool with the name of a target', { tools: [REFUND, { name: 'shop', input: {} }] }, 'named "shop"'],
  ['two tools of one name', { tools: [REFUND, { ...REFUND, input: {} }] }, 'two tools are named "shop___refund"'],
])('%s is refused', async (_, o, why) => {
  expect((await refusal(o as never)).message).toContain(why);
});

describe('the tools', () => {
  const refund = tool({ name: 'refund', description: 'x', input: z.object({ cents: z.number().int() }), execute: () => 1 });
  const about = (name: string, condition: string) =>
    `permit(principal, action == AgentCore::Action::"${name}", resource) when { ${condition} };`;

  test('may be those of tool(), agents, a source, and descriptions; one that agents share is listed twice', async () => {
    const clerk = agent({ name: 'clerk', instructions: '', model: scripted([]) });
    const closed: string[] = [];
    const source = {
      name: 'shop',
      open: async () => ({ list: async () => [refund], close: async () => void closed.push('shop') }),
    };
    const policies = [about('refund', 'context.input.cents < 5'), about('clerk', 'context.input.task like "*refund*"')].join('\n');
    const policy = await policyOf({ tools: [refund, clerk, source, REFUND], policies });
    expect(closed).toEqual(['shop']);
    expect(allows(policy, { tool: 'refund', input: { cents: 4 } })).toBe(true);
    expect(allows(policy, { tool: 'refund', input: { cents: 5 } })).toBe(false);
    expect(allows(policy, { tool: 'clerk', input: { task: 'a refund' } })).toBe(true);
    expect(allows(policy, { tool: 'clerk', input: { task: 'a joke' } })).toBe(false);
  });

  test('are those that a source only finds, too', async () => {
    const open = async () => ({ list: async () => [], listAll: async () => [refund], close: async () => undefined });
    const policy = await policyOf({ tools: [{ name: 'shop', open }], policies: about('refund', 'context.input.cents < 5') });
    expect(allows(policy, { tool: 'refund', input: { cents: 4 } })).toBe(true);
    expect(allows(policy, { tool: 'refund', input: { cents: 5 } })).toBe(false);
  });

  test('of a source that fails are not left out in silence', async () => {
    const source = { name: 'shop', open: async () => Promise.reject(new Error('it is down')) };
    await expect(policyOf({ tools: [source] })).rejects.toThrow('it is down');
  });

  test('are listed again by reload; a reload that fails leaves what was loaded', async () => {
    let list: Tool[] = [refund];
    const source = { name: 'shop', open: async () => ({ list: async () => list, close: async () => undefined }) };
    const policy = await policyOf({ tools: source, policies: 'permit(principal, action == AgentCore::Action::"refund", resource);' });
    const pay = tool({ name: 'pay', description: 'x', input: z.object({}), execute: () => 1 });
    expect(allows(policy, { tool: 'refund', input: { cents: 1 } })).toBe(true);
    list = [pay];
    await expect(policy.reload()).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    expect(allows(policy, { tool: 'refund', input: { cents: 1 } })).toBe(true);
    const open = await policyOf({ tools: source });
    expect(allows(open, { tool: 'refund', input: { cents: 1 } })).toBe(false);
    list = [pay, refund];
    await open.reload();
    expect(allows(open, { tool: 'refund', input: { cents: 1 } })).toBe(true);
  });

  test('the engine’s own are actions too: a policy about all tools need not fit them, and one that names them is validated', async () => {
    const policy = await policyOf({ policies: 'permit(principal, action, resource) when { context.input.amount < 5 };' });
    expect(allows(policy, { tool: 'find_tools', input: { query: 'x' } })).toBe(false);
    const open = await policyOf({});
    expect(allows(open, { tool: 'find_tools', input: { query: 'x' } })).toBe(true);
    const named = about('find_tools', 'context.input.query != "secrets"');
    expect(allows(await policyOf({ policies: named }), { tool: 'find_tools', input: { query: 'x' } })).toBe(true);
    expect((await refusal({ policies: about('find_tools', 'context.input.qery == "x"') })).message).toContain('did you mean `query`?');
  });
});
