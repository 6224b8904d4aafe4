/** Asks the engine's policy about access to runs and about input. */
import { RondoError } from '../errors.ts';
import { allowedContent, checks } from '../hitl/content.ts';
import { accessProblem } from '../hitl/policy.ts';
import type { RunFold } from '../journal/fold.ts';
import type { Judged } from '../ports/guardrail.ts';
import { type Asked, inputOf, isConversation, wholeOf } from '../ports/input.ts';
import type { AccessRequest } from '../ports/policy.ts';
import type { Principal } from '../ports/principal.ts';
import { ENGINE, findRun, type Viewer } from './lookup.ts';
import type { Resources } from './resources.ts';

type About = Pick<AccessRequest, 'agent' | 'runId' | 'session'>;

export const aboutRun = ({ runId, root, started }: RunFold): About => ({ runId, agent: root.agent, session: started.session });

/** Whether the policy allows the caller to do this. For lists, which leave out what is refused. */
export const hasAccess = async (
  { host }: Resources,
  point: AccessRequest['point'],
  by: Principal | undefined,
  about: About,
): Promise<boolean> => (await accessProblem(host.policy, { point, by, ...about })) === undefined;

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
export const checksStarts = ({ host }: Resources): boolean => host.policy?.access !== undefined || checks(host, 'input');

/**
 * The policy and the guardrails see the whole input, a conversation as a list of messages. @returns the input, as they replaced it if
 * they did, and the verdicts.
 * @throws RondoError `INPUT_REFUSED` with the reason, or if the input was replaced with an invalid list of messages; `GUARDRAIL_FAILED` if
 * a guardrail could not be asked. Their details have the verdicts.
 */
export async function allowedInput({ host }: Resources, by: Principal | undefined, about: About, asked: Asked): Promise<Asked & Judged> {
  const { runId } = about;
  const allowed = await allowedContent(host, { point: 'input', by, ...about, value: wholeOf(asked) });
  const verdicts = allowed.verdicts && { verdicts: allowed.verdicts };
  const details = { runId, ...verdicts };
  if (!allowed.ok) {
    const message = `the input of run ${runId} was refused, and nothing was done: ${allowed.reason}`;
    throw new RondoError(allowed.code ?? 'INPUT_REFUSED', message, { details });
  }
  const { replaced } = allowed;
  if (replaced === undefined) return { ...asked, ...verdicts };
  if (!asked.earlier || !isConversation(replaced)) return { input: replaced, ...verdicts };
  const unfit = (why: string) =>
    new RondoError('INPUT_REFUSED', `what was made of the input of run ${runId} cannot be sent: ${why}.`, { details });
  return { ...inputOf(replaced, unfit), ...verdicts };
}
