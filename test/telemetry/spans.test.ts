import { context, diag, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { afterEach, expect, test, vi } from 'vitest';
import { recording } from '../../src/telemetry/spans.ts';
import type { AgentTrace } from '../../src/telemetry/trace.ts';
import { model, registerSpans, start, unregister } from './sdk.ts';

afterEach(() => {
  unregister();
  diag.disable();
});

const seconds = ([s, ns]: readonly [number, number]) => s + ns / 1e9;

test('a turn is a tree: invoke_agent over chat and execute_tool, one span for all attempts', () => {
  const sdk = registerSpans();
  const agent = recording().startAgent(start) as AgentTrace;
  const chat = agent.chat(1, model);
  chat.failedAttempt({ attempt: 1, code: 'THROTTLING', retryIn: 200 });
  chat.end({
    model: 'bedrock/anthropic.claude-haiku-4-5',
    stop: 'tools',
    usage: { input: 10, output: 5, cacheRead: 3, cacheWrite: 2, reasoning: 1 },
    usd: 0.25,
    attempts: 2,
  });
  const tool = agent.tool(1, { call: '3.0', id: 'toolu_1', name: 'refund', effect: 'once' });
  tool.end({ attempts: 1, output: { ok: true } });
  agent.end({ status: 'completed' }, { usage: { input: 10, output: 5 }, usd: 0.25 });

  expect(sdk.spans().map((span) => span.name)).toEqual(['chat anthropic.claude-sonnet-5', 'execute_tool refund', 'invoke_agent support']);
  const [chatSpan, toolSpan, agentSpan] = sdk.spans();
  const root = agentSpan?.spanContext();
  expect(agentSpan).toMatchObject({
    kind: SpanKind.INTERNAL,
    parentSpanContext: undefined,
    links: [],
    status: { code: SpanStatusCode.OK },
  });
  expect(agentSpan?.attributes).toEqual({
    'gen_ai.operation.name': 'invoke_agent',
    'gen_ai.agent.name': 'support',
    'gen_ai.conversation.id': 'ana',
    'session.id': 'ana',
    'rondo.run.id': 'run-1',
    'rondo.run.epoch': 1,
    'rondo.run.status': 'completed',
    'gen_ai.usage.input_tokens': 10,
    'gen_ai.usage.output_tokens': 5,
    'rondo.cost.usd': 0.25,
  });
  expect(chatSpan).toMatchObject({ kind: SpanKind.CLIENT, status: { code: SpanStatusCode.UNSET } });
  expect(chatSpan?.parentSpanContext?.spanId).toBe(root?.spanId);
  expect(chatSpan?.attributes).toEqual({
    'gen_ai.operation.name': 'chat',
    'gen_ai.provider.name': 'aws.bedrock',
    'gen_ai.request.model': 'anthropic.claude-sonnet-5',
    'gen_ai.response.model': 'anthropic.claude-haiku-4-5',
    'gen_ai.response.finish_reasons': ['tool_call'],
    'gen_ai.usage.input_tokens': 15,
    'gen_ai.usage.output_tokens': 5,
    'gen_ai.usage.cache_read.input_tokens': 3,
    'gen_ai.usage.cache_creation.input_tokens': 2,
    'gen_ai.usage.reasoning.output_tokens': 1,
    'gen_ai.agent.name': 'support',
    'gen_ai.conversation.id': 'ana',
    'session.id': 'ana',
    'rondo.run.id': 'run-1',
    'rondo.step': 1,
    'rondo.attempts': 2,
    'rondo.cost.usd': 0.25,
  });
  expect(chatSpan?.events.map(({ name, attributes }) => ({ name, attributes }))).toEqual([
    { name: 'rondo.attempt.failed', attributes: { 'rondo.attempt': 1, 'error.type': 'THROTTLING', 'rondo.retry.in': 200 } },
  ]);
  expect(toolSpan).toMatchObject({ kind: SpanKind.INTERNAL, status: { code: SpanStatusCode.UNSET } });
  expect(toolSpan?.parentSpanContext?.spanId).toBe(root?.spanId);
  expect(toolSpan?.attributes).toEqual({
    'gen_ai.operation.name': 'execute_tool',
    'gen_ai.tool.name': 'refund',
    'gen_ai.tool.call.id': 'toolu_1',
    'gen_ai.tool.type': 'function',
    'gen_ai.agent.name': 'support',
    'gen_ai.conversation.id': 'ana',
    'session.id': 'ana',
    'rondo.run.id': 'run-1',
    'rondo.call.id': '3.0',
    'rondo.step': 1,
    'rondo.effect': 'once',
    'rondo.outcome': 'done',
    'rondo.attempts': 1,
  });
});

test('failures have status ERROR and error.type, a paused or stopped run has not', () => {
  const sdk = registerSpans();
  const engine = recording();
  const failed = engine.startAgent(start) as AgentTrace;
  failed.chat(1, model).end({ error: { code: 'THROTTLING', message: 'slow down' }, attempts: 3 });
  failed.tool(1, { call: '1.0', name: 'mail' }).end({ error: { code: 'TIMEOUT', outcome: 'unknown' }, attempts: 1 });
  failed.end({ status: 'failed', error: { code: 'MODEL_FAILED' } });
  engine.startAgent(start)?.end({ status: 'paused' });
  engine.startAgent(start)?.end({ status: 'stopped', limit: { name: 'costUsd', max: 0.5, used: 0.49 } });
  engine.startAgent(start)?.end({});

  expect(sdk.named('chat anthropic.claude-sonnet-5')).toMatchObject({
    status: { code: SpanStatusCode.ERROR },
    attributes: { 'error.type': 'THROTTLING' },
  });
  expect(sdk.named('execute_tool mail')).toMatchObject({
    status: { code: SpanStatusCode.ERROR },
    attributes: { 'error.type': 'TIMEOUT', 'rondo.outcome': 'unknown' },
  });
  expect(
    sdk
      .spans()
      .filter((span) => span.name.startsWith('invoke_agent'))
      .map(({ status, attributes }) => [
        status.code,
        attributes['error.type'],
        attributes['rondo.run.status'],
        attributes['rondo.limit.name'],
      ]),
  ).toEqual([
    [SpanStatusCode.ERROR, 'MODEL_FAILED', 'failed', undefined],
    [SpanStatusCode.OK, undefined, 'paused', undefined],
    [SpanStatusCode.OK, undefined, 'stopped', 'costUsd'],
    [SpanStatusCode.ERROR, 'CLAIM_LOST', undefined, undefined],
  ]);
});

test('approvals are events on invoke_agent', () => {
  const sdk = registerSpans();
  const agent = recording().startAgent(start) as AgentTrace;
  agent.approvalRequested({ id: 'ap_1', kind: 'tool', tool: 'refund', call: '3.0' });
  agent.approvalDecided({ id: 'ap_1', decision: { type: 'approve' }, by: { id: 'ben@example.test' } });
  agent.end({ status: 'paused' });
  expect(sdk.named('invoke_agent support').events.map(({ name, attributes }) => ({ name, attributes }))).toEqual([
    {
      name: 'rondo.approval.requested',
      attributes: { 'rondo.approval.id': 'ap_1', 'rondo.approval.kind': 'tool', 'gen_ai.tool.name': 'refund', 'rondo.call.id': '3.0' },
    },
    { name: 'rondo.approval.decided', attributes: { 'rondo.approval.id': 'ap_1', 'rondo.approval.decision': 'approve' } },
  ]);
});

test('each claim opens its own span in the trace of the first, linked to the one before', () => {
  const sdk = registerSpans();
  const first = recording().startAgent(start) as AgentTrace;
  first.end({ status: 'paused' });
  // other processes: all they have is the text in the journal
  const second = recording().startAgent({ ...start, epoch: 2, parent: first.traceparent, link: first.traceparent }) as AgentTrace;
  second.tool(2, { call: '9.0', name: 'mail' }).end({});
  second.end({ status: 'paused' });
  const third = recording().startAgent({ ...start, epoch: 3, parent: first.traceparent, link: second.traceparent }) as AgentTrace;
  third.end({ status: 'completed' });

  const claims = sdk.spans().filter((span) => span.name === 'invoke_agent support');
  const [one, two, three] = claims.map((span) => span.spanContext());
  expect(new Set(sdk.spans().map((span) => span.spanContext().traceId))).toEqual(new Set([one?.traceId]));
  expect(claims.map((span) => span.parentSpanContext?.spanId)).toEqual([undefined, one?.spanId, one?.spanId]);
  expect(claims.map((span) => span.links.map((link) => link.context.spanId))).toEqual([[], [one?.spanId], [two?.spanId]]);
  expect(claims.map((span) => span.attributes['rondo.run.epoch'])).toEqual([1, 2, 3]);
  expect(sdk.named('execute_tool mail').parentSpanContext?.spanId).toBe(two?.spanId);
  expect(three?.spanId).not.toBe(two?.spanId);
});

test("the first claim's parent is the caller's active span", () => {
  const sdk = registerSpans();
  const request = trace.getTracer('app').startSpan('POST /support');
  const agent = context.with(trace.setSpan(context.active(), request), () => recording().startAgent(start)) as AgentTrace;
  agent.end({ status: 'completed' });
  request.end();
  expect(sdk.named('invoke_agent support').parentSpanContext?.spanId).toBe(request.spanContext().spanId);
});

test('user code runs with the span as its parent, across awaits, and its result and error pass through', async () => {
  const sdk = registerSpans();
  const agent = recording().startAgent(start) as AgentTrace;
  const http = async (name: string) => {
    await Promise.resolve();
    trace.getTracer('http').startSpan(name).end();
    return name;
  };
  const chat = agent.chat(1, model);
  const tool = agent.tool(1, { call: '1.0', name: 'search' });
  expect(
    await Promise.all([chat.run(() => http('GET /model')), tool.run(() => http('GET /search')), agent.run(() => http('GET /memory'))]),
  ).toEqual(['GET /model', 'GET /search', 'GET /memory']);
  const mine = new Error('mine');
  expect(() =>
    tool.run(() => {
      throw mine;
    }),
  ).toThrow(mine);
  expect(trace.getActiveSpan()).toBeUndefined();
  chat.end({});
  tool.end({});
  agent.end({ status: 'completed' });
  const parentOf = (name: string) => sdk.named(name).parentSpanContext?.spanId;
  expect(parentOf('GET /model')).toBe(sdk.named('chat anthropic.claude-sonnet-5').spanContext().spanId);
  expect(parentOf('GET /search')).toBe(sdk.named('execute_tool search').spanContext().spanId);
  expect(parentOf('GET /memory')).toBe(sdk.named('invoke_agent support').spanContext().spanId);
  expect(tool.traceparent).toContain(sdk.named('execute_tool search').spanContext().spanId);
});

test("times are the journal's where given, also those from before this process", () => {
  const sdk = registerSpans();
  const day = Date.UTC(2020, 0, 2);
  const agent = recording().startAgent({ ...start, at: day }) as AgentTrace;
  const tool = agent.tool(1, { call: '1.0', name: 'search' }, day + 100.25);
  tool.failedAttempt({ attempt: 1, code: 'TIMEOUT' }, day + 150);
  tool.end({}, day + 400);
  // a clock that was set back does not make a span end before it starts
  agent.chat(1, model, undefined, day + 500).end({}, day + 450);
  agent.end({ status: 'completed' }, {}, day + 1_000);
  const at = (name: string) => {
    const { startTime, endTime } = sdk.named(name);
    return [seconds(startTime) - day / 1000, seconds(endTime) - day / 1000];
  };
  const close = (name: string, from: number, to: number) => {
    expect(at(name)[0]).toBeCloseTo(from, 5);
    expect(at(name)[1]).toBeCloseTo(to, 5);
  };
  close('invoke_agent support', 0, 1);
  close('execute_tool search', 0.10025, 0.4);
  close('chat anthropic.claude-sonnet-5', 0.5, 0.5);
  expect(seconds(sdk.named('execute_tool search').events[0]?.time ?? [0, 0]) - day / 1000).toBeCloseTo(0.15, 5);
});

test('without given times, spans are in the present and last as long as they did', async () => {
  const sdk = registerSpans();
  const before = Date.now();
  const agent = recording().startAgent(start) as AgentTrace;
  await new Promise((done) => setTimeout(done, 15));
  agent.end({ status: 'completed' });
  const { startTime, duration } = sdk.named('invoke_agent support');
  expect(seconds(startTime) * 1000).toBeGreaterThanOrEqual(before - 1);
  expect(seconds(startTime) * 1000).toBeLessThanOrEqual(Date.now());
  expect(seconds(duration)).toBeGreaterThan(0.01);
});

test('what is still open when a claim ends is exported as unfinished; ending twice changes nothing, without a word', () => {
  const sdk = registerSpans();
  const complaint = vi.fn();
  diag.setLogger({ error: complaint, warn: complaint, info() {}, debug() {}, verbose() {} });
  const agent = recording().startAgent(start) as AgentTrace;
  const late = agent.tool(1, { call: '1.0', name: 'slow' });
  const done = agent.tool(1, { call: '1.1', name: 'quick' });
  done.end({});
  done.end({ error: { code: 'LATE' } });
  agent.end({ status: 'cancelled' });
  late.failedAttempt({ attempt: 1, code: 'LATE' });
  late.end({});
  agent.approvalDecided({ id: 'ap', decision: { type: 'approve' } });
  agent.end({ status: 'failed' });
  expect(sdk.spans()).toHaveLength(3);
  expect(sdk.named('execute_tool slow')).toMatchObject({ attributes: { 'error.type': 'UNFINISHED' }, events: [] });
  expect(sdk.named('execute_tool quick').attributes['error.type']).toBeUndefined();
  expect(sdk.named('invoke_agent support')).toMatchObject({ attributes: { 'rondo.run.status': 'cancelled' }, events: [] });
  expect(complaint).not.toHaveBeenCalled();
});

test('a stand-in is marked, and passes for no client call', () => {
  const sdk = registerSpans();
  const agent = recording().startAgent({ agent: 'support', runId: 'r' }) as AgentTrace;
  agent.chat(1, { provider: 'standin', id: 'rules', standin: true }).end({ stop: 'end', usd: 0 });
  agent.end({ status: 'completed' });
  expect(sdk.named('chat rules')).toMatchObject({
    kind: SpanKind.INTERNAL,
    attributes: { 'rondo.standin': true, 'gen_ai.provider.name': 'standin', 'rondo.cost.usd': 0 },
  });
  // no session, no conversation
  expect(Object.keys(sdk.named('invoke_agent support').attributes)).not.toContain('gen_ai.conversation.id');
});
