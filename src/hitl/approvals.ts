import { timeAfter } from '../days.ts';
import { defined } from '../defined.ts';
import { RondoError } from '../errors.ts';
import { digest, sha256 } from '../journal/canonical.ts';
import type { CallId, Decision, EntryOf } from '../journal/entries/entries.ts';
import type { Approval as Asked, Call, RunFold } from '../journal/fold/fold.ts';
import { copyJson, isSameJson, type Json } from '../json.ts';
import type { ApprovalRule, DecisionType, Effect, Question } from '../ports/tool.ts';
import type { JsonSchema } from '../schema.ts';

/** A question to a person. `path` names the agents from the run's top agent down to the one that asks. Times are epoch milliseconds. */
export type Approval = {
  /** Derived from the run, the call, its arguments and how often it was asked about: a decision cannot apply to anything else. */
  id: string;
  runId: string;
  /** The call that waits for the answer, as in the events of it. */
  callId: CallId;
  path: readonly string[];
  /** Why a person is asked, by the rule of the tool and the policy, or by the foreign agent that asks. */
  reason?: string;
  /** The types of decisions that are accepted. Any other is refused with `DECISION_INVALID`. */
  allow: readonly DecisionType[];
  /** A person needs one of these to decide, and must not be the one who started the run. Absent: anyone may decide. */
  roles?: readonly string[];
  /**
   * By the store's clock. From then on a decision is refused with `APPROVAL_EXPIRED`, and the agent is told that none came. Absent: never.
   */
  expiresAt?: number;
  /** Its time was over when it was listed. The agent is told once the run is resumed, by `sweep()` for one. */
  expired?: true;
  askedAt: number;
} & (
  | {
      kind: 'tool';
      tool: string;
      /** The arguments that the tool will get. */
      input: Json;
      /** The arguments that the model wrote, if they differ: the tool's schema or a person changed them. */
      written?: Json;
      /** SHA-256 of the canonical `input`, hex. */
      digest: string;
    }
  | { kind: 'question'; question: string; answer?: JsonSchema }
  | { kind: 'consent'; provider: string; url: string }
);

/** The decisions that are offered where the rule names none. */
const USUAL: Readonly<Record<Approval['kind'], readonly DecisionType[]>> = {
  tool: ['approve', 'edit', 'reject'],
  question: ['respond', 'reject'],
  consent: ['approve', 'reject'],
};

/** `shown`: the arguments that the tool will get, if they differ from those that the model wrote. */
export type Asks = {
  rule: ApprovalRule;
  question?: Question | undefined;
  consent?: { provider: string; url: string; handle?: string };
  /** It is asked while the call runs, see `NeedsPerson`. */
  midway?: { state?: Json | undefined };
  hash?: string;
  effect?: Effect;
  intent?: EntryOf<'approval.requested'>['intent'];
  shown?: Json;
};

/** The entry that asks. Its id is bound to run, call, tool and arguments, so a decision cannot apply to anything else. */
export function request(
  runId: string,
  call: Pick<Call, 'id' | 'name' | 'input' | 'asked'>,
  { rule, question, consent, midway, hash, effect, intent, shown = call.input }: Asks,
  now: number,
): Omit<EntryOf<'approval.requested'>, 'v' | 'seq' | 'at' | 'frame'> {
  const bound = digest(shown);
  const kind = question ? 'question' : consent ? 'consent' : 'tool';
  return {
    type: 'approval.requested',
    id: approvalId(runId, call, bound, kind, call.asked),
    call: call.id,
    kind,
    tool: call.name,
    digest: bound,
    ...(shown !== call.input && !isSameJson(shown, call.input) && { input: shown }),
    allow: [...(rule.allow ?? USUAL[kind])],
    hash: kind === 'tool' ? hash : undefined,
    effect: kind === 'tool' ? effect : undefined,
    intent: kind === 'tool' && intent ? { name: intent.name, key: intent.key, digest: intent.digest } : undefined,
    reason: rule.reason,
    roles: rule.roles && [...rule.roles],
    expiresAt: timeAfter(now, rule.expires),
    ...question,
    ...consent,
    ...(midway && { midway: true as const, ...(midway.state !== undefined && { state: midway.state }) }),
  };
}

/** A deterministic id: a hash of run, call, tool, arguments (`bound`), kind, and how often the call was asked about (`nth`). */
export const approvalId = (runId: string, call: Pick<Call, 'id' | 'name'>, bound: string, kind: string, nth: number) =>
  `ap_${sha256(JSON.stringify([runId, call.id, call.name, bound, kind, nth])).slice(0, 20)}`;

/** The public form of an approval. @param now the store's time, to tell whether it has expired. */
export function view(run: RunFold, { asked, call, frame }: Asked, now = Number.NEGATIVE_INFINITY): Approval {
  const base = {
    id: asked.id,
    runId: run.runId,
    callId: call.id,
    path: frame.path,
    allow: [...asked.allow],
    askedAt: asked.at,
    ...defined({ reason: asked.reason, roles: asked.roles && [...asked.roles], expiresAt: asked.expiresAt }),
    ...(asked.expiresAt !== undefined && now >= asked.expiresAt && { expired: true as const }),
  };
  if (asked.kind === 'question')
    return { ...base, kind: 'question', question: asked.question ?? '', ...(asked.answer && { answer: asked.answer }) };
  if (asked.kind === 'consent') return { ...base, kind: 'consent', provider: asked.provider ?? '', url: asked.url ?? '' };
  const written = copyJson(call.input);
  const tool = { ...base, kind: 'tool', tool: asked.tool, digest: asked.digest } as const;
  return asked.input === undefined ? { ...tool, input: written } : { ...tool, input: copyJson(asked.input), written };
}

/** The digest of the arguments that a decision allows: those that were shown, or the edited ones. */
export const decidedDigest = (asked: Pick<EntryOf<'approval.requested'>, 'digest'>, decision: Decision) =>
  decision.type === 'edit' ? digest(decision.input) : asked.digest;

/**
 * Checks that a decision belongs to this call and its arguments.
 * @throws RondoError `JOURNAL_DAMAGED` if it does not.
 */
export function assertBound(runId: string, call: Call): void {
  const { asked, decided } = call.approval ?? {};
  if (!asked || !decided) return;
  const bound = digest(asked.input ?? call.input);
  const id = approvalId(runId, call, bound, asked.kind, call.asked - 1);
  const same =
    asked.digest === bound &&
    asked.id === id &&
    decided.decision.approval === id &&
    decided.digest === decidedDigest(asked, decided.decision);
  if (same) return;
  throw new RondoError(
    'JOURNAL_DAMAGED',
    `run ${runId}: the arguments of call ${call.id} are not those that were approved. Nothing was run; inspect the journal.`,
    {
      details: { runId, call: call.id },
    },
  );
}
