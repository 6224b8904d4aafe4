/** What the engine's policy says of a run as a whole, and of what comes in from outside. */
import { RondoError } from '../errors.ts';
import { accessProblem, allowedContent } from '../hitl/policy.ts';
import type { RunFold } from '../journal/fold.ts';
import { type Asked, inputOf, isConversation, wholeOf } from '../ports/input.ts';
import type { AccessRequest } from '../ports/policy.ts';
import type { Principal } from '../ports/principal.ts';
import { ENGINE, type Eyes, findRun } from './lookup.ts';
import type { Resources } from './resources.ts';

type About = Pick<AccessRequest, 'agent' | 'runId' | 'session'>;

export const aboutRun = ({ runId, root, started }: RunFold): About => ({ runId, agent: root.agent, session: started.session });

/** Whether the policy lets the caller do this; what is refused is left out of a list. */
export const hasAccess = async (
  { host }: Resources,
  point: AccessRequest['point'],
  by: Principal | undefined,
  about: About,
): Promise<boolean> => (await accessProblem(host.policy, { point, by, ...about })) === undefined;

/** The engine's own work is asked of no policy. @throws RondoError `NOT_PERMITTED` with the policy's reason. */
export async function assertAccess({ host }: Resources, point: AccessRequest['point'], by: Eyes, about: About): Promise<void> {
  if (by === ENGINE) return;
  const problem = await accessProblem(host.policy, { point, by, ...about });
  if (problem === undefined) return;
  throw new RondoError('NOT_PERMITTED', `run ${about.runId} (${point}): ${problem}`, { details: { runId: about.runId, point } });
}

/** A run that the caller sees, and may do this with. @throws RondoError `RUN_NOT_FOUND`, `NOT_PERMITTED`. */
export async function runFor(
  resources: Resources,
  runId: string,
  by: Eyes,
  point: AccessRequest['point'],
  until?: number,
): Promise<RunFold> {
  const run = await findRun(resources.journal, runId, by, until);
  await assertAccess(resources, point, by, aboutRun(run));
  return run;
}

/**
 * The policy sees all that is asked, a conversation as a list of messages. @returns the input as it leaves it.
 * @throws RondoError `INPUT_REFUSED` with the policy's reason, and where it makes a list of messages that no model could be sent.
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
