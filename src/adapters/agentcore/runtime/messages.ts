/** What callers are told of a turn: the events of a stream, and the messages of a socket. */

import type { RunResult } from '../../../engine/read/results.ts';
import type { RunEvent } from '../../../engine/read/run-event.ts';
import { texter } from '../../../engine/read/text.ts';
import type { Failure } from '../../../errors.ts';
import type { Json } from '../../../json.ts';
import type { Problem } from '../../../server/errors.ts';
import type { TakenTurn } from '../../../server/turns.ts';

/** A message to a caller. Plain JSON. */
export type Message =
  /** The turn is in the journal. */
  | { type: 'run'; runId: string; session: string; repeated: boolean }
  /** A part of the text for the user. */
  | { type: 'text'; text: string }
  | { type: 'tool'; callId: string; tool: string; status: 'started'; input: Json }
  | { type: 'tool'; callId: string; tool: string; status: 'done' }
  | { type: 'tool'; callId: string; tool: string; status: 'failed'; error: Failure }
  /** How the turn ended, as the JSON answer says it: the last message of the turn. `approvals` of a paused one are for the next turn. */
  | ({ type: 'result' } & RunResult)
  /** The turn was refused, or could not be followed: the last message of the turn. */
  | ({ type: 'error' } & Problem);

/** The messages of a turn up to its result, which is the last one. */
export async function* messagesOf({ runId, repeated, events }: TakenTurn, session: string): AsyncGenerator<Message, void, undefined> {
  yield { type: 'run', runId, session, repeated };
  const said = texter();
  for await (const event of events) {
    const text = said(event);
    if (text !== '') yield { type: 'text', text };
    const message = messageOf(event);
    if (message) yield message;
  }
}

function messageOf(event: RunEvent): Message | undefined {
  if (event.type === 'tool.started') {
    const { callId, tool, input } = event;
    return { type: 'tool', callId, tool, status: 'started', input };
  }
  if (event.type === 'tool.finished') {
    const { callId, tool, outcome } = event;
    return outcome.ok
      ? { type: 'tool', callId, tool, status: 'done' }
      : { type: 'tool', callId, tool, status: 'failed', error: outcome.error };
  }
  return event.type === 'run.ended' ? { type: 'result', ...event.result } : undefined;
}
