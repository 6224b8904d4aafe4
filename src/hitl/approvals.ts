import { RondoError } from '../errors.ts';
import { digest, sha256 } from '../journal/canonical.ts';
import type { EntryOf } from '../journal/entries.ts';
import type { Approval as Asked, Call, RunFold } from '../journal/fold.ts';
import type { ApprovalRule, DecisionType, Question } from '../ports/tool.ts';
import type { Json, JsonSchema } from '../schema.ts';

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
  | { kind: 'tool'; tool: string; input: Json; /** SHA-256 of the canonical input, hex */ digest: string }
  | { kind: 'question'; question: string; answer?: JsonSchema }
  | { kind: 'consent'; provider: string; url: string }
);

const TOOL: readonly DecisionType[] = ['approve', 'edit', 'reject'];
const QUESTION: readonly DecisionType[] = ['respond', 'reject'];
const CONSENT: readonly DecisionType[] = ['approve', 'reject'];

export type Asks = { rule: ApprovalRule; question?: Question; consent?: { provider: string; url: string } };

/** The entry that asks. Its id is bound to run, call, tool and arguments: it fits nothing else. */
export function request(
  runId: string,
  call: Pick<Call, 'id' | 'name' | 'input' | 'approval'>,
  { rule, question, consent }: Asks,
  now: number,
): Omit<EntryOf<'approval.requested'>, 'v' | 'seq' | 'at' | 'frame'> {
  const bound = digest(call.input);
  const kind = question ? 'question' : consent ? 'consent' : 'tool';
  return {
    type: 'approval.requested',
    id: `ap_${sha256(JSON.stringify([runId, call.id, call.name, bound, kind, call.approval?.asked.seq ?? null])).slice(0, 20)}`,
    call: call.id,
    kind,
    tool: call.name,
    digest: bound,
    allow: question ? QUESTION : consent ? CONSENT : (rule.allow ?? TOOL),
    ...(rule.reason !== undefined && { reason: rule.reason }),
    ...(rule.roles && { roles: rule.roles }),
    ...(rule.expires !== undefined && { expiresAt: now + rule.expires }),
    ...question,
    ...consent,
  };
}

/** The public face of an approval. */
export function view(run: RunFold, { asked }: Asked): Approval {
  const base = {
    id: asked.id,
    runId: run.runId,
    path: [run.root.agent],
    allow: asked.allow,
    askedAt: asked.at,
    ...(asked.reason !== undefined && { reason: asked.reason }),
    ...(asked.roles && { roles: asked.roles }),
    ...(asked.expiresAt !== undefined && { expiresAt: asked.expiresAt }),
  };
  if (asked.kind === 'question')
    return { ...base, kind: 'question', question: asked.question ?? '', ...(asked.answer && { answer: asked.answer }) };
  if (asked.kind === 'consent') return { ...base, kind: 'consent', provider: asked.provider ?? '', url: asked.url ?? '' };
  const input = run.root.calls.find((c) => c.id === asked.call)?.input ?? null;
  return { ...base, kind: 'tool', tool: asked.tool, input, digest: asked.digest };
}

/**
 * Checks that a decided call is still the one that was decided.
 * @throws RondoError `JOURNAL_DAMAGED` where its arguments are others.
 */
export function assertBound(runId: string, call: Call): void {
  const { approval } = call;
  if (!approval?.decided) return;
  const now = digest(call.input);
  if (approval.asked.digest === now && approval.decided.digest === now && approval.asked.tool === call.name) return;
  throw new RondoError('JOURNAL_DAMAGED', `run ${runId}: the arguments of call ${call.id} are not those that were approved. Nothing was run; inspect the journal.`, {
    details: { runId, call: call.id },
  });
}
