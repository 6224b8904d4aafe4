import { RondoError } from '../errors.ts';
import { canonical } from '../journal/canonical.ts';
import type { Decision, Draft } from '../journal/entries/entries.ts';
import { type Approval, isOver, type RunFold } from '../journal/fold/fold.ts';
import { copyJson } from '../json.ts';
import { foreignSchema } from '../json-schema.ts';
import { misspelt } from '../options.ts';
import type { Principal } from '../ports/principal.ts';
import { type Schema, validate } from '../schema.ts';
import { decidedDigest } from './approvals.ts';

const FIELDS: { readonly [type: string]: readonly string[] } = {
  approve: ['type', 'note'],
  edit: ['type', 'input', 'note'],
  reject: ['type', 'reason', 'note'],
  respond: ['type', 'answer', 'note'],
};

/** Other fields do not count, since clients send more; but not a misspelt one. */
function checkFields(decision: Readonly<Record<string, unknown>>): void {
  const { type } = decision;
  const fields = typeof type === 'string' && Object.hasOwn(FIELDS, type) ? FIELDS[type] : undefined;
  const missing = (fields ?? ['type']).filter((name) => decision[name] === undefined);
  const slip = misspelt(missing, () => Object.keys(decision));
  const approval = decision.approval as string;
  if (slip) throw invalid(`a decision has no "${slip.name.slice(0, 100)}". Did you mean "${slip.meant}"?`, approval);
  // no message may make a text of what a caller sent in its place: an object need not have one
  if (typeof type !== 'string') throw invalid(`the type of a decision is one of the texts ${Object.keys(FIELDS).join(', ')}.`, approval);
}

/** Checks the shape of decisions, which may come from a caller. @throws RondoError `DECISION_INVALID`. */
export function checkDecisions(decisions: unknown): asserts decisions is readonly Decision[] {
  const isList = Array.isArray(decisions);
  if (isList && decisions.every((one) => typeof one === 'object' && one !== null && typeof one.approval === 'string')) {
    for (const one of decisions) checkFields(one);
    return;
  }
  throw new RondoError(
    'DECISION_INVALID',
    'decisions are a list of what approve(approval) and its like make: [{ approval, type: "approve" }], with the id of each approval as a text.',
  );
}

/** Who decides, when, and how an edit is checked. */
export interface Deciding {
  /** From the caller's authentication, never from the decision itself. */
  by: Principal;
  /** The store's clock, epoch milliseconds. */
  now: number;
  /** The input schema of a tool, to check an edit against; undefined if its agent is not registered in this process. */
  schemaOf(approval: Approval): Schema | undefined;
}

/**
 * Checks all decisions against the run. Either all are accepted or none.
 * @returns the entries to append. A decision that is in the journal already, with the same content, adds none.
 * @throws RondoError `APPROVAL_NOT_FOUND`, `APPROVAL_CLOSED`, `APPROVAL_EXPIRED`, `NOT_PERMITTED`, or `DECISION_INVALID`.
 */
export async function decisionEntries(run: RunFold, decisions: readonly Decision[], o: Deciding): Promise<Draft[]> {
  const entries: Draft[] = [];
  const seen = new Set<string>();
  for (const decision of decisions) {
    const id = decision.approval;
    if (seen.has(id)) throw invalid(`approval ${id} is decided twice in one call. Decide it once.`, id);
    seen.add(id);
    const approval = run.approvals.get(id);
    if (!approval)
      throw new RondoError('APPROVAL_NOT_FOUND', `run ${run.runId} has no approval "${id}". inspect() lists its open ones.`, {
        details: { approval: id },
      });
    if (approval.decided) {
      if (canonical(approval.decided.decision) === canonical(decision) && approval.decided.by.id === o.by.id) continue;
      throw new RondoError(
        'APPROVAL_CLOSED',
        `approval ${id} was already decided: ${approval.decided.decision.type}, by ${approval.decided.by.id}.`,
        {
          details: { approval: id, decision: approval.decided.decision.type, by: approval.decided.by.id },
        },
      );
    }
    checkOpen(run, approval, o);
    await checkDecision(approval, decision, o);
    entries.push({ type: 'approval.decided', id, decision, by: o.by, digest: decidedDigest(approval.asked, decision) });
  }
  return entries;
}

/**
 * Whether this person may decide this approval now.
 * @throws RondoError `APPROVAL_CLOSED`, `APPROVAL_EXPIRED` by the store's clock, `NOT_PERMITTED` without the role, or for one's own request.
 */
function checkOpen(run: RunFold, { asked, call, frame }: Approval, o: Deciding): void {
  const open = call.status === 'open' && !frame.ended;
  if (!open || isOver(run))
    throw new RondoError('APPROVAL_CLOSED', `approval ${asked.id} is closed: ${open ? `the run ${run.status}` : 'its call has ended'}.`, {
      details: { approval: asked.id },
    });
  if (asked.expiresAt !== undefined && o.now >= asked.expiresAt)
    throw new RondoError(
      'APPROVAL_EXPIRED',
      `approval ${asked.id} expired at ${new Date(asked.expiresAt).toISOString()}. resume() tells the agent so; it may ask again.`,
      { details: { approval: asked.id, expiresAt: asked.expiresAt } },
    );
  if (!asked.roles) return;
  if (!asked.roles.some((role) => o.by.roles?.includes(role)))
    throw notPermitted(`approval ${asked.id} asks for one of the roles ${asked.roles.join(', ')}, and ${o.by.id} has none of them.`);
  // a rule with roles requires a second person
  if (run.started.by?.id === o.by.id)
    throw notPermitted(`${o.by.id} asked for this run, so somebody else must decide approval ${asked.id}.`);
}

/** Whether the decision is one that was offered, complete, and of a size that a request can hold. @throws RondoError `DECISION_INVALID`. */
async function checkDecision(approval: Approval, decision: Decision, o: Deciding): Promise<void> {
  const { asked } = approval;
  const { id } = asked;
  if (!asked.allow.includes(decision.type)) throw invalid(`approval ${id} takes ${asked.allow.join(', ')}, not "${decision.type}".`, id);
  if (decision.type === 'reject' && typeof decision.reason !== 'string')
    throw invalid(`a rejection needs a reason: the agent is told it.`, id);
  for (const text of [decision.note, decision.type === 'reject' ? decision.reason : undefined])
    if (text !== undefined && (typeof text !== 'string' || text.length > MAX_TEXT))
      throw invalid(`a reason or note is a text of at most ${MAX_TEXT} characters.`, id);
  if (decision.type === 'edit') {
    if (decision.input === undefined) throw invalid('an edit needs an input.', id);
    const schema = o.schemaOf(approval);
    const checked = schema && (await validate(schema, copyJson(decision.input)));
    if (checked && !checked.ok) throw invalid(`the edited input does not fit ${asked.tool}: ${checked.problem.replace(/\.$/, '')}.`, id);
  }
  if (decision.type === 'respond') {
    if (decision.answer === undefined) throw invalid('a response needs an answer.', id);
    if (JSON.stringify(decision.answer).length > MAX_ANSWER) throw invalid(`the answer is longer than ${MAX_ANSWER} characters.`, id);
    const checked = asked.answer && (await validate(foreignSchema(asked.answer, 'the schema of the answer'), decision.answer));
    if (checked && !checked.ok) throw invalid(`the answer does not fit the question: ${checked.problem.replace(/\.$/, '')}.`, id);
  }
}

/** Most characters of JSON in an answer, which is part of every later request to the model. */
const MAX_ANSWER = 65_536;

const MAX_TEXT = 10_000;

const invalid = (message: string, id: string) => new RondoError('DECISION_INVALID', message, { details: { approval: id } });
const notPermitted = (message: string) => new RondoError('NOT_PERMITTED', message);
