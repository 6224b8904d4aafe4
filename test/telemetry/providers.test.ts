import { context, propagation, ROOT_CONTEXT, TraceFlags, trace } from '@opentelemetry/api';
import { AlwaysOffSampler, InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';
import { afterEach, expect, test } from 'vitest';
import { recording } from '../../src/telemetry/spans.ts';
import type { AgentTrace } from '../../src/telemetry/trace.ts';
import { meterProvider, model, registerContext, registerMetrics, registerSpans, start, unregister } from './sdk.ts';

afterEach(unregister);

const PARENT = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;

test('with nothing registered a claim has no recorder at all', () => {
  const engine = recording();
  expect(engine.startAgent(start)).toBeUndefined();
  expect(engine.startAgent({ ...start, runId: 'run-2', link: PARENT })).toBeUndefined();
  engine.breakerOpened({ model: { provider: 'bedrock', id: 'x' } });
});

test('a TracerProvider registered after the engine was made is picked up at the next claim, and so is its successor', () => {
  const engine = recording();
  engine.startAgent(start)?.end({ status: 'completed' });
  const first = registerSpans();
  engine.startAgent(start)?.end({ status: 'completed' });
  expect(first.spans()).toHaveLength(1);
  unregister();
  engine.startAgent(start)?.end({ status: 'completed' });
  const second = registerSpans();
  engine.startAgent(start)?.end({ status: 'completed' });
  expect(first.spans()).toHaveLength(1);
  expect(second.spans()).toHaveLength(1);
});

test('a MeterProvider registered after the engine was made is picked up, and so is its successor', async () => {
  const engine = recording();
  const runs = async (measured: ReturnType<typeof meterProvider>) => (await measured.collect()).get('gen_ai.invoke_agent.duration')?.length;
  engine.startAgent(start)?.end({ status: 'completed' });
  const first = registerMetrics();
  engine.startAgent(start)?.end({ status: 'completed' });
  expect(await runs(first)).toBe(1);
  unregister();
  const second = registerMetrics();
  expect(await runs(second)).toBeUndefined();
  engine.startAgent(start)?.end({ status: 'completed' });
  expect(await runs(second)).toBe(1);
});

test('a tracer and a meter given to the engine are used whatever is registered', async () => {
  const global = registerSpans();
  const exporter = new InMemorySpanExporter();
  const own = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  const measured = meterProvider();
  const agent = recording({ tracer: own.getTracer('mine'), meter: measured.provider.getMeter('mine') }).startAgent(start) as AgentTrace;
  agent.chat(1, model).end({});
  agent.end({ status: 'completed' });
  expect(exporter.getFinishedSpans().map((span) => span.instrumentationScope.name)).toEqual(['mine', 'mine']);
  expect(global.spans()).toHaveLength(0);
  expect((await measured.collect()).has('gen_ai.client.operation.duration')).toBe(true);
});

test('an unsampled trace is propagated but not recorded, so that nothing below it is sampled', () => {
  const { exporter } = registerSpans({ sampler: new AlwaysOffSampler() });
  const agent = recording().startAgent(start) as AgentTrace;
  expect(agent.traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
  const chat = agent.chat(1, model);
  const tool = agent.tool(1, { call: '1.0', name: 'a' });
  for (const traced of [agent, chat, tool]) {
    const carrier: { traceparent?: string } = {};
    traced.run(() => propagation.inject(context.active(), carrier));
    expect(traced.traceparent).toBe(agent.traceparent);
    expect(traced.run(() => trace.getActiveSpan()?.spanContext().traceFlags)).toBe(TraceFlags.NONE);
  }
  agent.end({ status: 'completed' });
  expect(exporter.getFinishedSpans()).toHaveLength(0);
  // the next claim keeps to the decision of the first, whatever this process would have decided
  unregister();
  const sampling = registerSpans();
  recording()
    .startAgent({ ...start, parent: agent.traceparent })
    ?.end({ status: 'completed' });
  expect(sampling.spans()).toHaveLength(0);
});

test('metrics alone, in an unsampled trace, still hand the context on', async () => {
  registerSpans({ sampler: new AlwaysOffSampler() });
  const measured = registerMetrics();
  const agent = recording().startAgent(start) as AgentTrace;
  const tool = agent.tool(1, { call: '1.0', name: 'a' });
  expect(tool.traceparent).toBe(agent.traceparent);
  expect(tool.run(() => trace.getActiveSpan()?.spanContext().traceId)).toBe(agent.traceparent?.split('-')[1]);
  tool.end({});
  agent.end({ status: 'completed' });
  expect((await measured.collect()).get('gen_ai.execute_tool.duration')).toHaveLength(1);
});

test('a process without an SDK hands on the trace it was given', () => {
  registerContext();
  const agent = recording().startAgent({ ...start, parent: PARENT, link: PARENT }) as AgentTrace;
  expect(agent.traceparent).toBe(PARENT);
  expect(agent.run(() => trace.getSpanContext(context.active())?.traceId)).toBe('a'.repeat(32));
  expect(context.active()).toBe(ROOT_CONTEXT);
});
