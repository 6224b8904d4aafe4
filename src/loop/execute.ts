import { type Failure, type Outcome, RondoError, ToolError } from '../errors.ts';
import { type Again, parseAgain } from '../hitl/arguments.ts';
import { canonical, sha256 } from '../journal/canonical.ts';
import type { Draft } from '../journal/entries.ts';
import type { Call } from '../journal/fold.ts';
import { copyJson, type Json } from '../json.ts';
import { bounded, messageOf, severity } from '../reliability/classify.ts';
import { type Guarded, guard } from '../reliability/envelope.ts';
import { Halted, unlessHalted } from '../reliability/patience.ts';
import { type AttemptContext, isThenable } from '../reliability/timeout.ts';
import type { ToolTrace } from '../telemetry/trace.ts';
import type { Ready } from './call.ts';
import { driven, isGenerator } from './generator.ts';
import { cameTo, settleLate } from './late.ts';
import type { ToolOutcome } from './middleware.ts';
import { type Observed, observed } from './output.ts';
import type { Scope, ToolDefinition } from './types.ts';

import { Wrapping } from './wrapping.ts';

/**
 * The same for every attempt of a call and after every crash: also where power was lost before the model's answer was on disk,
 * and the model, asked again, asked for the same.
 */
export const idempotencyKey = ({ run, frame }: Pick<Scope, 'run' | 'frame'>, { id, step, name, input }: Call) =>
  sha256(canonical([run.started.by?.tenant ?? null, run.runId, frame.position, step, id.slice(id.indexOf('.') + 1), name, input])).slice(
    0,
    32,
  );

/** What `execute` of a tool is given. Getters, so that what a tool does not look at costs nothing. */
class CallContext {
  readonly #attempt: AttemptContext;
  readonly #scope: Scope;
  readonly #call: Call;
  readonly #ready: Ready;
  constructor(attempt: AttemptContext, scope: Scope, call: Call, ready: Ready) {
    this.#attempt = attempt;
    this.#scope = scope;
    this.#call = call;
    this.#ready = ready;
  }
  get signal() {
    return this.#attempt.signal;
  }
  get attempt() {
    return this.#attempt.attempt;
  }
  get deadline() {
    return this.#attempt.deadline;
  }
  // this one and `progress` are bound, because tools take them out of the context
  get alive() {
    const attempt = this.#attempt;
    return () => attempt.alive();
  }
  get idempotencyKey() {
    return idempotencyKey(this.#scope, this.#call);
  }
  get runId() {
    return this.#scope.run.runId;
  }
  get callId() {
    return this.#call.id;
  }
  get step() {
    return this.#call.step;
  }
  get session() {
    return this.#scope.run.started.session;
  }
  get by() {
    return this.#scope.run.started.by;
  }
  get context() {
    return this.#ready.context;
  }
  get credentials() {
    return this.#ready.credentials ?? {};
  }
  get progress() {
    return (data: Json) => {
      if (!this.#scope.emit) return;
      const { output } = keep(this.#scope, this.#ready.tool, data);
      this.#scope.emit({ type: 'tool.progress', callId: this.#call.id, data: output }, this.#call.step);
    };
  }
}

type Finished = Extract<Draft, { type: 'call.finished' }>;

/** Nothing waits for it any more, so it must not begin. */
const GIVEN_UP = 'the attempt was given up before it began';

/** Runs a call in its envelope. @returns the entry that says how it ended; undefined where the run was halted while it ran. */
export async function execute(scope: Scope, call: Call, ready: Ready, span: ToolTrace): Promise<Finished | undefined> {
  const started = performance.now();
  const wrappers = scope.plan.toolWrappers;
  const end =
    wrappers.length === 0 ? ended(scope, ready, await attempt(scope, call, ready, span, false)) : await wrapped(scope, call, ready, span);
  const { attempts } = end;
  const why = scope.halt?.why;
  // it may have run, or another process runs it: the next claim finds out, or says that nobody knows
  if (!end.ok && end.cancelled && (why === 'lost' || (end.error.outcome !== 'not-run' && why !== 'cancel'))) return undefined;
  const ms = Math.round(performance.now() - started);
  if (end.ok) return { type: 'call.finished', call: call.id, ok: true, ...end.seen, attempts, ms };
  return { type: 'call.finished', call: call.id, ok: false, error: end.error, attempts, ms };
}

type End = { attempts: number } & ({ ok: true; seen: Observed } | { ok: false; error: Failure; cancelled?: true | undefined });

function ended(scope: Scope, ready: Ready, result: Guarded<unknown>): End {
  if (result.ok) return { ok: true, seen: keep(scope, ready.tool, result.value), attempts: result.attempts };
  const { error, cancelled } = result;
  // given up while the store was asked whether the run is still ours; a `once` call comes to a second attempt only where the first did not run
  const idle = ready.tool.effect === 'once' && (ready.entered ?? 0) < error.attempts;
  return { ok: false, error: idle ? { ...error, outcome: 'not-run' } : error, attempts: error.attempts, cancelled };
}

/** What an attempt is given, for itself alone: the next one must not find what this one made of it. */
function argument(ready: Ready, changed: Json | undefined): unknown {
  if (changed !== undefined) return copyJson(changed);
  if (!ready.taken) {
    ready.taken = true;
    return ready.value;
  }
  if (ready.exact) return copyJson(ready.shown);
  const again = parseAgain(ready.tool.options.input, ready.input, ready.shown, true);
  return again instanceof Promise ? again.then(sameValue) : sameValue(again);
}

function sameValue(again: Again): unknown {
  if (again.ok) return again.value;
  throw new ToolError('INVALID_ARGUMENTS', `${again.problem}. They were valid before.`, { outcome: 'not-run', retryable: false });
}

/**
 * `waited`: something was waited for since the intent was written.
 * `changed`: what a wrapper put in the place of the input.
 */
function attempt(scope: Scope, call: Call, ready: Ready, span: ToolTrace, waited: boolean, changed?: Json): Promise<Guarded<unknown>> {
  const { tool } = ready;
  const policy = scope.plan.tool(tool);
  const { host } = scope;
  const { epoch } = scope.run;
  ready.entered = 0;
  const enter = (value: unknown, a: AttemptContext) => {
    ready.entered = a.attempt;
    return span.run(() => {
      const ctx = new CallContext(a, scope, call, ready);
      const whole = (output: unknown) => (isGenerator(output) ? driven(output, a.signal, ctx.progress as (data: unknown) => void) : output);
      const output: unknown = tool.options.execute(value, ctx);
      return isThenable(output) ? Promise.resolve(output).then(whole) : whole(output);
    });
  };
  const run = (value: unknown, a: AttemptContext) => {
    const asking = scope.own();
    if (!asking) return enter(value, a);
    return asking.then(() => {
      if (a.signal.aborted) throw new Error(GIVEN_UP);
      return enter(value, a);
    });
  };
  const once = (a: AttemptContext) => {
    const value = argument(ready, changed);
    return value instanceof Promise ? value.then((v) => run(v, a)) : run(value, a);
  };
  const guarded = () =>
    guard(once, {
      policy,
      before: () => scope.own(true),
      circuit: host.breakers.of(tool, tool.name, policy.breaker),
      cancel: scope.cancel,
      fallbackCode: 'TOOL_FAILED',
      mask: scope.drive.secrets.mask,
      onAttemptFailed: (failed) => {
        // the last failure is told by call.finished
        if (failed.retryIn === undefined) return;
        const draft = { type: 'attempt.failed', of: call.id, step: call.step, ...failed } as const;
        span.failedAttempt(draft);
        return noted(() => scope.append(() => [draft]));
      },
      onLate: (late) => {
        // one that was given up before it was entered has done nothing
        if (late.attempt > (ready.entered ?? 0)) return;
        settleLate(
          scope,
          call.id,
          epoch,
          late.ok ? { output: keep(scope, tool, late.value).output } : cameTo(scope, late.error, tool.effect),
        );
      },
    });
  // outside the timeout of an attempt: a store that is slow is no slow tool
  const asking = waited ? scope.own(true) : undefined;
  return asking ? asking.then(guarded) : guarded();
}

/** A note that the store cannot take now is left out: the end of the call says how often it ran. */
async function noted(append: () => void | Promise<void>): Promise<void> {
  try {
    await append();
  } catch (error) {
    if (!RondoError.is(error, 'JOURNAL_UNAVAILABLE')) throw error;
  }
}

/** How a call ended, where its end found no place in the journal: the run was lost meanwhile. */
export function endedLate(scope: Scope, { id }: Call, epoch: number, end: Pick<Finished, 'output' | 'error'>): void {
  if (!end.error) settleLate(scope, id, epoch, { output: end.output ?? null });
  else if (end.error.outcome === 'failed') settleLate(scope, id, epoch, { outcome: 'failed', note: end.error.message.slice(0, 500) });
}

/** What is kept of a tool's output. Never throws. */
export const keep = (scope: Scope, tool: ToolDefinition, value: unknown): Observed => observed(tool, value, scope.secrets);

/** A call inside the wrappers. What is known of the call itself stays known, whatever a wrapper does after it. */
async function wrapped(scope: Scope, call: Call, ready: Ready, span: ToolTrace): Promise<End> {
  const asked = { name: ready.tool.name, input: copyJson(ready.shown) };
  let inside: Promise<End> | undefined;
  let last: End | undefined;
  /** Of a call that was made and whose end a wrapper does not tell. */
  const untold: Outcome = ready.tool.effect === 'read' ? 'failed' : 'unknown';
  /** Over all that a wrapper asked for: what may have run is not undone by a later try that was refused. */
  let worst: Outcome = 'not-run';
  let attempts = 0;
  const { epoch } = scope.run;
  const wrapping = new Wrapping('a use.tool wrapper', scope.plan.tool(ready.tool));
  const asks = async (input?: Json): Promise<ToolOutcome> => {
    const { waited } = wrapping;
    // once means once, also for a wrapper that tries again, or twice at once: it gets what the first came to
    for (let seen: typeof inside; ready.tool.effect === 'once' && inside !== seen; ) {
      seen = inside;
      const first = await seen;
      if (first && (first.ok || first.error.outcome !== 'not-run')) return outcomeOf(first);
    }
    inside = attempt(scope, call, ready, span, waited, input).then((result) => ended(scope, ready, result));
    last = undefined;
    last = await inside;
    attempts += last.attempts;
    const came = last.ok ? untold : last.error.outcome;
    if (severity[came] > severity[worst]) worst = came;
    return outcomeOf(last);
  };
  /** What is known of the effect, where a wrapper does not say. One that went on without its call knows nothing. */
  const known = (): Outcome => (inside && !last ? untold : worst);
  let next = (input?: Json) => wrapping.inside(() => asks(input));
  for (const wrapper of scope.plan.toolWrappers.toReversed()) {
    const within = next;
    next = async (input) => wrapper(input === undefined ? asked : { ...asked, input }, within);
  }
  try {
    const answering = next();
    wrapping.waited = true;
    const outcome: unknown = await unlessHalted(Promise.race([answering, wrapping.late]), scope.cancel);
    return judged(scope, ready, outcome, last, attempts, known());
  } catch (error) {
    // a halt ends the call itself too, at once
    if (error instanceof Halted) return (await inside) ?? notRun();
    return broken(messageOf(error, scope.drive.secrets.mask), attempts, known());
  } finally {
    wrapping.end();
    // a wrapper that answered by itself left it behind
    if (!last)
      void inside?.then(
        (end) => endedLate(scope, call, epoch, end.ok ? end.seen : end),
        // the run was lost before it began
        () => undefined,
      );
  }
}

const outcomeOf = (end: End): ToolOutcome => (end.ok ? { ok: true, output: end.seen.output } : { ok: false, error: end.error });

const notRun = (): End => ({
  ok: false,
  cancelled: true,
  attempts: 0,
  error: { code: 'CANCELLED', message: 'Cancelled before it began.', retryable: false, attempts: 0, outcome: 'not-run' },
});

/** What a wrapper answered, taken at its word where it is one. */
function judged(scope: Scope, ready: Ready, outcome: unknown, last: End | undefined, attempts: number, otherwise: Outcome): End {
  const { ok, output, error } = (outcome ?? {}) as Partial<{ ok: unknown; output: Json; error: Partial<Failure> }>;
  // what the tool's toModel says stays, unless a wrapper changed the output
  if (ok === true)
    return { ok: true, attempts, seen: last?.ok && last.seen.output === output ? last.seen : keep(scope, ready.tool, output) };
  if (ok !== false || typeof error?.code !== 'string' || typeof error.message !== 'string')
    return broken('a wrapper answered neither { ok: true, output } nor { ok: false, error: { code, message } }', attempts, otherwise);
  const { mask } = scope.drive.secrets;
  const known: Failure = {
    code: mask(error.code).slice(0, 100),
    message: bounded(mask(error.message)),
    retryable: error.retryable === true,
    attempts,
    outcome: error.outcome !== undefined && Object.hasOwn(severity, error.outcome) ? error.outcome : otherwise,
  };
  if (typeof error.retryAfter === 'number') known.retryAfter = error.retryAfter;
  return { ok: false, attempts, error: known };
}

/** The wrapper failed; what is known of the call is what the call itself came to. */
function broken(message: string, attempts: number, outcome: Outcome): End {
  return { ok: false, attempts, error: { code: 'MIDDLEWARE_FAILED', message, retryable: false, attempts, outcome } };
}
