import { type AGUIEvent, EventType, type Message, type RunAgentInput } from '@ag-ui/core';
import type { Engine } from '../../engine/engine.ts';
import type { RunEvent } from '../../engine/read/run-event.ts';
import type { Principal } from '../../ports/principal.ts';
import type { ServerEvent } from '../../server/sse.ts';
import type { TakenTurn } from '../../server/turns.ts';
import { Translator } from './translate.ts';

export interface Reading {
  readonly engine: Engine;
  readonly by: Principal;
  readonly turn: TakenTurn;
  readonly input: RunAgentInput;
  /** The newest position in the journal that the reader has seen. */
  readonly after: number | undefined;
  readonly reasoning: boolean;
  readonly usage: boolean;
}

/** The events of a turn. A reader who has seen a part of it gets the rest: what it has of an unfinished message is taken away first. */
export async function* eventsOf({ engine, by, turn, input, after, ...o }: Reading): AsyncGenerator<ServerEvent> {
  const { threadId, runId, messages, protocolVersion } = input;
  const modern = protocolVersion !== undefined;
  const translator = new Translator({ ...o, threadId, runId, of: turn.runId, joined: turn.repeated, modern });
  yield { data: { type: EventType.RUN_STARTED, threadId, runId } satisfies AGUIEvent };
  /** The messages that the reader has and that are not sent again. */
  const whole = new Set<string>();
  let first = turn.repeated && input.resume !== undefined;
  let seen = turn.repeated;
  for await (const event of turn.events) {
    // what belongs to the turns before this one of the same run
    if (first)
      for await (const before of engine.watch(turn.runId, { by })) {
        if (before.seq === undefined || before.seq >= (event.seq ?? 0)) break;
        for (const id of translator.translate(before).flatMap(idsOf)) whole.add(id);
      }
    first = false;
    const translated = translator.translate(event);
    if (seen) {
      if (isSeen(event, after)) {
        for (const id of translated.flatMap(idsOf)) whole.add(id);
        continue;
      }
      seen = false;
      for (const data of afresh(messages, turn.runId, whole)) yield { data };
      for (const data of translator.openSteps()) yield { data };
    }
    // the position stands at the last of its events, so that a reader who continues after it has them all
    for (const [i, data] of translated.entries())
      yield { data, ...(event.seq !== undefined && i === translated.length - 1 && { id: event.seq }) };
  }
}

const isSeen = ({ seq }: RunEvent, after: number | undefined): boolean => seq !== undefined && after !== undefined && seq <= after;

/** The messages that an event completes. */
const idsOf = (event: AGUIEvent): string[] => {
  if (event.type === EventType.TEXT_MESSAGE_END || event.type === EventType.TOOL_CALL_RESULT) return [event.messageId];
  return event.type === EventType.TOOL_CALL_START && event.parentMessageId !== undefined ? [event.parentMessageId] : [];
};

/**
 * Takes away what the client has of messages that are sent again. It would append to them: a text of which it got a half would be there one and
 * a half times.
 */
function afresh(messages: readonly Message[], of: string, whole: ReadonlySet<string>): AGUIEvent[] {
  const kept = messages.filter(({ id }) => !id.startsWith(`${of}:`) || whole.has(id));
  return kept.length === messages.length ? [] : [{ type: EventType.MESSAGES_SNAPSHOT, messages: kept }];
}
