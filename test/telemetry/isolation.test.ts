import { type ContextManager, context, diag, type Meter, metrics, ROOT_CONTEXT, type Tracer, trace } from '@opentelemetry/api';
import {
  BasicTracerProvider,
  SamplingDecision,
  SimpleSpanProcessor,
  type SpanExporter,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace-node';
import { afterEach, expect, test, vi } from 'vitest';
import { recording } from '../../src/telemetry/spans.ts';
import type { TelemetryOptions } from '../../src/telemetry/telemetry.ts';
import type { AgentTrace } from '../../src/telemetry/trace.ts';
import { model, registerMetrics, registerSpans, start, unregister } from './sdk.ts';

afterEach(() => {
  unregister();
  diag.disable();
});

const boom = (): never => {
  throw new Error('telemetry is broken');
};

const within = <T>(span: Pick<AgentTrace, 'run'> | undefined, code: () => T): T => (span ? span.run(code) : code());

/** A run as the loop does it, which has no trace where none could be begun; returns what user code returned. */
function run(options?: TelemetryOptions): string[] {
  const engine = recording(options);
  const agent = engine.startAgent({ ...start, link: `00-${'1'.repeat(32)}-${'2'.repeat(16)}-01` });
  const results: string[] = [];
  const chat = agent?.chat(1, model, { instructions: '', messages: [], tools: [] });
  chat?.failedAttempt({ attempt: 1, code: 'X', retryIn: 1 });
  results.push(within(chat, () => 'answer'));
  void chat?.traceparent;
  chat?.end({ usage: { input: 1, output: 1 }, usd: 1, stop: 'end', content: [] });
  const tool = agent?.tool(1, { call: '1.0', name: 'mail', input: null });
  results.push(within(tool, () => 'sent'));
  expect(() => within(tool, () => boom())).toThrow('telemetry is broken');
  tool?.end({ error: { code: 'X' } });
  agent?.approvalRequested({ id: 'a', kind: 'tool', tool: 'mail' });
  engine.breakerOpened({ tool: 'mail' });
  results.push(within(agent, () => 'done'));
  void agent?.traceparent;
  agent?.end({ status: 'completed' });
  return results;
}
const UNDISTURBED = ['answer', 'sent', 'done'];

const processor: SpanProcessor = { onStart() {}, onEnd() {}, forceFlush: async () => {}, shutdown: async () => {} };

test.each([
  ['onStart', { ...processor, onStart: boom }],
  ['onEnding', { ...processor, onEnding: boom }],
  ['onEnd', { ...processor, onEnd: boom }],
])('a span processor that throws in %s disturbs no run', (_, broken) => {
  registerSpans({ processors: [broken] });
  expect(run()).toEqual(UNDISTURBED);
});

test('a processor that throws at the end of one span does not stop the next ones', () => {
  let ended = 0;
  registerSpans({
    processors: [
      {
        ...processor,
        onEnd() {
          ended++;
          boom();
        },
      },
    ],
  });
  run();
  expect(ended).toBe(3);
});

test('an exporter that throws disturbs no run', () => {
  const exporter: SpanExporter = { export: boom, shutdown: async () => {} };
  registerSpans({ processors: [new SimpleSpanProcessor(exporter)] });
  expect(run()).toEqual(UNDISTURBED);
});

test('a sampler that throws disturbs no run', () => {
  const shouldSample = vi.fn(boom);
  registerSpans({ sampler: { shouldSample, toString: () => 'broken' } });
  expect(run()).toEqual(UNDISTURBED);
  expect(shouldSample).toHaveBeenCalled();
});

test('a sub-agent whose span cannot be opened does not end the span of its parent', () => {
  const shouldSample = (_: unknown, __: string, name: string) =>
    name.endsWith('helper') ? boom() : { decision: SamplingDecision.RECORD_AND_SAMPLED };
  const { named } = registerSpans({ sampler: { shouldSample, toString: () => 'broken' } });
  const agent = recording().startAgent(start);
  agent?.agent({ agent: 'helper', path: ['support', 'helper'] })?.end({ status: 'failed', error: { code: 'X' } });
  agent?.end({ status: 'completed' });
  expect(named('invoke_agent support').attributes).toMatchObject({ 'rondo.run.status': 'completed' });
});

test('a tracer, a span and a provider that throw disturb no run', () => {
  expect(run({ tracer: { startSpan: boom, startActiveSpan: boom } as unknown as Tracer })).toEqual(UNDISTURBED);
  const span = new Proxy({}, { get: () => boom });
  expect(run({ tracer: { startSpan: () => span } as unknown as Tracer })).toEqual(UNDISTURBED);

  // good enough to be taken for recording, and broken from there on
  const half = new Proxy(
    {
      spanContext: () => ({ traceId: '1'.repeat(32), spanId: '2'.repeat(16), traceFlags: 1 }),
      isRecording: () => true,
    } as Record<string | symbol, unknown>,
    { get: (target, name) => target[name] ?? boom },
  );
  expect(run({ content: true, tracer: { startSpan: () => half } as unknown as Tracer })).toEqual(UNDISTURBED);

  trace.setGlobalTracerProvider({ getTracer: boom });
  expect(run()).toEqual(UNDISTURBED);
});

test('a meter, an instrument and a meter provider that throw disturb no run', () => {
  expect(run({ meter: new Proxy({}, { get: () => boom }) as Meter })).toEqual(UNDISTURBED);
  const instrument = new Proxy({}, { get: () => boom });
  expect(run({ meter: new Proxy({}, { get: () => () => instrument }) as Meter })).toEqual(UNDISTURBED);
  metrics.setGlobalMeterProvider({ getMeter: boom });
  expect(run()).toEqual(UNDISTURBED);
});

test('a context manager that throws before, after or instead still lets user code run exactly once', () => {
  registerSpans();
  const broken: Record<string, ContextManager['with']> = {
    instead: boom,
    after: (_context, fn, _this, ...args) => {
      fn(...args);
      return boom();
    },
  };
  for (const [name, call] of Object.entries(broken)) {
    context.disable();
    const manager: ContextManager = {
      active: name === 'instead' ? boom : () => ROOT_CONTEXT,
      with: call,
      bind: (_, target) => target,
      enable: () => manager,
      disable: () => manager,
    };
    context.setGlobalContextManager(manager);
    const code = vi.fn(() => 'once');
    const agent = recording().startAgent(start);
    expect(within(agent, code)).toBe('once');
    expect(code).toHaveBeenCalledTimes(1);
    const bad = vi.fn(() => boom());
    expect(() => within(agent, bad)).toThrow('telemetry is broken');
    expect(bad).toHaveBeenCalledTimes(1);
    agent?.end({ status: 'completed' });
  }
});

test('swallowed errors go to the diagnostics, and a broken logger does no harm', () => {
  const error = vi.fn();
  const quiet = { warn() {}, info() {}, debug() {}, verbose() {} };
  registerSpans({ processors: [{ ...processor, onEnd: boom }] });
  diag.setLogger({ ...quiet, error });
  recording().startAgent(start)?.end({ status: 'completed' });
  expect(error).toHaveBeenCalledWith(
    'rondo: telemetry failed, the run goes on',
    expect.objectContaining({ message: 'telemetry is broken' }),
  );
  diag.disable();
  diag.setLogger({ ...quiet, error: boom });
  expect(run()).toEqual(UNDISTURBED);
});

test('a provider that was shut down disturbs no run', async () => {
  const { provider } = registerSpans();
  await provider.shutdown();
  const measured = registerMetrics();
  await measured.provider.shutdown();
  expect(run()).toEqual(UNDISTURBED);
  const other = new BasicTracerProvider();
  await other.shutdown();
  expect(run({ tracer: other.getTracer('x') })).toEqual(UNDISTURBED);
});
