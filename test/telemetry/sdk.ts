import { context, metrics, type TracerProvider, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { AggregationTemporality, InMemoryMetricExporter, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import {
  InMemorySpanExporter,
  NodeTracerProvider,
  type ReadableSpan,
  type Sampler,
  SimpleSpanProcessor,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace-node';

/** A real SDK that keeps what it exports, registered globally. */
export function registerSpans(o: { sampler?: Sampler; processors?: SpanProcessor[] } = {}) {
  const exporter = new InMemorySpanExporter();
  const provider = new NodeTracerProvider({
    ...(o.sampler ? { sampler: o.sampler } : {}),
    spanProcessors: [...(o.processors ?? []), new SimpleSpanProcessor(exporter)],
  });
  registerContext();
  trace.setGlobalTracerProvider(provider as TracerProvider);
  return {
    exporter,
    provider,
    spans: () => exporter.getFinishedSpans(),
    named: (name: string): ReadableSpan => {
      const found = exporter.getFinishedSpans().filter((span) => span.name === name);
      if (found.length !== 1 || !found[0]) throw new Error(`${found.length} spans named ${name}`);
      return found[0];
    },
  };
}

export function registerContext() {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
}

export function meterProvider() {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
  const provider = new MeterProvider({ readers: [reader] });
  return {
    provider,
    /** Data points by metric name. */
    collect: async () => {
      const { resourceMetrics, errors } = await reader.collect();
      if (errors.length) throw errors[0];
      const points = new Map<string, { attributes: Record<string, unknown>; value: unknown }[]>();
      for (const scope of resourceMetrics.scopeMetrics)
        for (const metric of scope.metrics)
          points.set(
            metric.descriptor.name,
            metric.dataPoints.map(({ attributes, value }) => ({ attributes, value })),
          );
      return points;
    },
  };
}

export function registerMetrics() {
  const made = meterProvider();
  metrics.setGlobalMeterProvider(made.provider);
  return made;
}

export function unregister() {
  trace.disable();
  metrics.disable();
  context.disable();
}

/** All that a span would send, as text. */
export const exported = (spans: readonly ReadableSpan[]): string =>
  JSON.stringify(spans.map(({ name, attributes, events, links, status }) => ({ name, attributes, events, links, status })));

export const model = { provider: 'bedrock', id: 'anthropic.claude-sonnet-5' };
export const start = { agent: 'support', runId: 'run-1', session: 'ana', epoch: 1 };
