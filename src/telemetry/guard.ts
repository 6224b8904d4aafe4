import { diag } from '@opentelemetry/api';

/**
 * Runs a piece of telemetry. Whatever an SDK, exporter, processor or sampler throws ends here, in OpenTelemetry's own
 * diagnostics, and never in a run.
 */
export function quietly<T>(fn: () => T): T | undefined {
  try {
    return fn();
  } catch (error) {
    swallowed(error);
    return undefined;
  }
}

export function swallowed(error: unknown): void {
  try {
    diag.error('rondo: telemetry failed, the run goes on', error);
  } catch {
    // a logger that throws has no one left to tell
  }
}
