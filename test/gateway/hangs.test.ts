/** User code that never answers: it is waited for once, and asked again later. The clock is the test's own. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { gateway } from '../../src/adapters/gateway/index.ts';
import { Interception, requestOf } from '../../src/adapters/gateway/interception.ts';
import { ToolSearch } from '../../src/adapters/gateway/search.ts';
import { topicGuardrail } from '../../src/adapters/guardrails/index.ts';
import { describedTools } from '../../src/adapters/policy/tools.ts';
import { guarded } from '../../src/hitl/guardrails.ts';
import { tool } from '../../src/index.ts';

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const never = new Promise<never>(() => {});
const MINUTES = 120_000;

test.each(['open', 'list'])(
  'a target whose %s() never answers is waited for ten seconds, where the gateway says nothing else',
  async (which) => {
    const hangs = { name: 'shop', open: async () => (which === 'open' ? never : { list: () => never, close: async () => {} }) };
    const send = tool({ name: 'send', description: '', input: z.object({}), execute: () => '' });
    const office = await gateway({ name: 'office', targets: { shop: hangs, mail: [send] } }).open({ signal: new AbortController().signal });
    const listed = vi.fn((names: readonly string[]) => names);
    const list = Promise.resolve(office.list()).then((tools) => listed(tools.map(({ name }) => name)));
    await vi.advanceTimersByTimeAsync(9_999);
    expect(listed).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    expect(await list).toEqual(['mail___send']);
    void office.close();
  },
);

test.each(['request', 'response'] as const)(
  'an interceptor of the %s that never answers has ten seconds, where it has no other timeout',
  async (point) => {
    const signals: AbortSignal[] = [];
    const hangs = (_event: unknown, { signal }: { signal: AbortSignal }) => (signals.push(signal), never);
    const asked = new Interception({ [point]: hangs });
    const call = { by: undefined, session: undefined, signal: new AbortController().signal };
    const request = requestOf('1', 'tools/call', { name: 'a', arguments: {} });
    const failed = vi.fn((error: Error) => error.message);
    const answer = (point === 'request' ? asked.request(request, call) : asked.response(request, { statusCode: 200 }, call)).catch(failed);
    await vi.advanceTimersByTimeAsync(9_999);
    expect(failed).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    expect(await answer).toContain(`the ${point} interceptor`);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
  },
);

test('an embedder that hangs once is asked for the vectors of the tools again, and then ranks them', async () => {
  const named = (name: string) => tool({ name, description: name, input: z.object({}), effect: 'read', execute: () => '' });
  const tools = [named('alpha'), named('beta')];
  let hangs = true;
  const embed = async (texts: readonly string[]) => (hangs ? never : texts.map((text) => (/beta|greek/.test(text) ? [0, 1] : [1, 0])));
  const search = new ToolSearch({ name: 'm', embed });
  const first = search.best(tools, 'greek', 1);
  await vi.advanceTimersByTimeAsync(MINUTES);
  expect(await first).toEqual([]);
  hangs = false;
  expect((await search.best(tools, 'greek', 1)).map(({ name }) => name)).toEqual(['beta']);
});

test('an embedder that hangs once is asked for the vectors of examples again', async () => {
  let hangs = true;
  const embed = async (texts: readonly string[]) => (hangs ? never : texts.map(() => [1, 0]));
  const { check } = topicGuardrail({ embed, denied: [{ name: 'medicine', examples: ['take a pill'] }] });
  const asked = { value: 'x', point: 'input' } as unknown as Parameters<typeof check>[0];
  const first = Promise.resolve(check(asked)).catch((error: Error) => error.message);
  await vi.advanceTimersByTimeAsync(MINUTES);
  expect(await first).toMatch(/embed did not answer/);
  hangs = false;
  expect(await check(asked)).toMatchObject({ action: 'block' });
});

test('a guardrail that never answers blocks after ten seconds, where it has no other timeout', async () => {
  const asked = { value: 'x', point: 'input' } as unknown as Parameters<typeof guarded>[1];
  const ruled = vi.fn();
  void guarded([{ name: 'slow', check: () => never }], asked).then(ruled);
  await vi.advanceTimersByTimeAsync(9_999);
  expect(ruled).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(1);
  expect(ruled.mock.calls[0]?.[0]).toMatchObject({ blocked: { code: 'GUARDRAIL_FAILED' }, verdicts: [{ code: 'GUARDRAIL_TIMEOUT' }] });
});

test.each(['list', 'all'])('a source whose %s() never answers does not hold the policies', async (which) => {
  const close = vi.fn(async () => {});
  const source = { name: 'shop', open: async () => ({ list: () => never, ...(which === 'all' && { all: () => never }), close }) };
  const loading = describedTools([source], 'cedarPolicy()').catch((error: Error) => error.message);
  await vi.advanceTimersByTimeAsync(MINUTES);
  expect(await loading).toMatch(/the tools of shop did not answer/);
  expect(close).toHaveBeenCalledOnce();
});
