/**
 * Takes the times of runs: around each model and tool call by wrappers, and of everything else when its event comes, which is after its
 * commit. Everything that is not a time is in the journal.
 */
import type { RunEvent } from '../engine/read/run-event.ts';
import type { CallId } from '../journal/entries/entries.ts';
import type { Middleware } from '../loop/middleware.ts';
import type { Asking } from '../testing/prefix-share.ts';
import { total } from './numbers.ts';
import type { RecordedCalls } from './recorded/calls.ts';
import type { Span } from './spans.ts';

/** Names a step in a run. */
export const stepKey = (frame: CallId | undefined, step: number) => `${frame ?? ''}:${step}`;

/** The times of one run, by `performance.now()`. */
export class Clock {
  readonly started = performance.now();
  ended = 0;
  /** Model calls, by `stepKey`: from the first to the last, if a wrapper asks several times. */
  readonly models = new Map<string, [start: number, end: number]>();
  /** What the models were asked. */
  readonly asked: Asking[] = [];
  /** Tool calls, by id: those of a run that was resumed may have run several times. */
  readonly tools = new Map<CallId, Span[]>();
  /** When the end of a call was in the journal, and how long it says that it took. */
  readonly finished = new Map<CallId, { at: number; ms: number }>();
  /** When a sub-agent began, by the call that it answers. */
  readonly frames = new Map<CallId, number>();
  /** The first piece of an answer, by `stepKey`. */
  readonly first = new Map<string, number>();
  /** When the run waited for people. */
  readonly pauses: Span[] = [];
  /** US dollars of the checks of guardrails; null if one is unknown. */
  guardrailsUsd: number | null = 0;
  /** Of a run from a recording: what answers its calls, so that no tool is executed. */
  readonly recorded: RecordedCalls | undefined;

  constructor(recorded?: RecordedCalls) {
    this.recorded = recorded;
  }
}

/** The options that a measured engine needs. */
export class Meter {
  readonly #clocks = new Map<string, Clock>();

  start(runId: string, recorded?: RecordedCalls): Clock {
    const clock = new Clock(recorded);
    this.#clocks.set(runId, clock);
    return clock;
  }

  end(runId: string): void {
    this.#clocks.delete(runId);
  }

  readonly wrapper: Middleware = {
    model: async (request, next, { runId, frame, step }) => {
      const { models, asked } = this.#clocks.get(runId) ?? {};
      const key = stepKey(frame, step);
      // the list of messages grows
      const asking = { request: { ...request, messages: [...request.messages] }, conversation: frame ?? '' };
      const start = performance.now();
      try {
        const answer = await next(request);
        asked?.push({ ...asking, usage: answer.usage });
        return answer;
      } finally {
        models?.set(key, [models.get(key)?.[0] ?? start, performance.now()]);
      }
    },
    tool: async ({ name, input }, next, { runId, callId, builtIn }) => {
      const { tools, recorded } = this.#clocks.get(runId) ?? {};
      const start = performance.now();
      try {
        return recorded && !builtIn ? recorded.answer(name, input) : await next();
      } finally {
        tools?.set(callId, [...(tools.get(callId) ?? []), [start, performance.now()]]);
      }
    },
  };

  readonly onEvent = (event: RunEvent): void => {
    const clock = this.#clocks.get(event.runId);
    if (!clock) return;
    if ('verdicts' in event)
      for (const { usd = 0, unpriced } of event.verdicts ?? []) clock.guardrailsUsd = total([clock.guardrailsUsd, unpriced ? null : usd]);
    switch (event.type) {
      case 'text.delta':
      case 'reasoning.delta':
      case 'tool.delta': {
        // the step of a delta is that of the answer that it belongs to
        const key = stepKey(event.frame, event.step);
        if (!clock.first.has(key)) clock.first.set(key, performance.now());
        break;
      }
      case 'tool.finished':
      case 'node.finished':
      case 'durable.finished':
      case 'turn.finished':
        clock.finished.set(event.callId, { at: performance.now(), ms: event.ms });
        break;
      case 'agent.started':
        clock.frames.set(event.callId, performance.now());
        break;
      default:
    }
  };
}
