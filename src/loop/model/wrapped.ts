/**
 * Runs a model call inside its wrappers, which may ask several times, answer by themselves, and end while a call of theirs still runs.
 *
 * I1. Every call is checked against the limits, with what those before it cost or may cost.
 * I2. When the wrappers have ended, no call of theirs runs, and each one that ran is charged: as the answer that they gave, or as lost. Where
 *     the run is lost, the claim of its next owner has charged the call.
 */
import type { ModelRequest, ModelResponse } from '../../ports/model.ts';
import type { CancelSource } from '../../reliability/cancel.ts';
import { messageOf } from '../../reliability/classify.ts';
import { Halted, unlessHalted } from '../../reliability/patience.ts';
import { crossing } from '../budget.ts';
import type { LoopScope } from '../types.ts';
import { type Answered, type Asking, answerOf, chargeUnused, costOfAnswer, type Thought } from './answer.ts';
import { type Estimate, modelKey } from './estimate.ts';
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
const CANCELLED = { code: 'CANCELLED', message: 'the run was halted before a wrapper took this answer' };

/** How the model is asked for a wrapper. */
export interface WrappedCall {
  asking: Asking;
  /** The wrapper awaited something before. Another process may have claimed the run meanwhile. */
  waited: boolean;
  /** Cancelled when the run is halted, and when the wrappers have ended. */
  cancel: CancelSource;
}

type Ask = (r: ModelRequest, call: WrappedCall) => Promise<Thought>;

/** The calls of one step. */
class Calls {
  /** The newest answer. The usage is its, even if a wrapper changes the answer. */
  last: Answered | undefined;
  readonly #scope: LoopScope;
  readonly #asking: Asking;
  readonly #ask: Ask;
  readonly #halting: ReturnType<LoopScope['linkedCancel']>;
  readonly #running = new Set<Promise<unknown>>();
  /** Answers that are not in the journal. */
  readonly #open = new Set<Answered>();
  #asked = 0;
  #active = 0;

  constructor(scope: LoopScope, asking: Asking, ask: Ask) {
    this.#scope = scope;
    this.#asking = { ...asking, needed: () => this.#needed() };
    this.#ask = ask;
    this.#halting = scope.linkedCancel();
  }

  next(r: ModelRequest, wrapping: Wrapping): Promise<ModelResponse> {
    const answer = wrapping.inside(() => this.#next(r, wrapping.waited));
    this.#running.add(answer);
    const done = () => this.#running.delete(answer);
    answer.then(done, done);
    return answer;
  }

  async #next(r: ModelRequest, waited: boolean): Promise<ModelResponse> {
    const { cancel } = this.#halting;
    this.#active++;
    try {
      // the first call was checked before the step
      const crossed = this.#asked++ > 0 && crossing(this.#scope, 1, () => this.#needed(), this.#scope.parent ? 0 : 1);
      if (crossed) throw new NoAnswer({ ok: false, ...crossed });
      const thought = await this.#ask(r, { asking: this.#asking, waited, cancel });
      if (!thought.ok) throw new NoAnswer(thought);
      const before = this.last;
      this.last = thought;
      this.#open.add(thought);
      if (before) await this.#charge(before, SUPERSEDED);
      return thought.response;
    } finally {
      this.#active--;
    }
  }

  /** Of a sub-agent, one call is reserved. */
  #needed(): Estimate {
    const each = this.#asking.bound();
    const calls = this.#active - (this.#scope.parent ? 1 : 0);
    let tokens = calls * each.tokens;
    let usd = each.usd === undefined ? undefined : calls * each.usd;
    for (const answer of this.#open) {
      const cost = costOfAnswer(this.#scope, this.#asking, answer);
      tokens += cost.tokens;
      usd = usd === undefined || cost.usd === undefined ? undefined : usd + cost.usd;
    }
    return { tokens, usd };
  }

  async #charge(answer: Answered, why: typeof SUPERSEDED): Promise<void> {
    await chargeUnused(this.#scope, this.#asking, answer, why);
    this.#open.delete(answer);
  }

  /** Ends the calls that still run: each is charged as one that was cancelled. @throws an error of the journal. */
  async end(): Promise<void> {
    const running = [...this.#running];
    if (running.length > 0) this.#halting.cancel.cancel(new DOMException('The wrappers of this call have ended', 'AbortError'));
    this.#halting.unlink();
    for (const end of await Promise.allSettled(running))
      if (end.status === 'rejected' && !(end.reason instanceof NoAnswer) && this.#scope.halt?.why !== 'lost') throw end.reason;
  }

  /** Charges the answers that are not taken. */
  async chargeOpen(why: typeof SUPERSEDED): Promise<void> {
    if (this.#scope.halt?.why === 'lost') return;
    for (const answer of [...this.#open]) await this.#charge(answer, why);
  }
}

/** Runs a model call inside its wrappers. A wrapper may call `next` several times: each call is checked against the limits and charged. */
export async function wrapped(scope: LoopScope, request: ModelRequest, asking: Asking, ask: Ask): Promise<Thought> {
  const started = Date.now();
  const wrapping = new Wrapping('a use.model wrapper', scope.plan.model);
  const calls = new Calls(scope, asking, ask);
  const info = { ...infoOf(scope, scope.frame.step + 1), ...(asking.of === 'summary' && { summary: true as const }) };
  let call = (r: ModelRequest) => calls.next(r, wrapping);
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
  let response: ModelResponse;
  try {
    const answering = call(request);
    wrapping.waited = true;
    const answer = await unlessHalted(Promise.race([answering, wrapping.late]), scope.cancel);
    response = answerOf(answer, modelKey(asking.model));
  } catch (error) {
    wrapping.end();
    await calls.end();
    await calls.chargeOpen(scope.halt ? CANCELLED : SUPERSEDED);
    if (error instanceof Halted) throw error;
    if (error instanceof NoAnswer) return error.thought;
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
  }
  wrapping.end();
  await calls.end();
  const { last } = calls;
  return {
    ok: true,
    response: { ...response, usage: last ? last.response.usage : response.usage },
    model: last?.model ?? asking.model,
    attempts: last?.attempts ?? 0,
    ms: Date.now() - started,
  };
}
