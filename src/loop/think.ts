import type { Crossed } from '../journal/entries.ts';
import { type Failure, ToolError } from '../errors.ts';
import type { Model, ModelDelta, ModelRequest, ModelResponse } from '../ports/model.ts';
import { guard } from '../reliability/envelope.ts';
import { candidates, switches } from '../reliability/fallback.ts';
import type { AttemptContext } from '../reliability/timeout.ts';
import type { ChatTrace } from '../telemetry/trace.ts';
import { crossing, modelKey, reservation } from './limits.ts';
import type { ModelWrapper } from './plan.ts';
import type { Scope } from './scope.ts';

/** Failures after which the provider may have worked, and charged, all the same. */
const BILLED: ReadonlySet<string> = new Set(['TIMEOUT', 'STREAM_BROKEN', 'NETWORK']);

export type Thought =
  | { ok: true; response: ModelResponse; model: Model; attempts: number; ms: number }
  | { ok: false; crossed: Crossed }
  | { ok: false; error: Failure };

/** Think: asks the model, each candidate under its own envelope. Every failed attempt and every switch is in the journal. */
export function think(scope: Scope, request: ModelRequest, span: ChatTrace): Promise<Thought> {
  const { modelWrappers } = scope.plan;
  if (modelWrappers.length === 0) return askInTurn(scope, request, span);
  return wrapped(modelWrappers, request, (r) => askInTurn(scope, r, span), scope.agent.model);
}

/** Carries a thought that is no answer through the wrappers, which know only answers and errors. */
class NoAnswer extends Error {
  readonly thought: Thought;
  constructor(thought: Thought) {
    super('no answer');
    this.thought = thought;
  }
}

async function wrapped(wrappers: readonly ModelWrapper[], request: ModelRequest, ask: (r: ModelRequest) => Promise<Thought>, asked: Model): Promise<Thought> {
  const started = Date.now();
  let inner: Thought | undefined;
  let call = async (r: ModelRequest): Promise<ModelResponse> => {
    inner = await ask(r);
    if (!inner.ok) throw new NoAnswer(inner);
    return inner.response;
  };
  for (const wrap of [...wrappers].reverse()) {
    const next = call;
    call = (r) => wrap(r, next);
  }
  try {
    const response = await call(request);
    const { model = asked, attempts = 0 } = inner?.ok ? inner : {};
    return { ok: true, response, model, attempts, ms: Date.now() - started };
  } catch (error) {
    if (error instanceof NoAnswer) return error.thought;
    return { ok: false, error: { code: 'MIDDLEWARE_FAILED', message: String((error as Error)?.message ?? error), retryable: false, attempts: 0, outcome: 'failed' } };
  }
}

async function askInTurn(scope: Scope, request: ModelRequest, span: ChatTrace): Promise<Thought> {
  const { agent, run, log, host } = scope;
  const started = Date.now();
  const models = candidates(agent.model);
  const step = run.root.step + 1;
  const policy = scope.plan.model;
  let before = 0;
  for (let i = 0; ; i++) {
    const model = models[i] as Model;
    const result = await guard((attempt) => once(scope, model, request, attempt, before, step), {
      policy,
      circuit: host.breakers.of(model, modelKey(model), policy.breaker),
      cancel: scope.cancel,
      fallbackCode: 'MODEL_FAILED',
      onAttemptFailed: (failed) => {
        if (failed.code === 'LIMIT_REACHED') return;
        const draft = { type: 'attempt.failed', of: 'model', step, model: modelKey(model), ...failed, attempt: before + failed.attempt } as const;
        span.failedAttempt(draft);
        return log.append(() => [BILLED.has(failed.code) ? { ...draft, lost: lost(scope) } : draft]);
      },
    });
    if (result.ok) return { ok: true, response: result.value, model, attempts: before + result.attempts, ms: Date.now() - started };
    before += result.error.attempts;
    const crossed = result.error.code === 'LIMIT_REACHED' ? crossing(scope) : undefined;
    if (crossed) return { ok: false, crossed };
    const next = models[i + 1];
    if (scope.halt || !next || !switches(agent.model, result.error)) return { ok: false, error: { ...result.error, attempts: before } };
    const { code, message } = result.error;
    const draft = { type: 'attempt.failed', of: 'model', step, attempt: before, code, message, model: modelKey(model), fallback: modelKey(next) } as const;
    span.failedAttempt(draft);
    await log.append(() => [draft]);
  }
}

async function once(scope: Scope, model: Model, request: ModelRequest, attempt: AttemptContext, before: number, step: number): Promise<ModelResponse> {
  // the first was checked before the step; each further one costs anew
  if (before + attempt.attempt > 1 && crossing(scope)) throw new ToolError('LIMIT_REACHED', 'a further attempt would cross a limit');
  const response = await model.generate(request, scope.emit ? new Streaming(attempt, scope, before + attempt.attempt, step) : attempt);
  if (!Array.isArray(response?.content))
    throw new ToolError('MODEL_FAILED', `the model adapter ${modelKey(model)} did not answer { content: [...], stop }.`);
  return response;
}

/** What a streaming call gets; its signal stays lazy. */
class Streaming {
  readonly #attempt: AttemptContext;
  readonly emit: (delta: ModelDelta) => void;
  constructor(attempt: AttemptContext, scope: Scope, number: number, step: number) {
    this.#attempt = attempt;
    this.emit = ({ type, text }) => scope.emit?.({ type: type === 'text' ? 'text.delta' : 'reasoning.delta', text, attempt: number }, step);
  }
  get signal() {
    return this.#attempt.signal;
  }
}

/** What a failed attempt may have been charged for: an upper bound, since nobody says. */
function lost(scope: Scope): { tokens: number; usd?: number } {
  const { tokens, usd } = reservation(scope);
  return { tokens, ...(usd !== undefined && { usd }) };
}
