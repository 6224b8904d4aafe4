import { RondoError } from '../errors.ts';
import { promptParts } from '../journal/conversation.ts';
import type { Draft } from '../journal/entries.ts';
import { isOver } from '../journal/fold.ts';
import type { Json } from '../json.ts';
import { plain } from '../options.ts';
import type { Prompt } from '../ports/model.ts';
import { type Principal, principal } from '../ports/principal.ts';
import { aboutRun, allowedInput } from './access.ts';
import { logOf } from './outside.ts';
import type { Resources } from './resources.ts';
import { checkBy } from './start.ts';

/** Characters of JSON of one message, and messages that may wait at a time: they are in the journal. */
const LARGEST = 1_000_000;
const MOST_WAITING = 100;

/** @see Engine.send */
export async function send(resources: Resources, runId: string, message: Prompt, o: { by?: Principal }): Promise<void> {
  checkBy(o.by, `the message to run ${runId}`);
  const refused = (why: string) =>
    new RondoError('INPUT_REFUSED', `the message to run ${runId} was not taken: ${why}.`, { details: { runId } });
  const json = plain(message, 'the message');
  if (!isPrompt(json)) throw refused("it must be a text that is not empty, or a list of parts such as { type: 'text', text }");
  if (JSON.stringify(json).length > LARGEST) throw refused(`it is larger than ${LARGEST} characters`);
  const log = await logOf(resources, runId, o.by, 'run');
  const { run } = log;
  const kind = run.root.kind ?? resources.agentOf(runId, run.root.agent)?.kind;
  if (kind === 'graph' || kind === 'foreign')
    throw refused(`agent "${run.root.agent}" asks no model itself. Send it to a run whose top agent does`);
  const content = promptParts(await allowedInput(resources, o.by, aboutRun(run), json));
  const entry: Draft = { type: 'message.received', kind: 'steering', content, ...(o.by && { by: principal(o.by) }) };
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

function isPrompt(value: Json): value is Json & Prompt {
  if (typeof value === 'string') return value !== '';
  return Array.isArray(value) && value.length > 0 && value.every(isPart);
}

const isPart = (part: unknown): boolean => {
  const { type, text, mediaType, data } = (part ?? {}) as { [field: string]: unknown };
  if (type === 'text') return typeof text === 'string';
  return (type === 'image' || type === 'document') && typeof mediaType === 'string' && typeof data === 'string';
};
