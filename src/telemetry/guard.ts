import { diag } from '@opentelemetry/api';

/**
 * Runs telemetry code. An error of an SDK, exporter, processor or sampler goes to OpenTelemetry's diagnostics. It never reaches the
 * run.
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
    // the diagnostics logger threw: there is nowhere left to report to
  }
}
