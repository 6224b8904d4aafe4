import { RondoError } from '../errors.ts';
import type { Draft } from '../journal/entries/entries.ts';
import { promptParts } from '../journal/fold/conversation.ts';
import { isOver } from '../journal/fold/fold.ts';
import { plain } from '../options.ts';
import { inputOf } from '../ports/input.ts';
import type { AgentInput } from '../ports/model.ts';
import { type Principal, principal } from '../ports/principal.ts';
import { aboutRun } from './about.ts';
import { allowedInput } from './access.ts';
import { logOf } from './interventions.ts';
import { checkCall } from './method-options.ts';
import type { Resources } from './resources.ts';

/** Most characters of JSON of one message, and most messages that wait at a time. They are journaled. */
const LARGEST = 1_000_000;
const MOST_WAITING = 100;

/** @see Engine.send */
export async function send(resources: Resources, runId: string, message: AgentInput, o: { by?: Principal }): Promise<void> {
  checkCall('send', o);
  const refused = (why: string) =>
    new RondoError('INPUT_REFUSED', `the message to run ${runId} was not taken: ${why}.`, { details: { runId } });
  const json = plain(message, 'the message');
  if (json === '') throw refused('it is empty');
  const asked = inputOf(json, refused);
  if (JSON.stringify(json).length > LARGEST) throw refused(`it is larger than ${LARGEST} characters`);
  const log = await logOf(resources, runId, o.by, 'run');
  const { run } = log;
  const kind = run.root.kind ?? resources.agentOf(runId, run.root.agent)?.kind;
  if (kind === 'graph' || kind === 'foreign')
    throw refused(`agent "${run.root.agent}" asks no model itself. Send it to a run whose top agent does`);
  const { input, earlier, verdicts } = await allowedInput(resources, o.by, aboutRun(run), asked, 'content');
  const entry: Draft = {
    type: 'message.received',
    kind: 'steering',
    content: promptParts(input),
    earlier,
    verdicts,
    by: o.by && principal(o.by),
  };
  let problem: RondoError | undefined;
  await log.append(() => {
    problem = isOver(run)
      ? new RondoError('RUN_ENDED', `run ${runId} has ended, so it takes no message. Start the next run of its session.`, {
          details: { runId },
        })
      : run.root.waiting.length >= MOST_WAITING
        ? refused(`${MOST_WAITING} messages wait already`)
        : undefined;
    return problem ? [] : [{ ...entry }];
  });
  if (problem) throw problem;
}
