/** The context that a node's function gets, with its durable steps. */
import { RondoError, ToolError } from '../errors.ts';
import { named } from '../hitl/intent.ts';
import type { Amount, Draft, Intent } from '../journal/entries/entries.ts';
import { amountProblem } from '../journal/fold/amounts.ts';
import type { Call } from '../journal/fold/fold.ts';
import { copyJson, type Json, plainJson } from '../json.ts';
import { appendWithRetry } from '../loop/append-with-retry.ts';
import { type Reservation, reserveAmount } from '../loop/budget.ts';
import { idempotencyKey, knownOf, perform } from '../loop/call/effects.ts';
import { claimed, type Instead } from '../loop/call/intent.ts';
import { endedLate } from '../loop/call/late.ts';
import { limitText } from '../loop/limits.ts';
import type { Crossing, Scope } from '../loop/types.ts';
import type { Effect } from '../ports/tool.ts';
import { messageOf } from '../reliability/classify.ts';
import { Halted } from '../reliability/patience.ts';
import type { AttemptContext } from '../reliability/timeout.ts';
import type { Node } from './definition.ts';
import type { NodeContext, StepContext, StepOptions } from './types.ts';

type StepFunction = (step: StepContext) => unknown;

const OPTIONS: ReadonlySet<string> = new Set([
  'effect',
  'timeout',
  'deadline',
  'retry',
  'breaker',
  'key',
  'amount',
] satisfies (keyof StepOptions)[]);

/** Most characters of JSON in the result of one durable step. */
const MAX_RESULT = 1024 * 1024;

/** The fields are getters, so that a field costs nothing unless the function reads it. */
export class Context implements NodeContext {
  readonly #scope: Scope;
  readonly #task: Call;
  readonly #node: Node;
  readonly item: Json | undefined;
  readonly #steps = new Set<string>();
  readonly #running = new Set<Promise<unknown>>();
  /** The function has ended. Steps that still run append nothing. */
  #over = false;
  /** The first limit that a step would have crossed. The function may have caught its error, so it is kept here and stops the run. */
  crossing: Crossing | undefined;
  /** The first error of the journal in a step. The function may have caught it, so it is kept here and fails the run. */
  trouble: { error: unknown } | undefined;

  constructor(scope: Scope, task: Call, node: Node, item: Json | undefined) {
    this.#scope = scope;
    this.#task = task;
    this.#node = node;
    this.item = item;
  }

  get signal() {
    return this.#scope.cancel.signal;
  }
  get context() {
    return this.#scope.run.started.context ?? {};
  }
  get runId() {
    return this.#scope.run.runId;
  }
  get by() {
    return this.#scope.run.started.by;
  }

  // an arrow function, because callers destructure it: `({ durable }) => ...`
  get durable(): NodeContext['durable'] {
    return (name, fn, options = {}) => {
      if (typeof name !== 'string' || name === '' || name.length > 200)
        return Promise.reject(invalid('a durable step needs a name of 1 to 200 characters.'));
      if (typeof fn !== 'function') return Promise.reject(invalid(`the step "${name}" has no function: durable("${name}", () => ...).`));
      const odd = Object.keys(options).find((key) => !OPTIONS.has(key));
      if (odd !== undefined)
        return Promise.reject(invalid(`the step "${name}" has no option "${odd}". There are ${[...OPTIONS].join(', ')}.`));
      // a loop that reuses one name would run the step in its first iteration and skip it in all others
      if (this.#steps.has(name))
        return Promise.reject(invalid(`the step "${name}" was begun before. Name each: durable(\`${name}-\${id}\`, ...).`));
      const step = this.#step(name, fn, options) as Promise<never>;
      this.#steps.add(name);
      this.#run(name, step);
      return step;
    };
  }

  #run(name: string, step: Promise<unknown>): void {
    this.#running.add(step);
    const done = () => this.#running.delete(step);
    step.then(done, () => {
      done();
      // the function may retry a step that failed
      this.#steps.delete(name);
    });
  }

  /** Waits for all running steps, including those that the function did not await. Undefined if none runs. */
  ended(): Promise<void> | undefined {
    if (this.#running.size > 0) return Promise.allSettled(this.#running).then(() => this.ended());
    this.#over = true;
    return undefined;
  }

  async #step(name: string, fn: StepFunction, options: StepOptions): Promise<unknown> {
    const scope = this.#scope;
    const { key, amount, ...guarded } = options;
    const policy = scope.plan.policy({ ...guarded, name: `the step "${name}"` });
    const call: Pick<Call, 'id' | 'step' | 'name' | 'input' | 'intent'> = {
      id: `${this.#task.id}/${name}`,
      step: this.#task.step,
      name,
      input: null,
    };
    const known = outcomeOf(this.#task.durable?.get(call.id), policy.effect);
    if (known) return known.output;
    const odd = amount === undefined ? undefined : amountProblem(amount, `the step "${name}"`);
    if (odd !== undefined) throw new ToolError('AMOUNT_INVALID', odd, { outcome: 'not-run' });
    const start = async (intent?: Intent) => {
      call.intent = intent;
      const started: Draft = {
        type: 'call.started',
        call: call.id,
        effect: policy.effect,
        intent,
        ...(amount && { amount: { ...amount } }),
      };
      let place: Reservation | undefined;
      try {
        const reserve = (seq: number) => {
          place?.release();
          place = this.#reserved(call, amount, seq);
        };
        if (!(await this.#append(started, { fsync: policy.effect === 'once', reserve }))) throw late();
      } finally {
        place?.release();
      }
    };
    const instead = key === undefined ? void (await start()) : await this.#claimed(call, policy.effect, options, key, start);
    if (instead) return this.#endedInstead(call, instead);
    const { epoch } = scope.run;
    const since = Date.now();
    const { unsure } = this.#task.durable?.get(call.id) ?? {};
    const result = await perform<Json>(scope, {
      call: { ...call, ...(unsure && { unsure }) },
      policy,
      owner: this.#node,
      name: `the step "${name}"`,
      target: { node: this.#task.name },
      fallbackCode: 'STEP_FAILED',
      run: async (_, attempt) => resultOf(name, await fn(stepContext(attempt, () => idempotencyKey(scope, call)))),
      keep: (output) => ({ output }),
    });
    const { attempts } = result.ok ? result : result.error;
    const end = result.ok ? { output: result.value } : { error: result.error };
    let written = false;
    try {
      if (result.ok || !result.cancelled) {
        const finished: Draft = { type: 'call.finished', call: call.id, ok: result.ok, ...end, attempts, ms: Date.now() - since };
        written = await this.#append(finished, { hold: true });
      }
    } catch (error) {
      if (RondoError.is(error, 'RUN_BUSY')) endedLate(scope, call.id, epoch, end);
      throw error;
    }
    if (!written) endedLate(scope, call.id, epoch, end);
    if (!result.ok)
      throw result.cancelled ? new Halted() : (result.cause ?? new ToolError(result.error.code, result.error.message, result.error));
    if (!written) throw late();
    return result.value;
  }

  /** Reserves what a step is worth, unless it counts already: an earlier claim began it. @throws ToolError `LIMIT_REACHED` */
  #reserved({ id, name }: Pick<Call, 'id' | 'name'>, amount: Amount | undefined, seq: number): Reservation | undefined {
    if (!amount || this.#task.durable?.get(id)?.amount) return undefined;
    const place = reserveAmount(this.#scope, amount, seq);
    if (!('crossed' in place)) return place;
    this.crossing ??= place;
    const why = `the step "${name}" was not begun, because it would cross a limit: ${limitText(place.crossed)}. Raise it to go on.`;
    throw new ToolError('LIMIT_REACHED', why, { outcome: 'not-run', retryable: false });
  }

  /** Starts a step that has a key, unless that key is done or is running elsewhere. @returns the result or the error to use instead. */
  async #claimed(
    call: Pick<Call, 'id' | 'name'>,
    effect: Effect,
    { deadline }: StepOptions,
    key: unknown,
    start: (intent: Intent) => Promise<void>,
  ): Promise<Instead | undefined> {
    const scope = this.#scope;
    const name = `${scope.agent.name}/${this.#task.name}`;
    const meant = named(name, key);
    if (typeof meant === 'string')
      throw new ToolError('INTENT_KEY_INVALID', `the key of the step "${call.name}": ${meant}.`, { outcome: 'not-run' });
    if (effect === 'read')
      throw invalid(
        `the step "${call.name}" reads, so it has no effect that a key could name. Leave out key, or declare effect: 'once' or 'idempotent'.`,
      );
    return claimed(scope, { name: `the step "${call.name}"`, effect, options: { deadline } }, call, meant, null, start);
  }

  async #endedInstead({ id }: Pick<Call, 'id'>, instead: Instead): Promise<unknown> {
    if (instead.go === 'refuse') throw new ToolError(instead.error.code, instead.error.message, instead.error);
    const { output, repeated } = instead;
    if (!(await this.#append({ type: 'call.finished', call: id, ok: true, output, attempts: 0, ms: 0, repeated }, { hold: true })))
      throw late();
    return copyJson(output);
  }

  /**
   * @returns whether the entry was appended. It is dropped if the node has ended or the run was halted.
   * @throws what `reserve` throws, which gets the number of the entry; then nothing was appended.
   */
  async #append(
    draft: Draft,
    { fsync = false, hold = false, reserve }: { fsync?: boolean; hold?: boolean; reserve?: (seq: number) => void },
  ): Promise<boolean> {
    const scope = this.#scope;
    let written = false;
    let refused: { error: unknown } | undefined;
    const make = (seq: number) => {
      refused = undefined;
      written = !this.#over && scope.halt === undefined && scope.frame.ended === undefined;
      try {
        if (written) reserve?.(seq);
      } catch (error) {
        refused = { error };
      }
      return written && !refused ? [{ ...draft }] : [];
    };
    try {
      await (hold ? appendWithRetry(scope, make, fsync) : scope.append(make, fsync));
    } catch (error) {
      // a claim that another call got first is looked at again
      if (!RondoError.is(error, 'INTENT_CLAIMED')) this.trouble ??= { error };
      throw error;
    }
    if (refused) throw refused.error;
    return written;
  }
}

const invalid = (message: string) => new ToolError('STEP_INVALID', message, { retryable: false });

const late = () =>
  new ToolError('STEP_LATE', 'a durable step cannot begin or end after its node, or when the run was halted.', { retryable: false });

/** The journaled result of a step; undefined if the step must run. @throws ToolError `OUTCOME_UNKNOWN`, `STEP_FAILED`. */
function outcomeOf(before: Call | undefined, effect: Effect): { output: unknown } | undefined {
  if (!before) return undefined;
  const { name, status, finished } = before;
  const known = knownOf(before, effect);
  if (known.outcome === 'done') return { output: copyJson(known.output) };
  if (known.outcome === 'open') return undefined;
  if (known.outcome === 'failed') throw new ToolError('STEP_FAILED', known.message, { retryable: false });
  const why = status === 'started' ? 'the process stopped while it ran' : `it failed with ${finished?.error?.code}`;
  throw new ToolError('OUTCOME_UNKNOWN', `it is unknown whether the step "${name}" took effect: ${why}.`, {
    outcome: 'unknown',
    retryable: false,
  });
}

const stepContext = (attempt: AttemptContext, key: () => string): StepContext => ({
  get signal() {
    return attempt.signal;
  },
  attempt: attempt.attempt,
  get idempotencyKey() {
    return key();
  },
  alive: () => attempt.alive(),
});

/** The result as JSON. If it cannot be stored, the error has outcome `unknown`, because the step has run and must not run again. */
function resultOf(name: string, value: unknown): Json {
  const unkept = (why: string) =>
    new ToolError('STEP_INVALID', `the result of the step "${name}" cannot be kept: ${why}.`, { outcome: 'unknown', retryable: false });
  let json: Json;
  try {
    json = plainJson(value) ?? null;
  } catch (error) {
    throw unkept(messageOf(error));
  }
  if (JSON.stringify(json).length > MAX_RESULT) throw unkept(`it is larger than ${MAX_RESULT} characters`);
  return json;
}
