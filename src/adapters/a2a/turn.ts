import { createHash } from 'node:crypto';
import { type Message, Role, TaskState } from '@a2a-js/sdk';
import type { Client } from '@a2a-js/sdk/client';
import { ToolError } from '../../errors.ts';
import type { Json } from '../../json.ts';
import type { Turn, TurnContext, TurnResult } from '../../ports/foreign.ts';
import type { Effect } from '../../ports/tool.ts';
import { answering, asksOf, refusedConsent } from './asks.ts';
import { depthOf } from './caller.ts';
import { Exchange } from './exchange.ts';
import { failure, refusalOf } from './fetch.ts';
import { cut, DEPTH, isOver, wordOf } from './names.ts';
import { textOf, toRemote } from './parts.ts';
import type { Peer } from './peer.ts';

/** What is kept while people think. `mark`: of the status that asked, to tell it from a later one. */
export type Waiting = { taskId: string; contextId: string; mark: string; auth: boolean; spent: Spent };

/** Of all turns so far, as the peer counts them: what is told of a turn is what came on top. */
type Spent = { input: number; output: number; usd: number };

type Result = TurnResult<Json, Waiting>;

/** Milliseconds between looks at a task, from and to. */
const LOOK = { first: 200, last: 5_000 };
/** Looks in a row that may fail. */
const PATIENCE = 5;
/** Milliseconds a peer has to take note of a cancellation. */
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
    // what was refused is asked again; anything else is another question
    if (turn.type === 'start' || markOf(exchange) !== turn.state.mark) exchange.refused = undefined;
    return await result(peer, client, exchange, counted, ctx);
  } catch (error) {
    if (ctx.signal.aborted) await cancelled(peer, effect, exchange.taskId ?? (turn.type === 'resume' ? turn.state.taskId : undefined), ctx);
    throw failure(error, name, progress.sent, ctx.secrets.mask);
  }
}

const message = (ctx: TurnContext, o: Pick<Message, 'taskId' | 'contextId' | 'parts'>): Message => ({
  ...o,
  // a message that is sent again is the same to a peer that looks
  messageId: ctx.idempotencyKey,
  role: Role.ROLE_USER,
  metadata: { [DEPTH]: depthOf(ctx.runId) + Math.max(ctx.depth, 1) },
  extensions: [],
  referenceTaskIds: [],
});

const start = ({ input }: Turn & { type: 'start' }, ctx: TurnContext): Message =>
  message(ctx, { taskId: '', contextId: contextIdOf(ctx.thread), parts: toRemote(input) });

/** Tells the peer nothing of our runs and sessions. */
const contextIdOf = (thread: string): string => `ctx-${createHash('sha256').update(thread).digest('hex').slice(0, 32)}`;

/** The answer to send; undefined where the peer has it, or waits no longer: then it only is to be followed. */
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
  // an earlier attempt may have told it, or it ended while people thought
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
      // a peer that tells what it does is at work; one that is asked how it is may say `working` for ever
      ctx.alive();
      exchange.take(event);
      // a peer may leave the stream of a task that waits open
      if (exchange.ended) break;
    }
  } catch (error) {
    // a stream may break while the task goes on, and we can still look at the task
    if (ctx.signal.aborted || exchange.taskId === undefined || error instanceof ToolError) throw error;
    exchange.refused = refusalOf(error, ctx.secrets.mask);
  }
  if (exchange.taskId === undefined && exchange.reply === undefined) throw new Error('it gave neither a task nor a message');
}

/** Looks at a task until it ends or waits. */
async function follow(client: Client, exchange: Exchange, ctx: TurnContext): Promise<void> {
  for (let wait = LOOK.first; !exchange.ended; wait = Math.min(wait * 1.5, LOOK.last)) {
    await pause(wait, ctx.signal);
    await look(client, exchange, exchange.taskId as string, ctx.signal);
  }
}

/** Looks at a task. Looking twice does no harm, so it tries again after a broken connection, as when the peer was restarted. */
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
      // some peers stream how they are, and leave what they made in the task
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
        // only what was rejected was not begun
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
 * Tells the peer to stop, where no process will come back for the task. What may be done twice is asked for again after a timeout, or by
 * the process that goes on with the run, and needs the task as it is: unless the run itself was stopped, which is what `cause` says.
 */
async function cancelled(peer: Peer, effect: Effect, taskId: string | undefined, ctx: TurnContext): Promise<void> {
  const { cause } = (ctx.signal.reason ?? {}) as { cause?: unknown };
  if (effect === 'once' || cause === 'cancel' || cause === 'limit') await stop(peer, taskId, ctx);
}

/** Tells the peer, if it can be reached, that no process will come back for a task. */
export async function stop(peer: Peer, taskId: string | undefined, ctx: TurnContext): Promise<void> {
  try {
    const client = await peer.client(ctx, AbortSignal.timeout(CANCEL));
    const ids = taskId === undefined ? await openIn(client, contextIdOf(ctx.thread)) : [taskId];
    for (const id of ids) await client.cancelTask({ tenant: '', id, metadata: undefined });
  } catch {
    // it was faster, or is out of reach
  }
}

/** The tasks of a context that is ours alone, for a message of which we were not yet told what task it became. */
async function openIn(client: Client, contextId: string): Promise<string[]> {
  const { tasks } = await client.listTasks({ tenant: '', contextId, status: 0, pageToken: '', statusTimestampAfter: undefined });
  return tasks.filter((t) => t.contextId === contextId && !isOver(t.status?.state)).map((t) => t.id);
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', abort);
      resolve();
    }, ms);
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
}
