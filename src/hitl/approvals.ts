import { RondoError } from '../errors.ts';
import { digest, sha256 } from '../journal/canonical.ts';
import type { Decision, EntryOf } from '../journal/entries.ts';
import type { Approval as Asked, Call, RunFold } from '../journal/fold.ts';
import { copyJson, isSameJson, type Json } from '../json.ts';
import type { ApprovalRule, DecisionType, Question } from '../ports/tool.ts';
import type { JsonSchema } from '../schema.ts';

/** A question to a person. `path` names the agents from the top run down to the one that asks. Times are epoch milliseconds. */
export type Approval = {
  id: string;
  runId: string;
  path: readonly string[];
  reason?: string;
  allow: readonly DecisionType[];
  roles?: readonly string[];
  expiresAt?: number;
  askedAt: number;
} & (
  | {
      kind: 'tool';
      tool: string;
      /** What the tool will get. */
      input: Json;
      /** What the model wrote, where that is something else: the tool's schema added to it or changed it, or a person did. */
      written?: Json;
      /** SHA-256 of the canonical `input`, hex. */
      digest: string;
    }
  | { kind: 'question'; question: string; answer?: JsonSchema }
  | { kind: 'consent'; provider: string; url: string }
);

const TOOL: readonly DecisionType[] = ['approve', 'edit', 'reject'];
const QUESTION: readonly DecisionType[] = ['respond', 'reject'];
const CONSENT: readonly DecisionType[] = ['approve', 'reject'];

/** `shown`: what the tool will get, where that is not what the model wrote. */
export type Asks = {
  rule: ApprovalRule;
  question?: Question | undefined;
  consent?: { provider: string; url: string; handle?: string };
  hash?: string;
  shown?: Json;
};

/** The entry that asks. Its id is bound to run, call, tool and arguments: it fits nothing else. */
export function request(
  runId: string,
  call: Pick<Call, 'id' | 'name' | 'input' | 'asked'>,
  { rule, question, consent, hash, shown = call.input }: Asks,
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
    allow: question ? [...(rule.allow ?? QUESTION)] : consent ? CONSENT : [...(rule.allow ?? TOOL)],
    ...(hash !== undefined && kind === 'tool' && { hash }),
    ...(rule.reason !== undefined && { reason: rule.reason }),
    ...(rule.roles && { roles: [...rule.roles] }),
    // JSON knows no Infinity: a time that never comes is left out
    ...(rule.expires !== undefined && Number.isFinite(rule.expires) && { expiresAt: now + rule.expires }),
    ...question,
    ...consent,
  };
}

/** Names a question by all that it is about, so that an answer fits nothing else. */
export const approvalId = (runId: string, call: Pick<Call, 'id' | 'name'>, bound: string, kind: string, nth: number) =>
  `ap_${sha256(JSON.stringify([runId, call.id, call.name, bound, kind, nth])).slice(0, 20)}`;

/** The public face of an approval. */
export function view(run: RunFold, { asked, call, frame }: Asked): Approval {
  const base = {
    id: asked.id,
    runId: run.runId,
    path: frame.path,
    allow: [...asked.allow],
    askedAt: asked.at,
    ...(asked.reason !== undefined && { reason: asked.reason }),
    ...(asked.roles && { roles: [...asked.roles] }),
    ...(asked.expiresAt !== undefined && { expiresAt: asked.expiresAt }),
  };
  if (asked.kind === 'question')
    return { ...base, kind: 'question', question: asked.question ?? '', ...(asked.answer && { answer: asked.answer }) };
  if (asked.kind === 'consent') return { ...base, kind: 'consent', provider: asked.provider ?? '', url: asked.url ?? '' };
  const written = copyJson(call.input);
  const tool = { ...base, kind: 'tool', tool: asked.tool, digest: asked.digest } as const;
  return asked.input === undefined ? { ...tool, input: written } : { ...tool, input: copyJson(asked.input), written };
}

/** What a decision vouches for: the arguments that were shown, or those put in their place. */
export const decidedDigest = (asked: Pick<EntryOf<'approval.requested'>, 'digest'>, decision: Decision) =>
  decision.type === 'edit' ? digest(decision.input) : asked.digest;

/**
 * Checks that a decided call is still the one that was decided.
 * @throws RondoError `JOURNAL_DAMAGED` where its arguments are others.
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
