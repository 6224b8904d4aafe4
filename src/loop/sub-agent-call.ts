/** Calls of sub-agents: the input of the sub-agent, and the result for its parent. */

import { notRun, ToolError } from '../errors.ts';
import { makingAgain, UNSTABLE } from '../hitl/arguments.ts';
import type { Draft } from '../journal/entries/entries.ts';
import { seenOf } from '../journal/fold/conversation.ts';
import type { Call, Frame } from '../journal/fold/fold.ts';
import { type Json, plainJson } from '../json.ts';
import type { Message, Part } from '../ports/model.ts';
import { messageOf } from '../reliability/classify.ts';
import { atOnce, unlessHalted } from '../reliability/patience.ts';
import { appendWithRetry } from './append-with-retry.ts';
import type { Blocked, Ready } from './call/call.ts';
import { observed } from './call/output.ts';
import { entered, left, passagesOf } from './call/passage.ts';
import { clears } from './context/read-result.ts';
import { driveChild } from './sub-agent-frame.ts';
import type { Delegate, End, Scope } from './types.ts';

/** Runs the sub-agent that answers a call. @returns why it is blocked; undefined if its end is in the journal, or the run was halted. */
export async function runSubAgent(scope: Scope, call: Call, ready: Ready, delegate: Delegate): Promise<Blocked | undefined> {
  const { tool } = ready;
  const since = Date.now();
  const closing = (end: End) => (): readonly Draft[] => [
    {
      type: 'call.finished',
      frame: scope.frame.id || undefined,
      call: call.id,
      ok: end.ok,
      // after a handoff no model reads the answer, so it is stored unbounded
      ...(end.ok ? (delegate.handoff ? { output: end.output } : observed(tool, end.output)) : { error: end.error }),
      attempts: 1,
      ms: Date.now() - since,
    },
  ];
  const schema = call.frame ? undefined : delegate.agent.input?.schema;
  const making = schema && makingAgain(schema, ready.input, ready.shown, call.allowed !== undefined);
  const input = making ? await unlessHalted(making, scope.cancel) : ready.input;
  if (input === undefined) {
    await appendWithRetry(scope, closing({ ok: false, error: notRun('INVALID_ARGUMENTS', `${tool.name} was not called: ${UNSTABLE}.`) }));
    return undefined;
  }
  const passages = passagesOf(tool);
  const about = (signal: AbortSignal) => ({
    signal,
    by: scope.run.started.by,
    session: scope.run.started.session,
    callId: call.id,
    runId: scope.run.runId,
    context: scope.run.started.context,
    path: scope.frame.path,
  });
  let args = input;
  if (passages.length > 0 && !call.frame) {
    const taken = await unlessHalted(entered(passages, input, about(scope.cancel.signal)), scope.cancel);
    if ('end' in taken) {
      await appendWithRetry(scope, closing(taken.end));
      return undefined;
    }
    args = taken.args;
  }
  // not ended with the run: what the agent did is done, and is told as the gateway lets it out
  const leaving = (end: End) =>
    left(passages, call.frame ? givenTo(call.frame, delegate) : args, end, about(NEVER), call.frame?.acted ? 'unknown' : 'failed');
  const blocked = await driveChild(scope, {
    call,
    agent: delegate.agent,
    limits: delegate.limits,
    given: () => given(scope, delegate, args),
    closing,
    leaving: passages.length > 0 ? leaving : undefined,
  });
  return blocked && 'failed' in blocked ? undefined : blocked;
}

/** For what is told after the end: nothing can stop it any more. */
const NEVER = new AbortController().signal;

/** The arguments as the agent of a frame was given them, also by another process. */
const givenTo = ({ input = null }: Frame, { agent }: Delegate): Json => (agent.input ? input : { task: input });

/**
 * What the sub-agent's conversation begins with: the task, or its own input, or for a handoff what it takes over from whom; and the messages
 * that are shared with it.
 * @throws ToolError `SHARE_FAILED`.
 */
function given(scope: Scope, { agent, share, handoff }: Delegate, input: Json): { input: Json; history?: readonly Message[] } {
  const { task, reason } = input as { task?: Json; reason?: Json };
  const said: Json = handoff
    ? `You take over this conversation from ${scope.agent.name}${typeof reason === 'string' && reason ? `: ${reason}` : '.'}`
    : agent.input
      ? input
      : (task ?? '');
  if (share === 'task') return { input: said };
  // the last message is left out: it holds this call, which has no result yet
  const messages = seenOf(scope.frame).slice(0, -1);
  const shared = share === 'history' ? messages : picked(share, messages);
  return { input: said, history: flat(clears(scope.host.planOf(agent)) ? shared : shared.map(withoutRefs)) };
}

/** For a reader who has no tool that reads a cleared result: it is not told of one. */
function withoutRefs(message: Message): Message {
  if (!message.content.some((part) => part.type === 'toolResult' && part.cleared)) return message;
  const content = message.content.map((part) =>
    part.type === 'toolResult' && part.cleared ? { ...part, output: [{ type: 'text', text: LEFT_OUT } as const] } : part,
  );
  return { ...message, content };
}

const LEFT_OUT = '(This result is left out here.)';

function picked(share: (messages: readonly Message[]) => readonly Message[], messages: readonly Message[]): readonly Message[] {
  try {
    const chosen = atOnce(share(plainJson(messages) as readonly Message[]));
    if (!Array.isArray(chosen)) throw new Error('it returned no list of messages');
    return plainJson(chosen) as readonly Message[];
  } catch (error) {
    throw new ToolError('SHARE_FAILED', `what the sub-agent may see could not be picked: ${messageOf(error)}`, { cause: error });
  }
}

/** A conversation in which calls and results are described as text, because the reader does not have those tools. */
export function flat(messages: readonly Message[]): readonly Message[] {
  const told: { role: 'user' | 'assistant'; content: Part[] }[] = [];
  for (const { role, content } of messages) {
    const as = role === 'assistant' ? 'assistant' : 'user';
    const parts = content.flatMap(inWords);
    if (parts.length === 0) continue;
    const last = told.at(-1);
    if (last?.role === as) last.content.push(...parts);
    else told.push({ role: as, content: parts });
  }
  return told;
}

/** A part as text for an agent that has not made these calls. Reasoning is left out. */
export function inWords(part: Part): Part[] {
  switch (part.type) {
    case 'toolCall':
      return [{ type: 'text', text: `[called ${part.name} with ${JSON.stringify(part.input)}]` }];
    case 'toolResult':
      return [{ type: 'text', text: part.isError ? '[it failed:]' : '[it gave:]' }, ...part.output];
    case 'reasoning':
      return [];
    case 'text':
      return part.text === '' ? [] : [{ type: 'text', text: part.text }];
    default:
      return [part];
  }
}
