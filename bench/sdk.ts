/** A real OpenTelemetry SDK, registered only while a sample runs, whose exporter discards all spans. */
import { context, metrics, type TracerProvider, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { AggregationTemporality, InMemoryMetricExporter, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import type { Contender } from './harness.ts';

/** A reader that never reads by itself. */
const NEVER = 3_600_000;

export class Sdk {
  #exported = 0;
  // as in production, except for the queue: the default drops the spans of a loop that never waits, and would measure less
  readonly #processor = new BatchSpanProcessor(
    {
      export: (spans, done) => {
        this.#exported += spans.length;
        done({ code: 0 });
      },
      shutdown: async () => undefined,
    },
    { maxQueueSize: 1_000_000 },
  );
  readonly #tracers = new NodeTracerProvider({ spanProcessors: [this.#processor] });
  readonly #meters = new MeterProvider({
    readers: [
      new PeriodicExportingMetricReader({
        exporter: new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE),
        exportIntervalMillis: NEVER,
      }),
    ],
  });

  /** The same contender with this SDK registered. @param o.spans how many one sample makes, its preparation included. */
  during(o: { metrics: boolean; spans: number }, contender: Contender): Contender {
    return {
      ...contender,
      prepare: async () => {
        this.#register(o.metrics);
        this.#exported = 0;
        const sample = await contender.prepare();
        return {
          ...sample,
          finish: async () => {
            this.#unregister();
            await sample.finish?.();
            await this.#processor.forceFlush();
            if (this.#exported !== o.spans) throw new Error(`${contender.name}: ${this.#exported} spans were exported, not ${o.spans}`);
          },
        };
      },
    };
  }

  async shutdown(): Promise<void> {
    await this.#tracers.shutdown();
    await this.#meters.shutdown();
  }

  #register(withMetrics: boolean): void {
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    trace.setGlobalTracerProvider(this.#tracers as TracerProvider);
    if (withMetrics) metrics.setGlobalMeterProvider(this.#meters);
  }

  #unregister(): void {
    trace.disable();
    metrics.disable();
    context.disable();
  }
}
