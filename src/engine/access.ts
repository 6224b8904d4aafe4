/** Asks the engine's policy about access to runs and about input. */
import { RondoError } from '../errors.ts';
import { accessProblem, allowedContent } from '../hitl/policy.ts';
import type { RunFold } from '../journal/fold.ts';
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

/**
 * The policy sees the whole input, a conversation as a list of messages. @returns the input, as the policy replaced it if it did.
 * @throws RondoError `INPUT_REFUSED` with the policy's reason, or if it replaced the input with an invalid list of messages.
 */
export async function allowedInput({ host }: Resources, by: Principal | undefined, about: About, asked: Asked): Promise<Asked> {
  const allowed = await allowedContent(host.policy, { point: 'input', by, ...about, value: wholeOf(asked) });
  if (allowed.ok) {
    const { replaced } = allowed;
    if (replaced === undefined) return asked;
    if (!asked.earlier || !isConversation(replaced)) return { input: replaced };
    return inputOf(
      replaced,
      (why) =>
        new RondoError('INPUT_REFUSED', `what the policy made of the input of run ${about.runId} cannot be sent: ${why}.`, {
          details: { runId: about.runId },
        }),
    );
  }
  throw new RondoError('INPUT_REFUSED', `the input of run ${about.runId} was refused, and nothing was done: ${allowed.reason}`, {
    details: { runId: about.runId },
  });
}
