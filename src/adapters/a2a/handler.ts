/** Implements the A2A operations on an engine. The SDK's transports call it. See tasks.ts for how a run becomes a task. */

import {
  type AgentCard,
  type CancelTaskRequest,
  type GetTaskRequest,
  type ListTasksRequest,
  type ListTasksResponse,
  type Message,
  Role,
  type SendMessageRequest,
  type StreamResponse,
  type SubscribeToTaskRequest,
  type Task,
  type TaskPushNotificationConfig,
  TaskState,
} from '@a2a-js/sdk';
import {
  ExtendedAgentCardNotConfiguredError,
  PushNotificationNotSupportedError,
  RequestMalformedError,
  TaskNotCancelableError,
  UnsupportedOperationError,
} from '@a2a-js/sdk/errors';
import type { A2ARequestHandler, ServerCallContext } from '@a2a-js/sdk/server';
import type { Engine } from '../../engine/engine.ts';
import type { RunOptions } from '../../engine/options.ts';
import type { RunEvent } from '../../engine/read/run-event.ts';
import { RondoError } from '../../errors.ts';
import type { Limits } from '../../journal/entries/entries.ts';
import type { Json } from '../../json.ts';
import type { Agent } from '../../loop/types.ts';
import type { Principal } from '../../ports/principal.ts';
import { accepted, isSameRun } from '../../server/accept.ts';
import { decisionsIn } from './approvals.ts';
import { type Caller, callerOf, checkMessage, isId, sessionsOf, taskIdOf, within } from './caller.ts';
import { followed } from './follow.ts';
import { listTasks } from './list.ts';
import { isOver } from './names.ts';
import { toPrompt } from './parts.ts';
import type { Push } from './push.ts';
import { noTask } from './refuse.ts';
import { streamOf } from './stream.ts';
import { assertHistoryLength, type Reading, type Seen, see, trimmed, type Where } from './tasks.ts';

/** Milliseconds to wait for a cancellation to take effect. After that the task is returned in its current state. */
const CANCEL = 10_000;

export interface Serving {
  readonly engine: Engine;
  readonly agent: Agent;
  readonly card: AgentCard;
  readonly maxDepth: number;
  readonly usage: boolean;
  readonly limits: Limits | undefined;
  readonly context: ((by: Principal) => Json) | undefined;
  readonly push: Push | undefined;
}

/** A started run with its task. */
interface Begun extends Where {
  events: AsyncIterator<RunEvent>;
}

export class Handler implements A2ARequestHandler {
  readonly #o: Serving;
  readonly #reading: Reading;

  constructor(o: Serving) {
    this.#o = o;
    this.#reading = { engine: o.engine, agent: o.agent.name, usage: o.usage };
  }

  async getAgentCard(): Promise<AgentCard> {
    return this.#o.card;
  }

  async getAuthenticatedExtendedAgentCard(): Promise<AgentCard> {
    throw new ExtendedAgentCardNotConfiguredError('This agent has one card.');
  }

  async sendMessage(request: SendMessageRequest, ctx: ServerCallContext): Promise<Task> {
    const caller = callerOf(ctx);
    const begun = await this.#begin(request, ctx);
    if (request.configuration?.returnImmediately) await begun.events.return?.();
    else for await (const _ of this.#followed(begun, caller));
    const { task } = await this.#need(caller, begun.id);
    return trimmed(task, request.configuration?.historyLength);
  }

  async *sendMessageStream(request: SendMessageRequest, ctx: ServerCallContext): AsyncGenerator<StreamResponse, void, undefined> {
    const caller = callerOf(ctx);
    const begun = await this.#begin(request, ctx);
    // if the caller disconnects, the stream ends and the run continues
    try {
      const { task } = await this.#need(caller, begun.id);
      yield { payload: { $case: 'task', value: trimmed(task, request.configuration?.historyLength) } };
      // a duplicate of a message whose task has ended
      if (isOver(task.status?.state)) return;
      yield* streamOf(begun, this.#followed(begun, caller), this.#reading.usage);
    } finally {
      await begun.events.return?.();
    }
  }

  async getTask({ id, historyLength }: GetTaskRequest, ctx: ServerCallContext): Promise<Task> {
    assertHistoryLength(historyLength);
    return trimmed((await this.#need(callerOf(ctx), id)).task, historyLength);
  }

  listTasks(request: ListTasksRequest, ctx: ServerCallContext): Promise<ListTasksResponse> {
    return listTasks(this.#reading, callerOf(ctx), request);
  }

  async cancelTask({ id }: CancelTaskRequest, ctx: ServerCallContext): Promise<Task> {
    const caller = callerOf(ctx);
    const { task, seq } = await this.#need(caller, id);
    if (task.status?.state === TaskState.TASK_STATE_CANCELED) return task;
    if (isOver(task.status?.state)) throw new TaskNotCancelableError(`Task ${id} has ended.`);
    const { engine } = this.#o;
    await engine.cancel(id, { by: caller.by, reason: 'cancelled by its caller' });
    // another process may drive the run, and sees the cancellation a little later
    for await (const event of engine.watch(id, { by: caller.by, after: seq, signal: AbortSignal.timeout(CANCEL) })) void event;
    const now = (await this.#need(caller, id)).task;
    // the run ended before the cancellation
    if (isOver(now.status?.state) && now.status?.state !== TaskState.TASK_STATE_CANCELED)
      throw new TaskNotCancelableError(`Task ${id} has ended.`);
    return now;
  }

  async *resubscribe({ id }: SubscribeToTaskRequest, ctx: ServerCallContext): AsyncGenerator<StreamResponse, void, undefined> {
    const caller = callerOf(ctx);
    const seen = await this.#need(caller, id);
    if (isOver(seen.task.status?.state)) throw new UnsupportedOperationError(`Task ${id} has ended: get it.`);
    yield { payload: { $case: 'task', value: seen.task } };
    const events = followed(this.#o.engine, caller.by, id, { after: seen.seq, signal: caller.gone });
    yield* streamOf(seen.task, events, this.#reading.usage);
  }

  async createTaskPushNotificationConfig(config: TaskPushNotificationConfig, ctx: ServerCallContext): Promise<TaskPushNotificationConfig> {
    await this.#need(callerOf(ctx), config.taskId);
    return this.#push().add(config, ctx);
  }

  async getTaskPushNotificationConfig(
    { taskId, id }: { taskId: string; id: string },
    ctx: ServerCallContext,
  ): Promise<TaskPushNotificationConfig> {
    await this.#need(callerOf(ctx), taskId);
    const found = (await this.#push().list(taskId, ctx)).find((c) => c.id === id);
    if (!found) throw noTask(taskId);
    return found;
  }

  async listTaskPushNotificationConfigs(
    { taskId }: { taskId: string },
    ctx: ServerCallContext,
  ): Promise<{ configs: TaskPushNotificationConfig[]; nextPageToken: string }> {
    await this.#need(callerOf(ctx), taskId);
    return { configs: await this.#push().list(taskId, ctx), nextPageToken: '' };
  }

  async deleteTaskPushNotificationConfig({ taskId, id }: { taskId: string; id: string }, ctx: ServerCallContext): Promise<void> {
    await this.#need(callerOf(ctx), taskId);
    await this.#push().remove(taskId, id, ctx);
  }

  #followed(begun: Begun, caller: Caller): AsyncIterable<RunEvent> {
    return followed(this.#o.engine, caller.by, begun.id, { events: heard(begun, caller), signal: caller.gone });
  }

  #watch({ by, gone }: Caller, id: string, after: number): AsyncIterable<RunEvent> {
    return this.#o.engine.watch(id, { by, after, signal: gone });
  }

  #push(): Push {
    if (!this.#o.push) throw noPush();
    return this.#o.push;
  }

  async #need(caller: Caller, id: string): Promise<Seen> {
    // a client of 0.3 may send anything in its place
    if (!isId(id)) throw new RequestMalformedError('A task id is required.');
    const seen = await see(this.#reading, caller, id);
    if (!seen) throw noTask(id);
    return seen;
  }

  async #begin(request: SendMessageRequest, ctx: ServerCallContext): Promise<Begun> {
    const caller = callerOf(ctx);
    const depth = checkMessage(request.message, request.metadata, this.#o.maxDepth);
    assertHistoryLength(request.configuration?.historyLength);
    const message = request.message as Message;
    if (message.role === Role.ROLE_AGENT) throw new RequestMalformedError('A message to an agent has the role user.');
    const hook = request.configuration?.taskPushNotificationConfig;
    if (hook && !this.#o.push) throw noPush();
    const checked = hook && (await this.#o.push?.check(hook));
    const begun = await (message.taskId ? this.#answer(message, caller) : this.#start(message, depth, caller));
    if (checked) await this.#o.push?.add({ ...checked, taskId: begun.id }, ctx);
    // webhooks from before a restart are followed again too
    else if (message.taskId) this.#o.push?.wake(begun.id, ctx);
    return begun;
  }

  async #start(message: Message, depth: number, caller: Caller): Promise<Begun> {
    const { engine, agent, limits, context } = this.#o;
    const id = taskIdOf(caller, depth, message);
    const contextId = message.contextId || `ctx-${id.slice(-32)}`;
    const options = {
      id,
      by: caller.by,
      assertion: caller.assertion,
      limits,
      context: context?.(caller.by),
    };
    let busy: unknown;
    // an open task keeps its session busy, so a second task of the context gets the next session; the scope is part of its name
    for (const session of sessionsOf(caller, contextId)) {
      const run = within(caller, () =>
        engine.run(agent, toPrompt(message.parts), { ...options, session: { id: session, shared: true } } as RunOptions<Json>),
      );
      try {
        return { id, contextId, events: await accepted(run) };
      } catch (error) {
        // a duplicate message: return the task that the first one started
        if (isSameRun(error, id)) {
          const { task, seq } = await this.#need(caller, id);
          return { id, contextId: task.contextId, events: this.#watch(caller, id, seq)[Symbol.asyncIterator]() };
        }
        if (!RondoError.is(error, 'SESSION_BUSY')) throw error;
        busy = error;
      }
    }
    throw busy;
  }

  /** Journals the decisions in a message and resumes the run. They are decisions of the authenticated caller. */
  async #answer(message: Message, caller: Caller): Promise<Begun> {
    const { engine } = this.#o;
    const { by, assertion } = caller;
    const id = message.taskId;
    const { task, approvals, running, seq } = await this.#need(caller, id);
    const { contextId } = task;
    if (message.contextId && message.contextId !== contextId) throw new RequestMalformedError(`Task ${id} belongs to another context.`);
    const decisions = decisionsIn(message, approvals);
    // idempotent: a caller may send the same decisions again after a lost response
    await engine.decide(id, decisions, { by });
    const watched = () => ({ id, contextId, events: this.#watch(caller, id, seq)[Symbol.asyncIterator]() });
    if (running || isOver(task.status?.state)) return watched();
    try {
      return { id, contextId, events: await accepted(within(caller, () => engine.resume(id, { by, assertion }))) };
    } catch (error) {
      // another process drives it already
      if (RondoError.is(error, 'RUN_BUSY')) return watched();
      throw error;
    }
  }
}

/** The events of a run until the caller disconnects. */
function heard({ events }: Begun, { gone }: Caller): AsyncIterable<RunEvent> {
  const leave = () => void events.return?.();
  if (gone.aborted) leave();
  else gone.addEventListener('abort', leave, { once: true });
  return { [Symbol.asyncIterator]: () => events };
}

const noPush = () => new PushNotificationNotSupportedError('Push notifications are off.');
