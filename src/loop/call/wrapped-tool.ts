/** Runs a tool call inside the wrappers of `use: [{ tool }]`. */
import { type Failure, notRun, type Outcome } from '../../errors.ts';
import type { Charge } from '../../journal/entries/intent.ts';
import type { Call } from '../../journal/fold/fold.ts';
import { copyJson, type Json } from '../../json.ts';
import { bounded, messageOf, severity, waitOf } from '../../reliability/classify.ts';
import { Halted, unlessHalted } from '../../reliability/patience.ts';
import type { ToolOutcome } from '../middleware.ts';
import { infoOf, Wrapping } from '../model/wrapping.ts';
import type { Scope } from '../types.ts';
import type { Ready } from './call.ts';
import { lateCharge, sumOf } from './charge.ts';
import { endedLate } from './late.ts';
import type { Observed } from './observed.ts';
import { observed } from './output.ts';

/** The result of a call. */
export type End = { attempts: number; charge?: Charge } & (
  | { ok: true; seen: Observed }
  | { ok: false; error: Failure; cancelled?: true | undefined }
);

/**
 * Runs a call inside its wrappers. The outcome of the call itself is kept, whatever a wrapper does afterwards.
 * @param run the call itself. `waited`: time has passed since its start was appended.
 */
export async function wrappedTool(
  scope: Scope,
  call: Call,
  ready: Ready,
  run: (waited: boolean, changed?: Json) => Promise<End>,
): Promise<End> {
  const asked = { name: ready.tool.name, input: copyJson(ready.shown) };
  let inside: Promise<End> | undefined;
  let last: End | undefined;
  /** The outcome of a call that ran, if a wrapper does not pass on its result. */
  const untold: Outcome = ready.tool.effect === 'read' ? 'failed' : 'unknown';
  /** The worst outcome of all calls of `next`: one that may have taken effect still counts after a later one was refused. */
  let worst: Outcome = 'not-run';
  let attempts = 0;
  const charges: Charge[] = [];
  const { epoch } = scope.run;
  const wrapping = new Wrapping('a use.tool wrapper', scope.plan.tool(ready.tool));
  const asks = async (input?: Json): Promise<ToolOutcome> => {
    const { waited } = wrapping;
    // a `once` call runs once even if a wrapper calls `next` again or in parallel: it gets the first result
    for (let seen: typeof inside; ready.tool.effect === 'once' && inside !== seen; ) {
      seen = inside;
      const first = await seen;
      if (first && (first.ok || first.error.outcome !== 'not-run')) return outcomeOf(first);
    }
    inside = run(waited, input);
    last = undefined;
    last = await inside;
    attempts += last.attempts;
    if (last.charge) charges.push(last.charge);
    const came = last.ok ? untold : last.error.outcome;
    if (severity[came] > severity[worst]) worst = came;
    return outcomeOf(last);
  };
  /** The outcome if a wrapper does not set one. For a call that still runs it is not known yet. */
  const known = (): Outcome => (inside && !last ? untold : worst);
  const builtIn = ready.tool.finding === 'find' || ready.tool.reads;
  const info = { ...infoOf(scope, scope.frame.step), callId: call.id, ...(builtIn && { builtIn: true as const }) };
  const { cost } = ready.tool.options;
  /** With what all calls of `next` cost: one that still runs counts already, where its cost is known. */
  const charged = (end: End): End => {
    const running = inside && !last && typeof cost === 'number' ? [{ usd: cost }] : [];
    const charge = sumOf([...charges, ...running, ...(typeof cost === 'number' ? [{ usd: 0 }] : [])]);
    return cost === undefined ? end : { ...end, charge };
  };
  let next = (input?: Json) => wrapping.inside(() => asks(input));
  for (const wrapper of scope.plan.toolWrappers.toReversed()) {
    const within = next;
    next = async (input) => wrapper(input === undefined ? asked : { ...asked, input }, within, info);
  }
  try {
    const answering = next();
    wrapping.waited = true;
    const outcome: unknown = await unlessHalted(Promise.race([answering, wrapping.late]), scope.cancel);
    return charged(judged(scope, ready, outcome, last, attempts, known()));
  } catch (error) {
    // a halt also ends the call itself at once, so this does not wait long
    if (error instanceof Halted) return charged((await inside) ?? cancelledBefore());
    return charged(broken(messageOf(error, scope.secrets.mask), attempts, known()));
  } finally {
    wrapping.end();
    // a wrapper returned a result of its own while the call still runs
    if (!last)
      void inside?.then(
        (end) => endedLate(scope, call.id, epoch, { ...(end.ok ? end.seen : end), ...lateCharge(ready.tool, end.charge ?? {}) }),
        // the call never started, because this process lost the run
        () => undefined,
      );
  }
}

const outcomeOf = (end: End): ToolOutcome => (end.ok ? { ok: true, output: end.seen.output } : { ok: false, error: end.error });

/** The end of a call that was halted before a wrapper called `next`. */
export const cancelledBefore = (): End => ({
  ok: false,
  cancelled: true,
  attempts: 0,
  error: notRun('CANCELLED', 'Cancelled before it began.'),
});

/** Checks the result of the outermost wrapper. */
function judged(scope: Scope, ready: Ready, outcome: unknown, last: End | undefined, attempts: number, otherwise: Outcome): End {
  const { ok, output, error } = (outcome ?? {}) as Partial<{ ok: unknown; output: Json; error: Partial<Failure> }>;
  // content that the tool's toModel made stays, unless a wrapper changed the output
  if (ok === true)
    return { ok: true, attempts, seen: last?.ok && last.seen.output === output ? last.seen : observed(ready.tool, output, scope.secrets) };
  if (ok !== false || typeof error?.code !== 'string' || typeof error.message !== 'string')
    return broken('a wrapper answered neither { ok: true, output } nor { ok: false, error: { code, message } }', attempts, otherwise);
  const { mask } = scope.secrets;
  const known: Failure = {
    code: mask(error.code).slice(0, 100),
    message: bounded(mask(error.message)),
    retryable: error.retryable === true,
    attempts,
    outcome: error.outcome !== undefined && Object.hasOwn(severity, error.outcome) ? error.outcome : otherwise,
  };
  const asked = waitOf(error.retryAfter);
  if (asked !== undefined) known.retryAfter = asked;
  return { ok: false, attempts, error: known };
}

/** The failure of a wrapper, with the outcome of the call itself. */
function broken(message: string, attempts: number, outcome: Outcome): End {
  return { ok: false, attempts, error: { code: 'MIDDLEWARE_FAILED', message, retryable: false, attempts, outcome } };
}
