import { type Failure, RondoError, ToolError } from '../errors.ts';
import type { CallId, Draft } from '../journal/entries.ts';
import type { Call } from '../journal/fold.ts';
import { copyJson, isDeep, type Json, plainJson } from '../json.ts';
import { held } from '../loop/held.ts';
import { cameTo, settleLate } from '../loop/late.ts';
import type { Scope } from '../loop/types.ts';

import type { Effect } from '../ports/tool.ts';
import { failureOf, messageOf } from '../reliability/classify.ts';
import { Halted, unlessHalted } from '../reliability/patience.ts';
import type { NodeContext } from './types.ts';

/** Characters of JSON of one durable result. */
const MAX_RESULT = 1024 * 1024;

/** What a node's function is given. Getters, so that what it does not look at costs nothing. */
export class Context implements NodeContext {
  readonly #scope: Scope;
  readonly #task: Call;
  readonly item: Json | undefined;
  readonly #steps = new Set<string>();
  readonly #running = new Set<Promise<unknown>>();
  /** The function has ended: what it left running writes nothing any more. */
  #over = false;
  /** The journal failed under a step, whatever the function made of that. */
  trouble: { error: unknown } | undefined;

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
        return Promise.reject(invalid('a durable step needs a name of 1 to 200 characters.'));
      // in a loop, one name would be one step: it is done for the first time round and passed over in all others
      if (this.#steps.has(name))
        return Promise.reject(invalid(`the step "${name}" was begun before. Name each: durable(\`${name}-\${id}\`, ...).`));
      const step = this.#step(name, fn, o?.effect ?? 'once') as Promise<never>;
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
      // one that failed may be tried again
      this.#steps.delete(name);
    });
  }

  /** A node ends with its steps: one that nobody awaited ends before what comes after the node begins. Undefined where there is none. */
  ended(): Promise<void> | undefined {
    if (this.#running.size > 0) return Promise.allSettled(this.#running).then(() => this.ended());
    this.#over = true;
    return undefined;
  }

  async #step(name: string, fn: () => unknown, effect: Effect): Promise<unknown> {
    const id = `${this.#task.id}/${name}`;
    const known = outcomeOf(name, this.#task.durable?.get(id), effect);
    if (known) return known.output;
    if (!(await this.#append({ type: 'call.started', call: id, effect }, { power: effect === 'once' }))) throw late();
    const { epoch } = this.#scope.run;
    const asking = this.#scope.own();
    if (asking) await asking;
    const since = Date.now();
    const ended = (o: { output: Json } | { error: Failure }): Draft => ({
      type: 'call.finished',
      call: id,
      ok: 'output' in o,
      ...o,
      attempts: 1,
      ms: Date.now() - since,
    });
    const doing = Promise.resolve().then(fn);
    let output: Json;
    try {
      output = result(name, await unlessHalted(doing, this.#scope.cancel));
    } catch (error) {
      const failed = error instanceof Halted ? undefined : ended({ error: failureOf(error, 'STEP_FAILED', { effect }) });
      await this.#finish(failed, () => this.#late(id, epoch, name, doing));
      throw error;
    }
    if (await this.#finish(ended({ output }), () => this.#late(id, epoch, name, doing))) return output;
    throw late();
  }

  /** The run is being halted; what the step comes to all the same is written down, and changes nothing that anybody has seen. */
  #late(id: CallId, epoch: number, name: string, doing: Promise<unknown>): void {
    const scope = this.#scope;
    doing
      .then(
        (value) => settleLate(scope, id, epoch, { output: result(name, value) }),
        // a step that gave up because it was told to, or lost its connection, says nothing of what it did
        (error) => settleLate(scope, id, epoch, cameTo(scope, error)),
      )
      .catch(() => undefined);
  }

  /** Writes down how a step ended. Where the run is over, or was lost to another process, `late` does. @returns whether it was written in time. */
  async #finish(draft: Draft | undefined, late: () => void): Promise<boolean> {
    try {
      if (draft && (await this.#append(draft, { hold: true }))) return true;
    } catch (error) {
      if (RondoError.is(error, 'RUN_BUSY')) late();
      throw error;
    }
    late();
    return false;
  }

  /** @returns whether it was written: not where the node or its run is over. */
  async #append(draft: Draft, { power = false, hold = false }): Promise<boolean> {
    const scope = this.#scope;
    let written = false;
    const make = () => {
      written = !this.#over && scope.halt === undefined && scope.frame.ended === undefined;
      return written ? [{ ...draft }] : [];
    };
    try {
      await (hold ? held(scope, make, power) : scope.append(make, power));
    } catch (error) {
      this.trouble ??= { error };
      throw error;
    }
    return written;
  }
}

const invalid = (message: string) => new ToolError('STEP_INVALID', message, { retryable: false });

const late = () =>
  new ToolError('STEP_LATE', 'a durable step cannot begin or end after its node, or when the run was halted.', { retryable: false });

/** What became of a step before: its output, or nothing where it is to be done. @throws ToolError `OUTCOME_UNKNOWN`. */
function outcomeOf(name: string, before: Call | undefined, effect: Effect): { output: unknown } | undefined {
  if (!before) return undefined;
  const { finished, settled } = before;
  if (finished?.ok) return { output: copyJson(finished.output ?? null) };
  if (settled?.outcome === 'done') return { output: copyJson(settled.output ?? null) };
  // an operator's word counts; what came late, where the step may be done again, does not
  if (settled?.outcome === 'failed' && (effect === 'once' || settled.source === 'operator'))
    throw new ToolError('STEP_FAILED', settled.note ?? `the step "${name}" failed.`, { retryable: false });
  if (effect !== 'once' || settled) return undefined;
  if (before.status !== 'started' && finished?.error?.outcome !== 'unknown') return undefined;
  const why = before.status === 'started' ? 'the process stopped while it ran' : `it failed with ${finished?.error?.code}`;
  throw new ToolError('OUTCOME_UNKNOWN', `nobody knows whether the step "${name}" took effect: ${why}.`, {
    outcome: 'unknown',
    retryable: false,
  });
}

function result(name: string, value: unknown): Json {
  // it was done, and must not be done again for a result that cannot be kept
  const unkept = (why: string) =>
    new ToolError('STEP_INVALID', `the result of the step "${name}" cannot be kept: ${why}.`, { outcome: 'unknown', retryable: false });
  let json: Json;
  try {
    json = plainJson(value) ?? null;
  } catch (error) {
    throw unkept(messageOf(error));
  }
  if (isDeep(json) || JSON.stringify(json).length > MAX_RESULT)
    throw unkept(`it is larger than ${MAX_RESULT} characters, or nested too deeply`);
  return json;
}
