import { loadSoon } from '../../json-schema.ts';
import type { Model, ModelRequest, ModelResponse } from '../../ports/model.ts';
import { type FailedAttempt, guard } from '../../reliability/envelope.ts';
import { saidByAll, switches } from '../../reliability/fallback.ts';
import type { AttemptContext } from '../../reliability/timeout.ts';
import type { ChatTrace } from '../../telemetry/trace.ts';
import { crossing } from '../budget.ts';
import type { Crossing, LoopScope } from '../types.ts';
import { type Asking, answerOf, type Thought } from './answer.ts';
import { estimate, modelKey } from './estimate.ts';
import { Streaming } from './streaming.ts';
import { type WrappedCall, wrapped } from './wrapped.ts';

/** Failures of a provider that refused the call, or broke down before an answer: it bills nothing. */
const FREE: ReadonlySet<string> = new Set([
  'THROTTLING',
  'QUOTA_EXCEEDED',
  'SERVICE_UNAVAILABLE',
  'INTERNAL_ERROR',
  'VALIDATION',
  'CONTEXT_TOO_LONG',
  'UNAUTHENTICATED',
  'ACCESS_DENIED',
  'NOT_FOUND',
  'CONFLICT',
  'TOO_EARLY',
  'TLS_FAILED',
]);

/** Think: calls the model, each candidate with its own timeouts, retries and breaker. Failed attempts and switches are journaled. */
export function think(
  scope: LoopScope,
  request: ModelRequest,
  span: ChatTrace | undefined,
  asking: Asking = nextStep(scope),
): Promise<Thought> {
  const { modelWrappers } = scope.plan;
  if (modelWrappers.length === 0) return askInTurn(scope, request, span, asking);
  return wrapped(scope, request, asking, (r, call) => askInTurn(scope, r, span, call.asking, call));
}

/** The next step of the agent: its conversation may have changed when it is estimated. */
export const nextStep = (scope: LoopScope): Asking => ({
  of: 'model',
  model: scope.agent.model,
  models: scope.plan.models,
  bound: () => estimate(scope),
});

/**
 * Asks the candidates in their order. Each failed attempt is an entry before the next one begins, with the bound of what it may have cost.
 * @returns the first answer; the last failure; or the limit that a further attempt would cross. Rejects if the journal does, or
 * if another process owns the run.
 */
async function askInTurn(
  scope: LoopScope,
  request: ModelRequest,
  span: ChatTrace | undefined,
  asking: Asking,
  { waited, cancel }: Pick<WrappedCall, 'waited' | 'cancel'> = { waited: false, cancel: scope.cancel },
): Promise<Thought> {
  const { host } = scope;
  const started = Date.now();
  const { models } = asking;
  const step = scope.frame.step + 1;
  const policy = scope.plan.model;
  let before = 0;
  const refused: { name: string; code: string; message: string }[] = [];
  try {
    for (let i = 0; ; i++) {
      const model = models[i] as Model;
      let told = 0;
      // attempts of which a part of the answer has arrived: whatever ended them, they are billed
      const heard: number[] = [];
      const failed = (f: FailedAttempt & { fallback?: string }, billed: boolean) => {
        told = f.attempt;
        const draft = { type: 'attempt.failed', of: asking.of, step, model: modelKey(model), ...f, attempt: before + f.attempt } as const;
        span?.failedAttempt(draft);
        return scope.append(() => [billed ? { ...draft, lost: lost(asking) } : draft]);
      };
      // checked before the call, because a process that lost the run could not journal the answer; outside the model's timeout
      if (waited && i === 0) await scope.drive.own(true);
      const result = await guard((attempt) => generate(scope, span, asking, model, request, attempt, before, heard), {
        policy,
        before: () => scope.drive.own(true),
        circuit: host.breakers.of(model, modelKey(model), policy.breaker, { model }),
        cancel,
        fallbackCode: 'MODEL_FAILED',
        mask: scope.secrets.mask,
        onAttemptFailed: async (f, outcome) => {
          await failed(f, heard.includes(f.attempt) || (outcome !== 'not-run' && !FREE.has(f.code)));
          // the first attempt was checked before the step; each retry may cost as much again
          if (f.retryIn !== undefined) affordable(scope, asking);
        },
      });
      if (result.ok) return { ok: true, response: result.value, model, attempts: before + result.attempts, ms: Date.now() - started };
      const { error } = result;
      // an attempt that was cut off; between two of them, the last one is told already
      // if the run is lost, the claim of its next owner has charged the interrupted call
      if (result.cancelled && error.attempts > told && scope.halt?.why !== 'lost')
        await failed({ attempt: error.attempts, code: error.code, message: error.message }, true);
      const next = models[i + 1];
      refused.push({ name: modelKey(model), code: error.code, message: error.message });
      if (result.cancelled || scope.halt || !next || shortens(scope, asking, error) || !switches(asking.model, error.code))
        return { ok: false, error: { ...error, message: saidByAll(refused), attempts: before + error.attempts } };
      // a switch repeats the failure of an attempt that was charged already
      await failed({ attempt: error.attempts, code: error.code, message: error.message, fallback: modelKey(next) }, false);
      affordable(scope, asking);
      before += error.attempts;
    }
  } catch (error) {
    if (error instanceof Unaffordable) return { ok: false, ...error.crossing };
    throw error;
  }
}

/** Whether the conversation is made smaller for the model that refused it, so that no other one is asked. */
const shortens = ({ plan }: LoopScope, { of }: Asking, { code }: { code: string }): boolean =>
  code === 'CONTEXT_TOO_LONG' && of === 'model' && plan.compact.length > 0;

/** Thrown if a retry would cross a limit. */
class Unaffordable extends Error {
  readonly crossing: Crossing;
  constructor(crossing: Crossing) {
    super('a further attempt would cross a limit');
    this.crossing = crossing;
  }
}

/** @throws Unaffordable if one more attempt, at the most that it can cost, would cross a limit of this scope or of one above. */
function affordable(scope: LoopScope, { bound, needed }: Asking): void {
  // for a sub-agent the call is reserved already
  const more = scope.parent ? 0 : 1;
  const crossed = needed ? crossing(scope, 1, needed, more) : crossing(scope, more, bound);
  if (crossed) throw new Unaffordable(crossed);
}

/** One attempt at one model. Streams where something listens. @throws what the provider threw, or ToolError for an answer that is malformed. */
async function generate(
  scope: LoopScope,
  span: ChatTrace | undefined,
  { of }: Asking,
  model: Model,
  request: ModelRequest,
  attempt: AttemptContext,
  before: number,
  heard: number[],
): Promise<ModelResponse> {
  const asking = scope.drive.own();
  if (asking) {
    await asking;
    attempt.signal.throwIfAborted();
  }
  if (scope.frame.step === 0) loadSoon(scope.tools.values());
  // a summary is not an answer, so listeners hear nothing of it
  if (!scope.drive.emit || of === 'summary') {
    const answer = answerOf(await model.generate(request, attempt), modelKey(model));
    if (span && answer.id !== undefined) span.answered(answer.id);
    return answer;
  }
  const streaming = new Streaming(attempt, scope, before + attempt.attempt, scope.frame.step + 1, scope.host.checks.output.held);
  try {
    const answer = answerOf(await model.generate(request, streaming), modelKey(model));
    span?.answered(answer.id, streaming.firstChunk);
    return answer;
  } finally {
    // one that was given up may end during a later one
    if (streaming.firstChunk !== undefined) heard.push(attempt.attempt);
    streaming.end();
  }
}

/** Upper bound on the cost of a failed attempt, because the provider does not report it. */
function lost({ bound }: Asking): { tokens: number; usd?: number } {
  const { tokens, usd } = bound();
  return { tokens, usd };
}
