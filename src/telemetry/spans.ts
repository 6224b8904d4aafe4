import { type Attributes, type Context, context, isSpanContextValid, SpanKind, trace } from '@opentelemetry/api';
import { AgentRecorder } from './agent.ts';
import { modelAttributes } from './calls.ts';
import { clip } from './content.ts';
import { quietly } from './guard.ts';
import { type Instruments, instrumentSource } from './metrics.ts';
import { ATTR, OPERATION, SCOPE } from './names.ts';
import { within } from './recorder.ts';
import type { Recording, TelemetryOptions } from './telemetry.ts';
import type { AgentStart, AgentTrace, BreakerTarget, ChatTrace, ToolTrace } from './trace.ts';
import { formatTraceparent, parseTraceparent } from './traceparent.ts';

/** Loads `@opentelemetry/api` with this file: see telemetry.ts. */
export function recording(options: TelemetryOptions = {}): Recording {
  const instruments = instrumentSource(options.meter);
  return {
    startAgent: (o) => quietly(() => open(options, instruments(), o)),
    decided(o, decisions) {
      const decision = quietly(() => open(options, undefined, o, undefined, OPERATION.decide));
      if (!decision) return;
      for (const one of decisions) decision.approvalDecided(one);
      decision.end({ status: 'paused' });
    },
    evaluated(o, score, at) {
      const evaluation = quietly(() => open(options, undefined, { ...o, at }, undefined, OPERATION.evaluate));
      evaluation?.evaluated(score);
      evaluation?.end({ status: 'completed' }, score.usd === undefined ? {} : { usd: score.usd });
    },
    breakerOpened(target) {
      quietly(() => instruments()?.breakerOpens.add(1, guarded(target)));
    },
  };
}

function guarded(target: BreakerTarget): Attributes {
  if ('tool' in target) return { [ATTR.target]: 'tool', [ATTR.tool]: target.tool };
  if ('node' in target) return { [ATTR.target]: 'node', [ATTR.node]: target.node };
  return { [ATTR.target]: 'model', ...modelAttributes(target.model) };
}

function open(
  options: TelemetryOptions,
  instruments: Instruments | undefined,
  o: AgentStart,
  under?: Context,
  operation: string = OPERATION.agent,
): AgentTrace | undefined {
  const content = options.content === true;
  const start = o.at ?? Date.now();
  const common: Attributes = { [ATTR.agent]: o.agent, [ATTR.run]: o.runId, [ATTR.conversation]: o.session, [ATTR.session]: o.session };
  const base = under ?? context.active();
  const first = parseTraceparent(o.parent);
  const parent = first ? trace.setSpanContext(base, first) : base;
  const before = parseTraceparent(o.link);
  // read at each claim, because a provider may have been registered or replaced since the last one
  const tracer = options.tracer ?? quietly(() => trace.getTracer(SCOPE));
  const span = quietly(() =>
    tracer?.startSpan(
      `${operation} ${o.agent}`,
      {
        kind: SpanKind.INTERNAL,
        startTime: start,
        attributes: {
          ...common,
          [ATTR.operation]: operation,
          [ATTR.agentDescription]: o.description && clip(o.description),
          [ATTR.epoch]: o.epoch,
          [ATTR.user]: content ? o.by?.id : undefined,
        },
        links: before ? [{ context: before }] : [],
      },
      parent,
    ),
  );
  const spanContext = quietly(() => span?.spanContext());
  // an unsampled span is active too, so that nothing called within it is sampled
  const traced = span && spanContext && isSpanContextValid(spanContext);
  const active = traced ? trace.setSpan(parent, span) : undefined;
  const traceparent = traced ? formatTraceparent(spanContext) : undefined;
  const recording = traced && quietly(() => span.isRecording()) === true;
  if (!recording && !instruments) return active ? passive(active, traceparent) : undefined;
  const { runId, session, by } = o;
  return new AgentRecorder({
    tracer,
    span: recording ? span : undefined,
    context: active,
    traceparent,
    instruments,
    common,
    agent: o.agent,
    content,
    start,
    // a sub-agent's span is a child of this one, even if another span is active when it starts
    below: ({ agent, description }, at) =>
      open(
        options,
        instruments,
        {
          agent,
          description,
          runId,
          session,
          by,
          at,
        },
        active,
      ),
  });
}

const nothing = () => {};

/** For a trace that is not sampled: propagates its context and records nothing. */
function passive(active: Context, traceparent: string | undefined): AgentTrace {
  const run = <T>(fn: () => T) => within(active, fn);
  const call: ChatTrace & ToolTrace = { traceparent, run, answered: nothing, failedAttempt: nothing, end: nothing };
  const agent: AgentTrace = {
    traceparent,
    run,
    chat: () => call,
    tool: () => call,
    node: () => call,
    agent: () => agent,
    approvalRequested: nothing,
    waitBegan: nothing,
    contextCompacted: nothing,
    guardrailRuled: nothing,
    approvalDecided: nothing,
    evaluated: nothing,
    end: nothing,
  };
  return agent;
}
