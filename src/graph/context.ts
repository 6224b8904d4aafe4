import { ToolError } from '../errors.ts';
import type { Call } from '../journal/fold.ts';
import { isDeep, type Json, plainJson } from '../json.ts';
import type { Scope } from '../loop/scope.ts';
import type { Effect } from '../ports/tool.ts';
import { unlessHalted } from '../reliability/patience.ts';
import type { NodeContext } from './types.ts';

/** Characters of JSON of one durable result. */
const MAX_RESULT = 1024 * 1024;

/** What a node's function is given. Getters, so that what it does not look at costs nothing. */
export class Context implements NodeContext {
  readonly #scope: Scope;
  readonly #task: Call;
  readonly item: Json | undefined;
  #steps: Map<string, Promise<unknown>> | undefined;

  constructor(scope: Scope, task: Call, item: Json | undefined) {
    this.#scope = scope;
    this.#task = task;
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

  // bound, because functions take it out of the context
  get durable(): NodeContext['durable'] {
    return (name, fn, o) => {
      if (typeof name !== 'string' || name === '' || name.length > 200)
        return Promise.reject(new ToolError('STEP_INVALID', 'a durable step needs a name of 1 to 200 characters.', { retryable: false }));
      this.#steps ??= new Map();
      // the same name again is the same step
      let step = this.#steps.get(name) as Promise<never> | undefined;
      if (!step) {
        step = this.#step(name, fn, o?.effect ?? 'once') as Promise<never>;
        step.catch(() => this.#steps?.delete(name));
        this.#steps.set(name, step);
      }
      return step;
    };
  }

  async #step(name: string, fn: () => unknown, effect: Effect): Promise<unknown> {
    const scope = this.#scope;
    const id = `${this.#task.id}/${name}`;
    const before = this.#task.durable?.get(id);
    if (before?.finished?.ok && before.status === 'finished') return before.finished.output;
    const { settled } = before ?? {};
    if (settled?.outcome === 'done') return settled.output ?? null;
    if (before?.status === 'started' && effect === 'once' && settled?.outcome !== 'not-run')
      throw new ToolError('OUTCOME_UNKNOWN', `the process stopped while the step "${name}" ran. Nobody knows whether it took effect.`, {
        outcome: 'unknown',
        retryable: false,
      });
    await scope.append(() => [{ type: 'call.started', call: id, effect }], effect === 'once');
    const since = Date.now();
    let output: Json;
    try {
      output = result(name, await unlessHalted(Promise.resolve().then(fn), scope.cancel));
    } catch (error) {
      if (scope.halt) throw error;
      const failure = { code: 'STEP_FAILED', message: 'It threw.', retryable: false, attempts: 1, outcome: 'failed' } as const;
      await scope.append(() => [{ type: 'call.finished', call: id, ok: false, error: failure, attempts: 1, ms: Date.now() - since }]);
      throw error;
    }
    await scope.append(() => [{ type: 'call.finished', call: id, ok: true, output, attempts: 1, ms: Date.now() - since }]);
    return output;
  }
}

function result(name: string, value: unknown): Json {
  const json = plainJson(value) ?? null;
  if (isDeep(json) || JSON.stringify(json).length > MAX_RESULT)
    throw new ToolError('STEP_INVALID', `the result of the step "${name}" is larger than ${MAX_RESULT} characters, or nested too deeply.`, {
      retryable: false,
    });
  return json;
}
