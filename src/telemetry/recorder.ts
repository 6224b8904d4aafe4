import {
  type Attributes,
  type Context,
  context,
  ROOT_CONTEXT,
  type Span,
  type SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import { quietly, swallowed } from './guard.ts';
import type { Instruments } from './metrics.ts';
import { ATTR, errorType } from './names.ts';
import type { AgentTrace } from './trace.ts';
import { formatTraceparent } from './traceparent.ts';

/** An error to record. The message is exported only if content capture is on. */
export interface Failed {
  code: string;
  message?: string;
}

/** What all spans of one claim share. */
export interface Claim {
  readonly tracer: Tracer | undefined;
  /** Undefined if only metrics are recorded. */
  readonly span: Span | undefined;
  readonly context: Context | undefined;
  readonly traceparent: string | undefined;
  readonly instruments: Instruments | undefined;
  /** Attributes of every span: agent, run, session. */
  readonly common: Attributes;
  readonly agent: string;
  readonly content: boolean;
  /** Epoch milliseconds. */
  readonly start: number;
  /** Opens the span of a sub-agent. */
  below(o: { agent: string; description?: string }, at?: number): AgentTrace | undefined;
}

/** Runs `fn` in a context, exactly once, even if the context manager throws before or after it. */
export function within<T>(active: Context, fn: () => T): T {
  let entered = false;
  let outcome: { result: T } | undefined;
  try {
    return context.with(active, () => {
      entered = true;
      const result = fn();
      outcome = { result };
      return result;
    });
  } catch (error) {
    if (entered && !outcome) throw error;
    swallowed(error);
    return outcome ? outcome.result : fn();
  }
}

/** A started span. Without tracing it only measures the duration for metrics. */
export class Recorder {
  protected readonly claim: Claim;
  protected readonly span: Span | undefined;
  protected readonly context: Context | undefined;
  readonly #start: number;
  readonly #started = performance.now();
  #ended = false;

  constructor(claim: Claim, span: Span | undefined, active: Context | undefined, start: number) {
    this.claim = claim;
    this.span = span;
    this.context = active;
    this.#start = start;
  }

  get traceparent(): string | undefined {
    const { span } = this;
    return span ? quietly(() => formatTraceparent(span.spanContext())) : this.claim.traceparent;
  }

  run<T>(fn: () => T): T {
    return this.context ? within(this.context, fn) : fn();
  }

  protected event(name: string, attributes: Attributes, at: number | undefined): void {
    const { span } = this;
    if (span && !this.#ended) quietly(() => span.addEvent(name, attributes, this.#time(at)));
  }

  /**
   * Ends the span. A second call does nothing.
   * @returns its duration in seconds; undefined for a second call.
   */
  protected close(
    attributes: Attributes,
    o: { error?: Failed; ok?: boolean; content?: () => Attributes; at?: number },
  ): number | undefined {
    if (this.#ended) return undefined;
    this.#ended = true;
    const end = Math.max(this.#start, this.#time(o.at));
    const { span } = this;
    if (span) {
      quietly(() => span.setAttributes(attributes));
      const { content, error } = o;
      if (content && this.claim.content) quietly(() => span.setAttributes(content()));
      if (error) quietly(() => this.#fail(span, error));
      else if (o.ok) quietly(() => span.setStatus({ code: SpanStatusCode.OK }));
      quietly(() => span.end(end));
    }
    return (end - this.#start) / 1000;
  }

  #fail(span: Span, { code, message }: Failed): void {
    const shown = this.claim.content ? message : undefined;
    span.setAttribute(ATTR.errorType, errorType(code));
    if (shown) span.setAttribute(ATTR.errorMessage, shown);
    span.setStatus(shown ? { code: SpanStatusCode.ERROR, message: shown } : { code: SpanStatusCode.ERROR });
  }

  #time(at: number | undefined): number {
    return at ?? this.#start + (performance.now() - this.#started);
  }
}

/** Starts a child of the claim's span; undefined if spans are not recorded. */
export function startChild(claim: Claim, name: string, kind: SpanKind, attributes: Attributes, start: number): Span | undefined {
  if (!claim.span) return undefined;
  return quietly(() =>
    claim.tracer?.startSpan(name, { kind, startTime: start, attributes: { ...claim.common, ...attributes } }, claim.context),
  );
}

export const activeWith = (claim: Claim, span: Span | undefined): Context | undefined =>
  span ? trace.setSpan(claim.context ?? ROOT_CONTEXT, span) : claim.context;
