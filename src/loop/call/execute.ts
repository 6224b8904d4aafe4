/** Execute: runs a tool call with timeouts, retries and breaker, inside the wrappers of `use`. */
import { NeedsPerson, ToolError } from '../../errors.ts';
import { type Again, parseAgain } from '../../hitl/arguments.ts';
import type { Holder } from '../../journal/claims.ts';
import type { Draft } from '../../journal/entries/entries.ts';
import type { Call } from '../../journal/fold/fold.ts';
import { copyJson, type Json } from '../../json.ts';
import { type AttemptContext, isThenable } from '../../reliability/timeout.ts';
import type { ToolTrace } from '../../telemetry/trace.ts';
import { noted } from '../append-with-retry.ts';
import { readBack } from '../context/read-result.ts';
import { search } from '../tools/found.ts';
import type { Scope } from '../types.ts';
import { throughCache } from './cached.ts';
import type { Ready } from './call.ts';
import { chargeOf } from './charge.ts';
import { lateAllowed } from './content.ts';
import { renewed, takeHandedAgain } from './credentials.ts';
import { idempotencyKey, perform } from './effects.ts';
import { driven, isGenerator } from './generator.ts';
import { outcomeUnknown } from './intent.ts';
import { observed } from './output.ts';
import { checked } from './recall.ts';
import { type End, wrappedTool } from './wrapped-tool.ts';

/** The context of a tool's `execute`. The fields are getters, so that a field costs nothing unless the tool reads it. */
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
  // this and `progress` return arrow functions, because tools destructure the context
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
  get path() {
    return this.#scope.frame.path;
  }
  get context() {
    return this.#ready.context;
  }
  get credentials() {
    return this.#ready.credentials ?? {};
  }
  get asked() {
    const { asked, decided } = this.#call.answered ?? {};
    if (!asked || !decided) return undefined;
    const { decision } = decided;
    return {
      ...(asked.state !== undefined && { state: asked.state }),
      ...(decision.type === 'respond' && { answer: decision.answer }),
    };
  }
  get progress() {
    return (data: Json) => {
      // what comes before the result cannot be checked by itself
      const { drive, host, frame, secrets } = this.#scope;
      if (!drive.emit || host.checks.result.held) return;
      const { output } = observed(this.#ready.tool, data, secrets);
      drive.emit({ type: 'tool.progress', callId: this.#call.id, data: output }, this.#call.step, frame);
    };
  }
}

type Finished = Extract<Draft, { type: 'call.finished' }>;

/** In place of the message of a failed attempt that another one follows. */
const UNCHECKED = '(not shown: guardrails check what tools say)';

/** @returns the entry with the result of the call; undefined if the run was halted meanwhile. Then the next claim handles it. */
export async function execute(scope: Scope, call: Call, ready: Ready, span: ToolTrace | undefined): Promise<Finished | undefined> {
  const started = performance.now();
  const found = ready.doubt && (await foundOut(scope, call, ready));
  if (found) return { ...found, ms: Math.round(performance.now() - started) };
  const around = scope.plan.toolWrappers.length > 0 || ready.tool.options.cache;
  const ran = await (around ? inside(scope, call, ready, span) : once(scope, call, ready, span, false));
  const end = ran.ok ? ran : await afterCheck(scope, call, ready, ran);
  const { attempts } = end;
  const why = scope.halt?.why;
  if (!end.ok && end.cancelled && (why === 'lost' || (end.error.outcome !== 'not-run' && why !== 'cancel'))) return undefined;
  const ms = Math.round(performance.now() - started);
  const again = ready.handedAgain && { credentials: takeHandedAgain(ready) };
  if (end.ok) {
    const finished: Finished = { type: 'call.finished', call: call.id, ok: true, ...end.seen, ...end.charge, attempts, ms, ...again };
    if (ready.found) finished.found = ready.found;
    if (ready.named?.length) finished.named = ready.named;
    if (ready.cached === 'missed') finished.missed = true;
    else if (ready.cached) finished.cached = ready.cached;
    return finished;
  }
  return { type: 'call.finished', call: call.id, ok: false, error: end.error, ...end.charge, attempts, ms, ...again };
}

/** The call inside its wrappers and, nearest to it, its cache. */
function inside(scope: Scope, call: Call, ready: Ready, span: ToolTrace | undefined): Promise<End> {
  const run = (waited: boolean, changed?: Json) => {
    const itself = (later: boolean) => once(scope, call, ready, span, waited || later, changed);
    return ready.tool.options.cache ? throughCache(scope, call, ready, itself, changed) : itself(false);
  };
  return scope.plan.toolWrappers.length === 0 ? run(false) : wrappedTool(scope, call, ready, run);
}

/**
 * The intent was claimed from a call whose outcome is unknown: the tool's `check` is asked before anything runs.
 * @returns how the call ends; undefined where nothing happened under the intent, so that it runs. @throws Halted
 */
async function foundOut(scope: Scope, call: Call, ready: Ready): Promise<Finished | undefined> {
  const { tool, intent } = ready;
  // a copy of its own: what a check does to it, the tool must not see
  const input = () => (ready.exact ? copyJson(ready.shown) : ready.value);
  const answer = await checked(scope, tool, call, { input, context: ready.context });
  const seen = answer?.outcome === 'done' ? observed(tool, answer.output, scope.secrets) : undefined;
  if (intent?.over && answer && answer.outcome !== 'unknown')
    await noted(() =>
      scope.host.intents.settle(intent.over as Holder, seen ? { outcome: 'done', output: seen.output } : { outcome: 'not-run' }),
    );
  // the call that it asked about was paid for, where it ran
  const free = typeof tool.options.cost === 'number' && { usd: 0 };
  // what the first call did is not done again, and counts once
  const repeated = intent?.over && { repeated: { ...intent.over, at: Date.now() } };
  if (seen) return { type: 'call.finished', call: call.id, ok: true, ...seen, ...free, ...repeated, attempts: 0, ms: 0 };
  if (answer?.outcome === 'not-run') return undefined;
  const error = outcomeUnknown(tool, intent?.over);
  return { type: 'call.finished', call: call.id, ok: false, error, ...free, attempts: 0, ms: 0 };
}

/**
 * A call whose outcome is unknown, such as after a timeout, is asked about at once. Only `done` is believed: the service may still be at work, and
 * what did not happen yet may happen. @throws Halted
 */
async function afterCheck(scope: Scope, call: Call, ready: Ready, end: Extract<End, { ok: false }>): Promise<End> {
  const { tool } = ready;
  if (end.error.outcome !== 'unknown' || tool.effect !== 'once' || !tool.options.check || scope.halt) return end;
  const input = () => (ready.exact ? copyJson(ready.shown) : argument(ready, undefined));
  const answer = await checked(scope, tool, call, { input, context: ready.context });
  if (answer?.outcome !== 'done') return end;
  const seen = observed(tool, answer.output, scope.secrets);
  const charge = { ...chargeOf(tool, answer.output, scope.secrets.mask), ...end.charge };
  return { ok: true, seen, attempts: end.attempts, ...(Object.keys(charge).length > 0 && { charge }) };
}

/** The arguments of one attempt, as a copy, because an attempt may mutate them. */
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

/** What a tool of the engine's own answers: `find_tools` or `read_result`. */
function builtIn(scope: Scope, ready: Ready, value: unknown, attempt: AttemptContext): Promise<Json> {
  if (ready.tool.finding) return search(scope, ready, value as { query: string }, attempt);
  return readBack(scope, value as { ref: string; from?: number }).then(({ text, parts }) => {
    if (parts) ready.parts = parts;
    return text;
  });
}

/** Runs the tool once. What a generator returns is its output. */
function executed(scope: Scope, call: Call, ready: Ready, value: unknown, attempt: AttemptContext): unknown {
  const { tool } = ready;
  const ctx = new CallContext(attempt, scope, call, ready);
  const failed = (error: unknown) => {
    if (NeedsPerson.is(error)) ready.asks = error;
    throw error;
  };
  const whole = (output: unknown) =>
    isGenerator(output) ? driven(output, attempt.signal, ctx.progress as (data: unknown) => void).catch(failed) : output;
  const own = tool.finding === 'find' || tool.reads;
  try {
    const output: unknown = own ? builtIn(scope, ready, value, attempt) : tool.options.execute(value, ctx);
    return isThenable(output) ? Promise.resolve(output).then(whole, failed) : whole(output);
  } catch (error) {
    return failed(error);
  }
}

/** The call itself, with its retries. @param changed the input from a wrapper. */
async function once(scope: Scope, call: Call, ready: Ready, span: ToolTrace | undefined, waited: boolean, changed?: Json): Promise<End> {
  const { tool } = ready;
  const { cost } = tool.options;
  const { mask } = scope.secrets;
  const result = await perform<unknown, unknown>(
    scope,
    {
      call,
      policy: scope.plan.tool(tool),
      owner: tool,
      name: tool.name,
      target: { tool: tool.name },
      fallbackCode: 'TOOL_FAILED',
      prepare: () => {
        const renewing = ready.expiresAt === undefined ? undefined : renewed(scope, ready, ready.expiresAt);
        return renewing ? renewing.then(() => argument(ready, changed)) : argument(ready, changed);
      },
      run: (value, attempt) => {
        const go = () => executed(scope, call, ready, value, attempt);
        return span ? span.run(go) : go();
      },
      keep: (value) => lateAllowed(scope, tool.name, observed(tool, value, scope.secrets).output),
      failedAttempt: (draft) => {
        if (ready.handedAgain) draft.credentials = takeHandedAgain(ready);
        if (scope.host.checks.result.held) draft.message = UNCHECKED;
        span?.failedAttempt(draft);
      },
      usd: typeof cost === 'number' ? cost : undefined,
      charge: (value) => chargeOf(tool, value, mask),
    },
    waited,
  );
  const paid = result.usd !== undefined && { charge: { usd: result.usd } };
  if (result.ok) {
    const { value, attempts } = result;
    const { parts } = ready;
    const seen = { ...observed(tool, value, scope.secrets), ...(parts && { content: parts }) };
    // asked last, because it may change what it is given
    return { ok: true, seen, attempts, ...(typeof cost === 'function' && { charge: chargeOf(tool, value, mask) }), ...paid };
  }
  const { error, cancelled } = result;
  return { ok: false, error, attempts: error.attempts, cancelled, ...paid };
}
