import type { ModelRequest, ModelResponse } from '../../ports/model.ts';
import { messageOf } from '../../reliability/classify.ts';
import { Halted, unlessHalted } from '../../reliability/patience.ts';
import { crossing } from '../budget.ts';
import type { LoopScope } from '../types.ts';
import { type Answered, type Asking, answerOf, chargeUnused, type Thought } from './answer.ts';
import { modelKey } from './estimate.ts';
import { infoOf, Wrapping } from './wrapping.ts';

/** Carries a result without an answer through the wrappers, which know only answers and errors. */
class NoAnswer extends Error {
  readonly thought: Exclude<Thought, { ok: true }>;
  constructor(thought: Exclude<Thought, { ok: true }>) {
    super('error' in thought ? `${thought.error.code}: ${thought.error.message}` : 'a further call would cross a limit');
    this.thought = thought;
  }
}

const SUPERSEDED = { code: 'SUPERSEDED', message: 'a wrapper did not take this answer' };

/** Runs a model call inside its wrappers. A wrapper may call `next` several times: each call is checked against the limits and charged. */
export async function wrapped(
  scope: LoopScope,
  request: ModelRequest,
  asking: Asking,
  ask: (r: ModelRequest, waited: boolean) => Promise<Thought>,
): Promise<Thought> {
  const started = Date.now();
  const answers: Answered[] = [];
  let asked = 0;
  const wrapping = new Wrapping('a use.model wrapper', scope.plan.model);
  const asks = async (r: ModelRequest): Promise<ModelResponse> => {
    // the first call was checked before the step; each call that still runs counts at its upper bound too
    const crossed = asked++ === 0 ? undefined : crossing(scope, asked - answers.length - (scope.parent ? 1 : 0), asking.bound);
    if (crossed) throw new NoAnswer({ ok: false, ...crossed });
    const thought = await ask(r, wrapping.waited);
    if (!thought.ok) throw new NoAnswer(thought);
    answers.push(thought);
    if (answers.length > 1) await chargeUnused(scope, asking, answers.at(-2) as Answered, SUPERSEDED);
    return thought.response;
  };
  const info = { ...infoOf(scope, scope.frame.step + 1), ...(asking.of === 'summary' && { summary: true as const }) };
  let call = (r: ModelRequest) => wrapping.inside(() => asks(r));
  for (const wrap of scope.plan.modelWrappers.toReversed()) {
    const inside = call;
    // if the wrapper does not await it, its failure must not become an unhandled rejection
    const next = (r: ModelRequest) => {
      const answer = inside(r);
      answer.catch(() => undefined);
      return answer;
    };
    call = async (r) => wrap(r, next, info);
  }
  try {
    const answering = call(request);
    wrapping.waited = true;
    const answer = await unlessHalted(Promise.race([answering, wrapping.late]), scope.cancel);
    const response = answerOf(answer, modelKey(asking.model));
    const last = answers.at(-1);
    // the usage is that of the call, even if a wrapper changes the answer
    const usage = last ? last.response.usage : response.usage;
    return {
      ok: true,
      response: { ...response, usage },
      model: last?.model ?? asking.model,
      attempts: last?.attempts ?? 0,
      ms: Date.now() - started,
    };
  } catch (error) {
    if (error instanceof Halted) throw error;
    if (error instanceof NoAnswer) return error.thought;
    const last = answers.at(-1);
    if (last) await chargeUnused(scope, asking, last, SUPERSEDED);
    return {
      ok: false,
      error: {
        code: 'MIDDLEWARE_FAILED',
        message: messageOf(error, scope.secrets.mask),
        retryable: false,
        attempts: 0,
        outcome: 'failed',
      },
    };
  } finally {
    wrapping.end();
  }
}
