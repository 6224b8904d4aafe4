import { type Counter, createNoopMeter, type Histogram, type Meter, type MeterProvider, metrics } from '@opentelemetry/api';
import { swallowed } from './guard.ts';
import { METRIC, SCOPE } from './names.ts';

export interface Instruments {
  operation: Histogram;
  tokens: Histogram;
  agent: Histogram;
  tool: Histogram;
  cost: Counter;
  retries: Counter;
  breakerOpens: Counter;
}

// the histogram buckets that the conventions recommend, in seconds and tokens
const CALL = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
const AGENT = [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 102.4, 204.8, 409.6];
const TOKENS = [1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864];

/**
 * A function that returns the instruments, or undefined if metrics are off. OpenTelemetry has no proxy meters: an instrument created
 * before a MeterProvider is registered never records. So each call checks whether the provider has changed.
 */
export function instrumentSource(meter?: Meter): () => Instruments | undefined {
  if (meter) {
    const fixed = create(meter);
    return () => fixed;
  }
  const noop = createNoopMeter();
  let seen: MeterProvider | undefined;
  let instruments: Instruments | undefined;
  return () => {
    try {
      const provider = metrics.getMeterProvider();
      if (provider !== seen) {
        seen = provider;
        const current = provider.getMeter(SCOPE);
        instruments = current === noop ? undefined : create(current);
      }
      return instruments;
    } catch (error) {
      instruments = undefined;
      swallowed(error);
      return undefined;
    }
  };
}

function create(meter: Meter): Instruments | undefined {
  const seconds = (name: string, description: string, explicitBucketBoundaries: number[]) =>
    meter.createHistogram(name, { unit: 's', description, advice: { explicitBucketBoundaries } });
  try {
    return {
      operation: seconds(METRIC.operationDuration, 'Duration of a model call, retries and fallbacks included.', CALL),
      tool: seconds(METRIC.toolDuration, 'Duration of a tool call, retries included.', CALL),
      agent: seconds(METRIC.agentDuration, 'Duration of one claim of a run.', AGENT),
      tokens: meter.createHistogram(METRIC.tokenUsage, {
        unit: '{token}',
        description: 'Tokens of a model call.',
        advice: { explicitBucketBoundaries: TOKENS },
      }),
      cost: meter.createCounter(METRIC.costUsd, { unit: '{USD}', description: 'Cost of model and tool calls, where it is known.' }),
      retries: meter.createCounter(METRIC.retries, { unit: '{retry}', description: 'Failed attempts that another one followed.' }),
      breakerOpens: meter.createCounter(METRIC.breakerOpens, { unit: '{open}', description: 'Circuit breakers that opened.' }),
    };
  } catch (error) {
    swallowed(error);
    return undefined;
  }
}
