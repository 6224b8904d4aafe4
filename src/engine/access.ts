/** Asks the engine's policy about access to runs and about input. */
import { RondoError } from '../errors.ts';
import { type Allowed, allowedContent } from '../hitl/content.ts';
import { accessProblem } from '../hitl/policy.ts';
import type { Decision } from '../journal/entries/entries.ts';
import type { RunFold } from '../journal/fold/fold.ts';
import type { Judged } from '../ports/guardrail.ts';
import { type Asked, inputOf, isConversation, wholeOf } from '../ports/input.ts';
import type { AccessRequest } from '../ports/policy.ts';
import type { Principal } from '../ports/principal.ts';
import { type About, aboutRun } from './about.ts';
import { ENGINE, findRun, sees, type Viewer } from './read/lookup.ts';
import type { Resources } from './resources.ts';

/** Whether the policy allows the caller to do this. For lists, which leave out what is refused. */
export const hasAccess = async ({ host }: Resources, point: AccessRequest['point'], by: Viewer, about: About): Promise<boolean> =>
  by === ENGINE || (await accessProblem(host.policy, { point, by, ...about })) === undefined;

/** Whether the caller may see a run and do this with it. */
export const reaches = async (resources: Resources, point: AccessRequest['point'], by: Viewer, run: RunFold): Promise<boolean> =>
  sees(by, run.started.by?.tenant) && hasAccess(resources, point, by, aboutRun(run));

/** Asks the policy, except for the engine's own work. @throws RondoError `NOT_PERMITTED` with the policy's reason. */
export async function assertAccess({ host }: Resources, point: AccessRequest['point'], by: Viewer, about: About): Promise<void> {
  if (by === ENGINE) return;
  const problem = await accessProblem(host.policy, { point, by, ...about });
  if (problem === undefined) return;
  throw new RondoError('NOT_PERMITTED', `run ${about.runId} (${point}): ${problem}`, { details: { runId: about.runId, point } });
}

/** The run, if the caller may see it and do this with it. @throws RondoError `RUN_NOT_FOUND`, `NOT_PERMITTED`. */
export async function runFor(
  resources: Resources,
  runId: string,
  by: Viewer,
  point: AccessRequest['point'],
  until?: number,
): Promise<RunFold> {
  const run = await findRun(resources.journal, runId, by, until);
  await assertAccess(resources, point, by, aboutRun(run));
  return run;
}

/** Whether a run is checked before it starts. */
export const checksStarts = ({ host }: Resources): boolean => host.policy?.access !== undefined || host.checks.input.asked;

/**
 * The policy and the guardrails see the whole input, a conversation as a list of messages.
 * @param form `content` unless the input is data that a schema of the agent describes. @returns the input, as they replaced it if
 * they did, and the verdicts.
 * @throws RondoError `INPUT_REFUSED` with the reason, or if the input was replaced with an invalid list of messages; `GUARDRAIL_FAILED` if
 * a guardrail could not be asked. Their details have the verdicts.
 */
export async function allowedInput(
  { host }: Resources,
  by: Principal | undefined,
  of: About,
  asked: Asked,
  form?: 'content',
): Promise<Asked & Judged> {
  const { owner: _, ...about } = of;
  const { runId } = about;
  const allowed = await allowedContent(host, { point: 'input', by, ...about, value: wholeOf(asked), ...(form && { form }) });
  const verdicts = allowed.verdicts && { verdicts: allowed.verdicts };
  if (!allowed.ok) throw refusal('the input', runId, allowed);
  const { replaced } = allowed;
  if (replaced === undefined) return { ...asked, ...verdicts };
  if (!asked.earlier || !isConversation(replaced)) return { input: replaced, ...verdicts };
  const unfit = (why: string) =>
    new RondoError('INPUT_REFUSED', `what was made of the input of run ${runId} cannot be sent: ${why}.`, {
      details: { runId, ...verdicts },
    });
  return { ...inputOf(replaced, unfit), ...verdicts };
}

const refusal = (what: string, runId: string, { reason, code, verdicts }: Extract<Allowed, { ok: false }>) =>
  new RondoError(code ?? 'INPUT_REFUSED', `${what} of run ${runId} was refused, and nothing was done: ${reason}`, {
    details: { runId, ...(verdicts && { verdicts }) },
  });

/**
 * What people answer to questions goes into the run like an input. @returns the decisions with the answers as policy and guardrails leave
 * them, and the verdicts by approval. @throws RondoError `INPUT_REFUSED`, `GUARDRAIL_FAILED`
 */
export async function allowedAnswers(
  { host }: Resources,
  run: RunFold,
  decisions: readonly Decision[],
  by: Principal,
): Promise<{ decisions: readonly Decision[]; verdicts: ReadonlyMap<string, Judged['verdicts']> }> {
  const verdicts = new Map<string, Judged['verdicts']>();
  if (!host.checks.input.asked) return { decisions, verdicts };
  const { owner: _, ...about } = aboutRun(run);
  const told: Decision[] = [];
  for (const decision of decisions) {
    if (decision.type !== 'respond' || decision.answer === undefined) {
      told.push(decision);
      continue;
    }
    const allowed = await allowedContent(host, { point: 'input', by, ...about, value: decision.answer });
    if (!allowed.ok) throw refusal(`the answer to ${decision.approval}`, run.runId, allowed);
    verdicts.set(decision.approval, allowed.verdicts);
    told.push(allowed.replaced === undefined ? decision : { ...decision, answer: allowed.replaced });
  }
  return { decisions: told, verdicts };
}
