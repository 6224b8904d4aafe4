import { createHash } from 'node:crypto';
import { type Message, Role, TaskState } from '@a2a-js/sdk';
import type { Client } from '@a2a-js/sdk/client';
import { ToolError } from '../../errors.ts';
import type { Json } from '../../json.ts';
import { cut } from '../../json-schema/size.ts';
import type { Turn, TurnContext, TurnResult } from '../../ports/foreign.ts';
import type { Effect } from '../../ports/tool.ts';
import { pause } from '../../reliability/timer.ts';
import { answering, asksOf, refusedConsent } from './asks.ts';
import { depthOf } from './caller.ts';
import { Exchange } from './exchange.ts';
import { failure, refusalOf } from './fetch.ts';
import { DEPTH, isOver, wordOf } from './names.ts';
import { textOf, toRemote } from './parts.ts';
import type { Peer } from './peer.ts';

/** The agent's state while people decide. `mark` identifies the status that asked, to tell it from a later one. */
export type Waiting = { taskId: string; contextId: string; mark: string; auth: boolean; spent: Spent };

/** The totals of the task that the peer last reported. The usage of a turn is the increase over them. */
type Spent = { input: number; output: number; usd: number };

type Result = TurnResult<Json, Waiting>;

/** Milliseconds between polls of a task: the first and the longest interval. */
const LOOK = { first: 200, last: 5_000 };
/** Failed polls in a row before the turn fails. */
const PATIENCE = 5;
/** Milliseconds for the requests that cancel a task. */
const CANCEL = 3_000;

export async function takeTurn(peer: Peer, effect: Effect, turn: Turn<Waiting>, ctx: TurnContext): Promise<Result> {
  const { name } = peer.o;
  const exchange = new Exchange(name, ctx.emit);
  const progress = { sent: turn.type === 'resume' };
  try {
    const client = await peer.client(ctx);
    const counted: Spent = turn.type === 'resume' ? turn.state.spent : { input: 0, output: 0, usd: 0 };
    const message = turn.type === 'start' ? start(turn, ctx) : await answer(peer, turn, ctx, client, exchange);
    if (message) await send(client, message, exchange, progress, ctx);
    if (!exchange.ended) await follow(client, exchange, ctx);
    // if the status has changed since, the peer asks something else: the refusal is not about it
    if (turn.type === 'start' || markOf(exchange) !== turn.state.mark) exchange.refused = undefined;
    return await result(peer, client, exchange, counted, ctx);
  } catch (error) {
    if (ctx.signal.aborted) await cancelled(peer, effect, exchange.taskId ?? (turn.type === 'resume' ? turn.state.taskId : undefined), ctx);
    throw failure(error, name, progress.sent, ctx.secrets.mask);
  }
}

const message = (ctx: TurnContext, o: Pick<Message, 'taskId' | 'contextId' | 'parts'>): Message => ({
  ...o,
  // a stable id, so that the peer can recognise a message that is sent twice
  messageId: ctx.idempotencyKey,
  role: Role.ROLE_USER,
  metadata: { [DEPTH]: depthOf(ctx.runId) + Math.max(ctx.depth, 1) },
  extensions: [],
  referenceTaskIds: [],
});

const start = ({ input }: Turn & { type: 'start' }, ctx: TurnContext): Message =>
  message(ctx, { taskId: '', contextId: contextIdOf(ctx.thread), parts: toRemote(input) });

/** A hash, so that the peer learns nothing about runs and sessions. */
const contextIdOf = (thread: string): string => `ctx-${createHash('sha256').update(thread).digest('hex').slice(0, 32)}`;

/** The message with the answers; undefined if the peer has them already or no longer waits. Then the task only needs to be followed. */
async function answer(
  peer: Peer,
  { state, answers }: Turn<Waiting> & { type: 'resume' },
  ctx: TurnContext,
  client: Client,
  exchange: Exchange,
): Promise<Message | undefined> {
  const { taskId, contextId, mark, auth } = state;
  const refused = refusedConsent(auth, answers);
  if (refused !== undefined) {
    await stop(peer, taskId, ctx);
    throw new ToolError('A2A_CONSENT_REFUSED', `Consent was refused: ${refused}`);
  }
  // an earlier attempt may have delivered the answer, or the task may have ended meanwhile
  await look(client, exchange, taskId, ctx.signal);
  if (!exchange.ended || markOf(exchange) !== mark) return undefined;
  exchange.status = undefined;
  return message(ctx, { taskId, contextId, parts: answering(answers) });
}

const markOf = ({ status }: Exchange): string => `${status?.state}/${status?.message?.messageId ?? ''}/${status?.timestamp ?? ''}`;

async function send(client: Client, message: Message, exchange: Exchange, progress: { sent: boolean }, ctx: TurnContext): Promise<void> {
  const request = { tenant: '', message, configuration: undefined, metadata: undefined };
  try {
    for await (const event of client.sendMessageStream(request, { signal: ctx.signal })) {
      progress.sent = true;
      // stream events count as progress; poll results do not, because a peer may report `working` for ever
      ctx.alive();
      exchange.take(event);
      // some peers keep the stream of a waiting task open
      if (exchange.ended) break;
    }
  } catch (error) {
    // the stream may break while the task continues, so the task is polled instead
    if (ctx.signal.aborted || exchange.taskId === undefined || error instanceof ToolError) throw error;
    exchange.refused = refusalOf(error, ctx.secrets.mask);
  }
  if (exchange.taskId === undefined && exchange.reply === undefined) throw new Error('it gave neither a task nor a message');
}

/** Polls a task until it ends or waits. */
async function follow(client: Client, exchange: Exchange, ctx: TurnContext): Promise<void> {
  for (let wait = LOOK.first; !exchange.ended; wait = Math.min(wait * 1.5, LOOK.last)) {
    await pause(wait, ctx.signal);
    await look(client, exchange, exchange.taskId as string, ctx.signal);
  }
}

/** Reads a task. Reading has no effect, so it is retried after a broken connection, for example while the peer restarts. */
async function look(client: Client, exchange: Exchange, id: string, signal: AbortSignal): Promise<void> {
  for (let wait = LOOK.first, failures = 0; ; wait *= 2) {
    try {
      const task = await client.getTask({ tenant: '', id, historyLength: 0 }, { signal });
      exchange.take({ payload: { $case: 'task', value: task } });
      return;
    } catch (error) {
      const { retryable } = failure(error, '', true);
      if (signal.aborted || !retryable || ++failures >= PATIENCE) throw error;
      await pause(wait, signal);
    }
  }
}

async function result(peer: Peer, client: Client, exchange: Exchange, before: Spent, ctx: TurnContext): Promise<Result> {
  const { name, url } = peer.o;
  const { taskId, status } = exchange;
  const state = exchange.reply === undefined ? status?.state : TaskState.TASK_STATE_COMPLETED;
  switch (state) {
    case TaskState.TASK_STATE_COMPLETED: {
      // some peers stream only status updates, and the output is in the task
      if (exchange.output === undefined && taskId !== undefined) await look(client, exchange, taskId, ctx.signal);
      const { output } = exchange;
      if (output === undefined) throw new ToolError('A2A_EMPTY', `agent "${name}" says that it completed, and gave nothing.`);
      return { status: 'completed', output, ...spentSince(before, exchange) };
    }
    case TaskState.TASK_STATE_INPUT_REQUIRED:
    case TaskState.TASK_STATE_AUTH_REQUIRED: {
      const auth = state === TaskState.TASK_STATE_AUTH_REQUIRED;
      const waiting: Waiting = {
        taskId: taskId as string,
        contextId: exchange.contextId ?? '',
        mark: markOf(exchange),
        auth,
        spent: exchange.usage ? { ...exchange.usage, usd: exchange.costUsd ?? before.usd } : before,
      };
      return {
        status: 'paused',
        state: waiting,
        asks: asksOf(name, url.href, auth, status?.message, ctx.secrets, exchange.refused),
        ...spentSince(before, exchange),
      };
    }
    default: {
      const word = wordOf(state);
      const text = ctx.secrets.mask(textOf(status?.message?.parts ?? []));
      throw new ToolError(`A2A_${word.toUpperCase().replace('-', '_')}`, `agent "${name}" ${word}${text ? `: ${cut(text, 2_000)}` : '.'}`, {
        // a rejected task did not start; any other may have taken effect
        outcome: word === 'rejected' ? 'failed' : 'unknown',
      });
    }
  }
}

function spentSince({ input, output, usd }: Spent, { usage, costUsd }: Exchange): Pick<Result, 'usage' | 'costUsd'> {
  if (!usage) return {};
  const since = { usage: { input: Math.max(usage.input - input, 0), output: Math.max(usage.output - output, 0) } };
  return costUsd === undefined ? since : { ...since, costUsd: Math.max(costUsd - usd, 0) };
}

/**
 * Cancels the task if no attempt or process will need it again. A turn that may run twice will: the next attempt sends the same message
 * and finds the task. But not if the run itself was cancelled or stopped at a limit, which `cause` tells.
 */
async function cancelled(peer: Peer, effect: Effect, taskId: string | undefined, ctx: TurnContext): Promise<void> {
  const { cause } = (ctx.signal.reason ?? {}) as { cause?: unknown };
  if (effect === 'once' || cause === 'cancel' || cause === 'limit') await stop(peer, taskId, ctx);
}

/** Cancels a task at the peer. Failures are ignored. */
export async function stop(peer: Peer, taskId: string | undefined, ctx: TurnContext): Promise<void> {
  try {
    const client = await peer.client(ctx, AbortSignal.timeout(CANCEL));
    const ids = taskId === undefined ? await openIn(client, contextIdOf(ctx.thread)) : [taskId];
    for (const id of ids) await client.cancelTask({ tenant: '', id, metadata: undefined });
  } catch {
    // the task has ended, or the peer cannot be reached
  }
}

/** The open tasks of a context. Used if the turn was aborted before the peer returned a task id; only this thread uses the context. */
async function openIn(client: Client, contextId: string): Promise<string[]> {
  const { tasks } = await client.listTasks({ tenant: '', contextId, status: 0, pageToken: '', statusTimestampAfter: undefined });
  return tasks.filter((t) => t.contextId === contextId && !isOver(t.status?.state)).map((t) => t.id);
}
