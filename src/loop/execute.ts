import type { Failure } from '../errors.ts';
import { sha256 } from '../journal/canonical.ts';
import type { Draft } from '../journal/entries.ts';
import type { Call } from '../journal/fold.ts';
import { type Guarded, guard } from '../reliability/envelope.ts';
import type { AttemptContext, Late } from '../reliability/timeout.ts';
import { copyJson, type Json } from '../schema.ts';
import type { ToolTrace } from '../telemetry/trace.ts';
import type { Secrets } from './credentials.ts';
import type { ToolOutcome } from './middleware.ts';
import { type Observed, observed } from './output.ts';
import type { ToolWrapper } from './plan.ts';
import type { Scope } from './scope.ts';
import type { ToolDefinition } from './tool.ts';

/** A call that the gate let through. */
export interface Ready {
  tool: ToolDefinition;
  input: Json;
  value: unknown;
  context: unknown;
  secrets?: Secrets;
}

/** The same for every attempt of a call and after every crash; another for a fork. */
export const idempotencyKey = (runId: string, callId: string) => sha256(`${runId}/${callId}`).slice(0, 32);

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
  get idempotencyKey() {
    return idempotencyKey(this.#scope.run.runId, this.#call.id);
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
    return this.#ready.secrets?.values ?? {};
  }
  // bound, because tools take it out of the context
  get progress() {
    const { secrets } = this.#ready;
    return (data: Json) => this.#scope.emit?.({ type: 'tool.progress', callId: this.#call.id, data: secrets ? secrets.maskJson(data) : data }, this.#call.step);
  }
}

type Finished = Extract<Draft, { type: 'call.finished' }>;

/** Runs a call in its envelope. @returns the entry that says how it ended; undefined where the run was halted while it ran. */
export async function execute(scope: Scope, call: Call, ready: Ready, span: ToolTrace): Promise<Finished | undefined> {
  const { tool } = ready;
  const started = performance.now();
  const wrappers = scope.plan.toolWrappers;
  let attempts = 0;
  let seen: Observed | undefined;
  let error: Failure | undefined;
  if (wrappers.length === 0) {
    const result = await attempt(scope, call, ready, span);
    if (result.ok) seen = keep(ready, result.value);
    else if (result.cancelled && scope.halt?.why !== 'cancel') return undefined;
    else error = result.error;
    attempts = result.ok ? result.attempts : result.error.attempts;
  } else {
    const outcome = await wrap(wrappers, ready, (value) => attempt(scope, call, { ...ready, value }, span));
    if (scope.halt && scope.halt.why !== 'cancel') return undefined;
    attempts = outcome.attempts;
    if (outcome.ok) seen = outcome.seen;
    else error = ready.secrets ? ready.secrets.maskJson(outcome.error) : outcome.error;
  }
  const ms = Math.round(performance.now() - started);
  if (error) return { type: 'call.finished', call: call.id, ok: false, error, attempts, ms };
  return { type: 'call.finished', call: call.id, ok: true, ...(seen as Observed), attempts, ms };
}

function attempt(scope: Scope, call: Call, ready: Ready, span: ToolTrace): Promise<Guarded<unknown>> {
  const { tool } = ready;
  const policy = scope.plan.tool(tool);
  const { log, host } = scope;
  const body = (a: AttemptContext) => span.run(() => tool.options.execute(ready.value, new CallContext(a, scope, call, ready)));
  const { secrets } = ready;
  return guard(secrets ? (a) => discreet(secrets, () => body(a)) : body, {
    policy,
    circuit: host.breakers.of(tool, tool.name, policy.breaker),
    cancel: scope.cancel,
    fallbackCode: 'TOOL_FAILED',
    onAttemptFailed: (failed) => {
      // the last failure is told by call.finished
      if (failed.retryIn === undefined) return;
      const draft = { type: 'attempt.failed', of: call.id, step: call.step, ...failed, message: failed.message } as const;
      span.failedAttempt(draft);
      return log.append(() => [draft]);
    },
    onLate: (late) => settleLate(scope, call, ready, late),
  });
}

async function discreet<T>(secrets: Secrets, body: () => T | Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (error) {
    throw secrets.maskThrown(error);
  }
}

/** A result that came after its timeout is written down and changes nothing the model has seen. */
function settleLate(scope: Scope, call: Call, ready: Ready, late: Late): void {
  const outcome = late.ok ? 'done' : 'failed';
  const note = late.ok ? undefined : String((late.error as Error)?.message ?? late.error).slice(0, 500);
  const append = async () =>
    scope.log.append(() => [
      { type: 'outcome.settled', call: call.id, source: 'late', outcome, ...(late.ok && { output: keep(ready, late.value).output }), ...(note && { note }) },
    ]);
  // nobody waits for it, and a run that has moved to another process keeps its word: unknown
  append().catch(() => undefined);
}

function keep(ready: Ready, value: unknown): Observed {
  const { secrets } = ready;
  return secrets ? observed(ready.tool, value, (json) => secrets.maskJson(json)) : observed(ready.tool, value);
}

type Wrapped = { attempts: number } & ({ ok: true; seen: Observed } | { ok: false; error: Failure });

async function wrap(wrappers: readonly ToolWrapper[], ready: Ready, run: (value: unknown) => Promise<Guarded<unknown>>): Promise<Wrapped> {
  const call = { name: ready.tool.name, input: copyJson(ready.input) };
  let last: Guarded<unknown> | undefined;
  let inner: Observed | undefined;
  let attempts = 0;
  let next = async (input?: Json): Promise<ToolOutcome> => {
    last = await run(input === undefined ? ready.value : input);
    attempts += last.ok ? last.attempts : last.error.attempts;
    if (!last.ok) return { ok: false, error: last.error };
    inner = keep(ready, last.value);
    return { ok: true, output: inner.output };
  };
  for (const wrapper of [...wrappers].reverse()) {
    const inside = next;
    next = (input) => wrapper(input === undefined ? call : { ...call, input }, inside);
  }
  try {
    const outcome = await next();
    if (!outcome.ok) return { ...outcome, attempts };
    // what the tool's toModel says stays, unless a wrapper changed the output
    return { ok: true, attempts, seen: inner && inner.output === outcome.output ? inner : keep(ready, outcome.output) };
  } catch (error) {
    // the wrapper failed; what is known of the call is what the call itself came to
    const outcome = last === undefined ? 'not-run' : last.ok ? 'unknown' : last.error.outcome;
    const message = String((error as Error)?.message ?? error).slice(0, 2_000);
    return { ok: false, attempts, error: { code: 'MIDDLEWARE_FAILED', message, retryable: false, attempts, outcome } };
  }
}
