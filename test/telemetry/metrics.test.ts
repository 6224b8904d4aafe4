import { afterEach, expect, test } from 'vitest';
import { recording } from '../../src/telemetry/spans.ts';
import type { AgentTrace } from '../../src/telemetry/trace.ts';
import { model, registerMetrics, registerSpans, start, unregister } from './sdk.ts';

afterEach(unregister);

const t = Date.UTC(2026, 0, 1);

test('durations, tokens, dollars, retries and breakers are measured, with or without spans', async () => {
  for (const spans of [false, true]) {
    if (spans) registerSpans();
    const measured = registerMetrics();
    const engine = recording();
    const agent = engine.startAgent({ ...start, at: t }) as AgentTrace;
    const chat = agent.chat(1, model, undefined, t);
    chat.failedAttempt({ attempt: 1, code: 'THROTTLING', retryIn: 100 }, t + 10);
    chat.failedAttempt({ attempt: 2, code: 'THROTTLING', fallback: 'bedrock/amazon.nova-pro' }, t + 120);
    chat.end({ model: 'bedrock/amazon.nova-pro', usage: { input: 70, output: 30, cacheRead: 20, cacheWrite: 10 }, usd: 0.5 }, t + 2_000);
    const broken = agent.chat(2, model, undefined, t + 2_000);
    broken.failedAttempt({ attempt: 1, code: 'BAD_REQUEST' });
    broken.end({ error: { code: 'BAD_REQUEST' } }, t + 2_500);
    const tool = agent.tool(2, { call: '1.0', name: 'mail' }, t + 2_500);
    tool.failedAttempt({ attempt: 1, code: 'TIMEOUT', retryIn: 5 });
    tool.end({ error: { code: 'TIMEOUT' } }, t + 2_600);
    const kept = agent.tool(2, { call: '2.0', name: 'mail' }, t + 2_600);
    kept.end({ attempts: 0, cached: { run: 'r', call: '1.0' } }, t + 2_600);
    engine.breakerOpened({ tool: 'mail' });
    engine.breakerOpened({ model: { provider: 'bedrock', id: 'x' } });
    engine.breakerOpened({ node: 'review' });
    agent.end({ status: 'completed' }, {}, t + 3_000);
    agent.end({ status: 'completed' }, {}, t + 9_000);

    const points = await measured.collect();
    const rows = (name: string) => points.get(name)?.map(({ attributes, value }) => [attributes, (value as { sum?: number }).sum ?? value]);
    const asked = { 'gen_ai.operation.name': 'chat', 'gen_ai.provider.name': 'aws.bedrock', 'gen_ai.request.model': model.id };
    const answered = { ...asked, 'gen_ai.response.model': 'amazon.nova-pro' };
    const mail = { 'gen_ai.tool.name': 'mail', 'gen_ai.tool.type': 'function', 'gen_ai.agent.name': 'support' };
    expect(rows('gen_ai.client.operation.duration')).toEqual([
      [answered, 2],
      [{ ...asked, 'error.type': 'BAD_REQUEST' }, 0.5],
    ]);
    expect(rows('gen_ai.client.token.usage')).toEqual([
      [{ ...answered, 'gen_ai.token.type': 'input' }, 100],
      [{ ...answered, 'gen_ai.token.type': 'output' }, 30],
    ]);
    expect(rows('gen_ai.execute_tool.duration')).toEqual([
      [{ ...mail, 'error.type': 'TIMEOUT' }, expect.closeTo(0.1, 9)],
      [{ ...mail, 'rondo.cached': true }, 0],
    ]);
    expect(rows('gen_ai.invoke_agent.duration')).toEqual([
      [{ 'gen_ai.operation.name': 'invoke_agent', 'gen_ai.agent.name': 'support', 'rondo.run.status': 'completed' }, 3],
    ]);
    expect(rows('rondo.cost.usd')).toEqual([[{ ...answered, 'gen_ai.agent.name': 'support' }, 0.5]]);
    // an attempt that nothing followed is not a retry
    expect(rows('rondo.retries')).toEqual([
      [{ ...asked, 'rondo.target': 'model', 'error.type': 'THROTTLING' }, 2],
      [{ ...mail, 'rondo.target': 'tool', 'error.type': 'TIMEOUT' }, 1],
    ]);
    expect(rows('rondo.breaker.opens')).toEqual([
      [{ 'rondo.target': 'tool', 'gen_ai.tool.name': 'mail' }, 1],
      [{ 'rondo.target': 'model', 'gen_ai.provider.name': 'aws.bedrock', 'gen_ai.request.model': 'x' }, 1],
      [{ 'rondo.target': 'node', 'rondo.node': 'review' }, 1],
    ]);
    unregister();
  }
});

test('no run id, session or step is a dimension, and an unknown cost is not counted as 0', async () => {
  const measured = registerMetrics();
  const agent = recording().startAgent(start) as AgentTrace;
  agent.chat(1, model).end({ usage: { input: 1, output: 1 } });
  agent.tool(1, { call: '7.0', name: 'mail', input: 'x' }).end({ output: 'x' });
  agent.end({ status: 'completed' });
  const points = await measured.collect();
  expect(points.has('rondo.cost.usd')).toBe(false);
  const text = JSON.stringify([...points.values()].flatMap((rows) => rows.map((row) => row.attributes)));
  for (const value of ['run-1', 'ana', '7.0']) expect(text).not.toContain(`"${value}"`);
  expect(text).not.toContain('rondo.step');
});

test("a stand-in's tokens can be told from a model's", async () => {
  const measured = registerMetrics();
  const agent = recording().startAgent(start) as AgentTrace;
  agent.chat(1, { provider: 'standin', id: 'rules', standin: true }).end({ usage: { input: 1, output: 1 }, usd: 0 });
  agent.end({ status: 'completed' });
  const points = await measured.collect();
  expect(points.get('gen_ai.client.token.usage')?.every(({ attributes }) => attributes['rondo.standin'] === true)).toBe(true);
  expect(points.has('rondo.cost.usd')).toBe(false);
});

test('a clock that was set back makes no negative duration', async () => {
  const measured = registerMetrics();
  const agent = recording().startAgent({ ...start, at: t }) as AgentTrace;
  agent.tool(1, { call: '1.0', name: 'mail' }, t).end({}, t - 500);
  agent.end({ status: 'completed' }, {}, t - 500);
  const points = await measured.collect();
  for (const name of ['gen_ai.execute_tool.duration', 'gen_ai.invoke_agent.duration'])
    expect(points.get(name)?.[0]?.value, name).toMatchObject({ sum: 0, count: 1 });
});
