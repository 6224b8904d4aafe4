/**
 * What an engine knows of telemetry. What records is loaded when an OpenTelemetry SDK is there, because loading `@opentelemetry/api` made
 * importing the core a third longer.
 */
import type { Meter, Tracer } from '@opentelemetry/api';
import type { AgentStart, AgentTrace, BreakerTarget } from './trace.ts';

export interface TelemetryOptions {
  /**
   * Whether spans hold prompts, answers, arguments, results, error messages and the caller's id, cut to a bounded length.
   * Default false.
   */
  content?: boolean;
  /** Default: a tracer of the global TracerProvider, which may be registered at any time. */
  tracer?: Tracer;
  /** Default: a meter of the global MeterProvider, which may be registered at any time. */
  meter?: Meter;
}

/** What records spans and metrics. Nothing here throws. */
export interface Recording {
  /** Opens the span of one claim. @returns undefined if nothing is recorded until the next claim. */
  startAgent(o: AgentStart): AgentTrace | undefined;
  /** Records decisions that came while no process drove the run: one span with an event per decision. Call it after they are committed. */
  decided(o: AgentStart, decisions: readonly Parameters<AgentTrace['approvalDecided']>[0][]): void;
  /** Records a grader's score of a run that has ended: one span with an event. @param at when the grader began, epoch milliseconds. */
  evaluated(o: AgentStart, score: Parameters<AgentTrace['evaluated']>[0], at: number): void;
  /** Counts a circuit breaker that opened. */
  breakerOpened(target: BreakerTarget): void;
}

/** Where every copy of the API in a process keeps what was registered. Its name holds the major version of the API. */
const REGISTERED = Symbol.for('opentelemetry.js.api.1');

export class Telemetry {
  readonly #options: TelemetryOptions;
  #recording: Recording | undefined;
  #loading: Promise<Recording | undefined> | undefined;

  constructor(options: TelemetryOptions = {}) {
    this.#options = options;
  }

  /**
   * To be asked at each claim, because an SDK may be registered at any time.
   * @param traced an earlier claim was in a trace, which is handed on without an SDK too.
   * @returns undefined while nothing would be recorded or handed on.
   */
  recording(traced = false): Recording | undefined | Promise<Recording | undefined> {
    if (this.#recording) return this.#recording;
    const { tracer, meter } = this.#options;
    if (!traced && !tracer && !meter && !(REGISTERED in globalThis)) return undefined;
    this.#loading ??= this.#load();
    return this.#loading;
  }

  async #load(): Promise<Recording | undefined> {
    try {
      const { recording } = await import('./spans.ts');
      this.#recording = recording(this.#options);
    } catch (error) {
      process.emitWarning(`telemetry could not be loaded, so nothing is recorded: ${(error as Error).message}`, 'RondoWarning');
    }
    return this.#recording;
  }

  /** Counts a circuit breaker that opened, in a run whose claim has asked for the recording. */
  breakerOpened(target: BreakerTarget): void {
    this.#recording?.breakerOpened(target);
  }
}
