/** Asks guardrails about a value, one after the other: each sees what the one before made of it. The first that blocks ends it. */
import { invalid, RondoError, ToolError } from '../errors.ts';
import { isCost } from '../journal/fold/spent.ts';
import { copyJson, type Json, plainJson } from '../json.ts';
import type { Finding, Guardrail, GuardrailRequest, GuardrailVerdict } from '../ports/guardrail.ts';
import type { Message } from '../ports/model.ts';
import type { ContentRequest } from '../ports/policy.ts';
import type { CancelSource } from '../reliability/cancel.ts';
import { bounded, messageOf } from '../reliability/classify.ts';
import { Late, signalled } from '../reliability/patience.ts';

const POINTS: ReadonlySet<unknown> = new Set(['input', 'output', 'result'] satisfies ContentRequest['point'][]);
/** Milliseconds: by default, and at most. */
const TIMEOUT = 10_000;
const LONGEST = 600_000;
/** Most findings of a verdict, and most characters of a category: they are journaled. */
const MOST_FINDINGS = 50;
const LONGEST_CATEGORY = 100;

/**
 * The guardrails of an engine or an agent, as a copy. None is asked here.
 * @param where what declares them, for the message.
 * @throws RondoError `CONFIG_INVALID` for what is not a list, a name that is taken, a point that there is none of, or a bad time.
 */
export function checkGuardrails(guardrails: unknown, where: string): readonly Guardrail[] {
  if (guardrails === undefined) return [];
  if (!Array.isArray(guardrails)) throw invalid(`${where}: guardrails is a list: [piiGuardrail()].`);
  const names = new Set<string>();
  for (const one of guardrails as readonly Partial<Guardrail>[]) {
    const { name, points, timeout, check } = one ?? {};
    if (typeof name !== 'string' || name === '' || name.length > 100 || typeof check !== 'function')
      throw invalid(`${where}: a guardrail is { name, check }, with a name of 1 to 100 characters.`);
    if (names.has(name)) throw invalid(`${where}: two guardrails have the name "${name}". Verdicts tell them apart by it.`);
    names.add(name);
    if (points !== undefined && !(Array.isArray(points) && points.length > 0 && points.every((point) => POINTS.has(point))))
      throw invalid(`${where}: the points of guardrail "${name}" are a list of 'input', 'output' and 'result'.`);
    if (timeout !== undefined && !(typeof timeout === 'number' && timeout > 0 && timeout <= LONGEST))
      throw invalid(`${where}: the timeout of guardrail "${name}" is a number of milliseconds from 1 to ${LONGEST}.`);
  }
  return [...guardrails];
}

/** Whether one of them looks at this point. A guardrail without `points` looks at all. */
export const guards = (guardrails: readonly Guardrail[], point: ContentRequest['point']): boolean =>
  guardrails.some(({ points }) => points === undefined || points.includes(point));

/** What the guardrails are told besides the value. */
export interface Asking {
  /** The messages so far. Called, and copied, only if a guardrail reads them. */
  conversation?: () => readonly Message[];
  /** Ends the wait for an answer: the value is then blocked. */
  cancel?: CancelSource | undefined;
  /** Of an answer: its reasoning is looked at, and not its text. */
  of?: 'reasoning';
}

/** `value`: what became of it. `blocked`: the code of the refusal, and its reason for people and the model. */
export interface Guarded {
  value: Json;
  changed: boolean;
  blocked?: { code: 'REFUSED' | 'GUARDRAIL_FAILED'; reason: string };
  /** Of all that were asked, in order. */
  verdicts: readonly GuardrailVerdict[];
}

/**
 * Asks each guardrail of this point in order. A refusal, a failure and a timeout end it; a mask goes on with the masked value.
 * @returns the verdicts up to there, which belong into the journal. Never rejects: what cannot be asked blocks.
 */
export async function guarded(guardrails: readonly Guardrail[], r: ContentRequest, o: Asking = {}): Promise<Guarded> {
  const verdicts: GuardrailVerdict[] = [];
  let { value } = r;
  let changed = false;
  for (const guardrail of guardrails) {
    if (guardrail.points && !guardrail.points.includes(r.point)) continue;
    const since = performance.now();
    const ruling = await ruled(guardrail, { ...r, value }, o);
    const { action, findings, usd, unpriced } = ruling;
    verdicts.push({
      guardrail: guardrail.name,
      point: r.point,
      action,
      ...(findings.length > 0 && { findings }),
      ...('code' in ruling && { code: ruling.code }),
      ...(o.of && { of: o.of }),
      ...(usd !== undefined && { usd }),
      ...(unpriced && { unpriced }),
      ms: Math.round(performance.now() - since),
    });
    if (action === 'block') {
      const code = 'code' in ruling ? 'GUARDRAIL_FAILED' : 'REFUSED';
      return { value, changed, blocked: { code, reason: ruling.reason }, verdicts };
    }
    if (action === 'mask') {
      changed = true;
      value = ruling.value;
    }
  }
  return { value, changed, verdicts };
}

type Ruled = { findings: readonly Finding[]; usd?: number; unpriced?: true } & (
  | { action: 'allow' }
  | { action: 'mask'; value: Json }
  | { action: 'block'; reason: string; code?: 'GUARDRAIL_FAILED' | 'GUARDRAIL_TIMEOUT' }
);

/** The ruling of one guardrail, each field checked. Never throws. */
async function ruled(guardrail: Guardrail, r: ContentRequest, { conversation, cancel }: Asking): Promise<Ruled> {
  const { name, timeout = TIMEOUT } = guardrail;
  const refused = (code: 'GUARDRAIL_FAILED' | 'GUARDRAIL_TIMEOUT', why: string): Ruled => ({
    action: 'block',
    code,
    reason: `guardrail "${name}" ${why}`,
    findings: [],
  });
  try {
    const asked = { ...r, value: copyJson(r.value) };
    const answer = await signalled(
      (signal) =>
        guardrail.check({
          ...asked,
          signal,
          // a getter, because few guardrails read it
          get conversation() {
            return copyJson(conversation?.() ?? []);
          },
        } as GuardrailRequest),
      timeout,
      `guardrail "${name}"`,
      cancel,
    );
    const { action, findings, value, reason, ...cost } = (answer ?? {}) as {
      action?: unknown;
      findings?: unknown;
      usd?: unknown;
      unpriced?: unknown;
      value?: unknown;
      reason?: unknown;
    };
    const seen = { findings: findingsOf(findings), ...chargeOf(cost) };
    if (action === 'allow') return { action, ...seen };
    if (action === 'block') {
      const told = typeof reason === 'string' && reason !== '' ? bounded(reason) : `guardrail "${name}" does not allow it`;
      return { action, reason: told, ...seen };
    }
    const masked = action === 'mask' ? plainJson(value) : undefined;
    if (action !== 'mask' || masked === undefined) return refused('GUARDRAIL_FAILED', 'gave no ruling that there is');
    return { action, value: masked, ...seen };
  } catch (error) {
    if (error instanceof Late) return refused('GUARDRAIL_TIMEOUT', `did not answer within ${timeout} ms`);
    // any other message may hold the text that was checked
    const told = ToolError.is(error) || RondoError.is(error) ? `: ${messageOf(error)}` : '';
    return refused('GUARDRAIL_FAILED', `could not be asked${told}`);
  }
}

/** What a check says that it cost. What is not US dollars is unknown, and never nothing. */
function chargeOf({ usd, unpriced }: { usd?: unknown; unpriced?: unknown }): Pick<Ruled, 'usd' | 'unpriced'> {
  const priced = isCost(usd);
  return { ...(priced && { usd }), ...((unpriced === true || (usd !== undefined && !priced)) && { unpriced: true as const }) };
}

/** Findings that are well formed, and no text that a guardrail put beside them: they are journaled. */
function findingsOf(given: unknown): readonly Finding[] {
  if (!Array.isArray(given)) return [];
  return given.slice(0, MOST_FINDINGS).flatMap((one: Partial<Finding> | null) => {
    const { category, count, score } = one ?? {};
    if (typeof category !== 'string') return [];
    const finding: Finding = { category: category.slice(0, LONGEST_CATEGORY) };
    if (Number.isInteger(count) && (count as number) >= 0) finding.count = count as number;
    if (typeof score === 'number' && score >= 0 && score <= 1) finding.score = score;
    return [finding];
  });
}
