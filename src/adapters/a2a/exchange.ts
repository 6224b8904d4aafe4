/** What a peer has sent during one turn: the task's status, artifacts and usage, or a plain reply. */
import { type Artifact, type Part, type StreamResponse, type Task, TaskState, type TaskStatus } from '@a2a-js/sdk';
import { ToolError } from '../../errors.ts';
import { LIMIT } from '../../foreign/ask-of.ts';
import type { Json } from '../../json.ts';
import type { TurnContext } from '../../ports/foreign.ts';
import type { Usage } from '../../ports/model.ts';
import { isOver, USAGE, waits } from './names.ts';
import { joined, textOf } from './parts.ts';

export class Exchange {
  readonly #name: string;
  readonly #emit: TurnContext['emit'];
  readonly #artifacts = new Map<string, Part[]>();
  taskId: string | undefined;
  contextId: string | undefined;
  status: TaskStatus | undefined;
  /** Why the peer refused the answer to a waiting task. */
  refused: string | undefined;
  /** The reply of a peer that answered with a message instead of a task. */
  reply: string | undefined;
  usage: Usage | undefined;
  /** US dollars, as the peer reports them. */
  costUsd: number | undefined;

  constructor(name: string, emit: TurnContext['emit']) {
    this.#name = name;
    this.#emit = emit;
  }

  get ended(): boolean {
    return this.reply !== undefined || isOver(this.status?.state) || waits(this.status?.state);
  }

  /** The output: the JSON value if it is a single data part, else everything as text. Undefined if it is empty. */
  get output(): Json | undefined {
    if (this.reply !== undefined) return this.reply === '' ? undefined : this.reply;
    const artifacts = [...this.#artifacts.values()].filter((parts) => textOf(joined(parts)).trim() !== '');
    const [only, ...others] = artifacts.flat();
    if (only?.content?.$case === 'data' && others.length === 0) return (only.content.value ?? null) as Json;
    const text =
      artifacts.length > 0 ? artifacts.map((parts) => textOf(joined(parts))).join('\n\n') : textOf(this.status?.message?.parts ?? []);
    return text.trim() === '' ? undefined : text;
  }

  /** @throws ToolError for an invalid answer to this task. */
  take({ payload }: StreamResponse): void {
    switch (payload?.$case) {
      case 'message':
        this.reply = textOf(payload.value.parts);
        return;
      case 'task':
        this.#task(payload.value);
        return;
      case 'statusUpdate':
        this.#belongs(payload.value.taskId, payload.value.contextId);
        this.status = known(payload.value.status) ?? this.status;
        this.#count(payload.value.metadata);
        return;
      case 'artifactUpdate': {
        const { taskId, contextId, artifact, append, lastChunk } = payload.value;
        this.#belongs(taskId, contextId);
        if (artifact) this.#artifact(artifact, append, lastChunk);
        return;
      }
      default:
    }
  }

  #task(task: Task): void {
    this.#belongs(task.id, task.contextId);
    this.status = known(task.status) ?? this.status;
    this.#count(task.metadata);
    // a task that lists its artifacts lists all of them: a draft that was streamed and then dropped is not a part of the output
    if (task.artifacts.length > 0) this.#artifacts.clear();
    for (const { artifactId, parts } of task.artifacts) this.#artifacts.set(artifactId, [...parts]);
  }

  #artifact({ artifactId, parts }: Artifact, append: boolean, last: boolean): void {
    const before = this.#artifacts.get(artifactId);
    if (append && before) before.push(...parts);
    else this.#artifacts.set(artifactId, [...parts]);
    // the final version of an artifact replaces a draft that was streamed already
    if (!this.#emit || (last && !append && before)) return;
    const text = textOf(parts);
    if (text !== '') this.#emit({ type: 'text', text });
  }

  /** Takes the usage that the peer reports. Negative and non-finite numbers are ignored, because limits count it. */
  #count(metadata: { [k: string]: unknown } | undefined): void {
    const said = metadata?.[USAGE];
    const { input, output, costUsd } = (typeof said === 'object' && said !== null ? said : {}) as { [k: string]: unknown };
    if (!isCount(input) || !isCount(output)) return;
    this.usage = { input, output };
    this.costUsd = typeof costUsd === 'number' && costUsd >= 0 && costUsd < 1e9 ? costUsd : undefined;
  }

  #belongs(taskId: string, contextId: string): void {
    if (!taskId || taskId.length > LIMIT.id * 4 || contextId.length > LIMIT.id * 4 || (this.taskId !== undefined && this.taskId !== taskId))
      throw new ToolError('A2A_BAD_RESPONSE', `agent "${this.#name}" answered about another task.`, { outcome: 'unknown' });
    this.taskId = taskId;
    if (contextId) this.contextId = contextId;
  }
}

const known = (status: TaskStatus | undefined) => (status && status.state > TaskState.TASK_STATE_UNSPECIFIED ? status : undefined);

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) < 1e12;
