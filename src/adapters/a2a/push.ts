/** Push notifications: sends the state of tasks to webhooks. */
import { randomUUID } from 'node:crypto';
import type { Task, TaskPushNotificationConfig } from '@a2a-js/sdk';
import { V03PushNotificationSerializer } from '@a2a-js/sdk/compat/v0_3/server';
import { RequestMalformedError } from '@a2a-js/sdk/errors';
import {
  InMemoryPushNotificationStore,
  type PushNotificationStore,
  type ServerCallContext,
  type StoredPushNotificationConfig,
  V1PushNotificationSerializer,
} from '@a2a-js/sdk/server';
import { RondoError } from '../../errors.ts';
import { checkOptions } from '../../options.ts';
import { type Webhooks, webhooks } from '../../server/webhooks.ts';
import { callerOf } from './caller.ts';
import { LOOK, longer, pause } from './follow.ts';
import { isOver } from './names.ts';
import { malformed, refusal, tellOperator } from './refuse.ts';
import { type Reading, type Seen, see } from './tasks.ts';

/**
 * @property allow origins that may be notified even if they are not https or not public, such as `http://127.0.0.1:9000`.
 * @property store the store of webhooks. Default: in memory, so they do not survive the process. They are not journaled, because they hold
 *   tokens. A store of your own must separate callers, or serve only callers who may see each other's webhooks.
 * @property timeout milliseconds of one notification. Default 5,000.
 */
export interface PushOptions {
  allow?: readonly string[];
  store?: PushNotificationStore;
  timeout?: number;
}

const OPTIONS = {
  allow: "allow: ['http://127.0.0.1:9000']",
  store: 'store: new DatabasePushNotificationStore()',
  timeout: 'timeout: 5_000',
} satisfies Record<keyof PushOptions, string>;

/** Most webhooks of one task, and most ended tasks whose webhooks are kept. */
const MOST = 10;
const KEPT = 1_000;

/** A task that is followed. `again`: read it once more before the loop waits or ends. */
interface Follow {
  again: boolean;
  wake: (() => void) | undefined;
}

export class Push {
  readonly #reading: Reading;
  readonly #store: PushNotificationStore;
  readonly #webhooks: Webhooks;
  readonly #followed = new Map<string, Follow>();
  readonly #ended: { taskId: string; ctx: ServerCallContext }[] = [];
  readonly #closing = new AbortController();

  constructor(reading: Reading, o: PushOptions) {
    checkOptions(o, OPTIONS, 'serveA2A(): push');
    this.#reading = reading;
    this.#store = o.store ?? new InMemoryPushNotificationStore((ctx) => callerOf(ctx).scope);
    this.#webhooks = webhooks({ allow: o.allow, timeout: o.timeout, where: 'serveA2A(): push.' });
  }

  /** @throws RequestMalformedError for a URL that must not be called, and for fields that are not texts: the SDK does not check those of 0.3. */
  check(config: TaskPushNotificationConfig): TaskPushNotificationConfig {
    const { url, id, token, authentication: a } = config;
    if (![url, id ?? '', token ?? '', a?.scheme ?? '', a?.credentials ?? ''].every((text) => typeof text === 'string'))
      throw malformed('The webhook');
    const problem = this.#webhooks.problem(config.url);
    if (problem) throw new RequestMalformedError(problem);
    return config;
  }

  async add(config: TaskPushNotificationConfig, ctx: ServerCallContext): Promise<TaskPushNotificationConfig> {
    const kept = { ...this.check(config), id: config.id || randomUUID() };
    const before = await this.#store.load(kept.taskId, ctx);
    if (before.length >= MOST && !before.some((c) => c.id === kept.id))
      throw new RequestMalformedError(`A task has at most ${MOST} webhooks.`);
    await this.#store.save(kept.taskId, ctx, kept);
    this.wake(kept.taskId, ctx);
    return kept;
  }

  list(taskId: string, ctx: ServerCallContext): Promise<TaskPushNotificationConfig[]> {
    return this.#store.load(taskId, ctx);
  }

  remove(taskId: string, id: string, ctx: ServerCallContext): Promise<void> {
    return this.#store.delete(taskId, ctx, id);
  }

  close(): void {
    this.#closing.abort();
  }

  /** Call this when a task may have changed or has a new webhook. The task is read now, and followed until it ends. */
  wake(taskId: string, ctx: ServerCallContext): void {
    const key = `${callerOf(ctx).scope}/${taskId}`;
    const followed = this.#followed.get(key);
    if (followed) {
      followed.again = true;
      followed.wake?.();
      return;
    }
    const follow: Follow = { again: false, wake: undefined };
    this.#followed.set(key, follow);
    this.#follow(taskId, ctx, follow, () => this.#followed.delete(key)).catch(refusal);
  }

  /**
   * The loop of one task, which ends with the task. Any process may drive the run. A failure, such as of a store that is away, does not end it: the task
   * is read again after the wait. @param done called synchronously at the end.
   */
  async #follow(taskId: string, ctx: ServerCallContext, follow: Follow, done: () => void): Promise<void> {
    const { by } = callerOf(ctx);
    const { signal } = this.#closing;
    const told = new Map<string, string>();
    let failing = false;
    try {
      for (let wait = LOOK.first; !signal.aborted; wait = longer(wait)) {
        follow.again = false;
        try {
          const { seen, changed } = await this.#tell(taskId, ctx, told);
          if (changed) wait = LOOK.first;
          failing = false;
          if (follow.again) continue;
          if (!seen) return;
          if (isOver(seen.task.status?.state)) return this.#end(taskId, ctx);
          if (seen.running) for await (const event of this.#reading.engine.watch(taskId, { by, after: seen.seq, signal })) void event;
          else await pause(wait, signal, follow);
        } catch (error) {
          if (RondoError.is(error, 'ENGINE_CLOSED')) return;
          if (!failing) tellOperator(error);
          failing = true;
          await pause(wait, signal, follow);
        }
      }
    } finally {
      done();
    }
  }

  /** Reads the task and notifies the webhooks that do not know its state. @param told the state that each webhook knows. @returns undefined for a task without webhooks. */
  async #tell(taskId: string, ctx: ServerCallContext, told: Map<string, string>): Promise<{ seen: Seen | undefined; changed: boolean }> {
    const configs = await this.#configs(taskId, ctx);
    const seen = configs.length > 0 ? await see(this.#reading, callerOf(ctx), taskId) : undefined;
    if (!seen) return { seen, changed: false };
    const { task } = seen;
    const now = `${task.status?.state}/${task.status?.timestamp}`;
    const due = configs.filter(({ config }) => told.get(config.id) !== now);
    for (const { config } of due) told.set(config.id, now);
    await Promise.all(due.map((c) => this.#send(c, task, this.#closing.signal)));
    return { seen, changed: due.length > 0 };
  }

  /** Drops the webhooks of the oldest ended task. A store of the application is left alone. */
  #end(taskId: string, ctx: ServerCallContext): void {
    if (!(this.#store instanceof InMemoryPushNotificationStore)) return;
    if (this.#ended.push({ taskId, ctx }) <= KEPT) return;
    const oldest = this.#ended.shift();
    if (oldest) this.#store.delete(oldest.taskId, oldest.ctx).catch(refusal);
  }

  async #configs(taskId: string, ctx: ServerCallContext): Promise<StoredPushNotificationConfig[]> {
    if (this.#store.loadWithMetadata) return this.#store.loadWithMetadata(taskId, ctx);
    return (await this.#store.load(taskId, ctx)).map((config) => ({ config, wireVersion: ctx.requestedVersion }));
  }

  async #send({ config, wireVersion }: StoredPushNotificationConfig, task: Task, signal: AbortSignal): Promise<void> {
    const serializer = wireVersion.startsWith('0.') ? new V03PushNotificationSerializer() : new V1PushNotificationSerializer();
    const { body, contentType } = serializer.serialize({ payload: { $case: 'task', value: task } }, task);
    const { authentication: a, token } = config;
    const headers: Record<string, string> = {};
    if (a?.scheme && a.credentials) headers.authorization = `${a.scheme} ${a.credentials}`;
    if (token) headers['x-a2a-notification-token'] = token;
    const sent = await this.#webhooks.send({ url: config.url, body, contentType, headers, signal });
    if (!sent.ok && !sent.cancelled) warn(config, sent.error.message);
  }
}

const warn = ({ url, taskId }: TaskPushNotificationConfig, why: string) =>
  process.emitWarning(
    `serveA2A(): ${URL.canParse(url) ? new URL(url).origin : 'a webhook'} was not told of task ${taskId}: ${why}.`,
    'RondoWarning',
  );
