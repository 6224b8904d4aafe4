/** A process with the official SDK's own server: a task is what the text says. Says `{"url"}`, then what it was told. */
import { flushCompileCache } from 'node:module';
import { AgentCard, type Message, type Part, Role, TaskState } from '@a2a-js/sdk';
import {
  AgentEvent,
  type AgentExecutor,
  DefaultRequestHandler,
  type ExecutionEventBus,
  InMemoryTaskStore,
  type RequestContext,
} from '@a2a-js/sdk/server';
import { agentCardHandler, jsonRpcHandler, restHandler, UserBuilder } from '@a2a-js/sdk/server/express';

const o = JSON.parse(process.argv[2] ?? '{}') as { streaming?: boolean; version?: '0.3'; binding?: 'HTTP+JSON' };
const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);
const part = (content: NonNullable<Part['content']>, filename = ''): Part => ({ content, mediaType: '', filename, metadata: undefined });
const text = (value: string) => part({ $case: 'text', value });

// the SDK writes there what it answers anyway
console.error = () => undefined;

interface App {
  use(path: string, handler: unknown): void;
  listen(port: number, host: string, done: () => void): { address(): unknown };
}

class Worker implements AgentExecutor {
  readonly #stop = new Map<string, () => void>();

  async execute({ taskId, contextId, userMessage, task, context }: RequestContext, bus: ExecutionEventBus): Promise<void> {
    const said = userMessage.parts.map((p) => (p.content?.$case === 'text' ? p.content.value : JSON.stringify(p.content?.value))).join(' ');
    const headers = context.state.get('headers') as Record<string, unknown>;
    say({
      said,
      taskId,
      contextId,
      messageId: userMessage.messageId,
      metadata: userMessage.metadata,
      traceparent: headers.traceparent,
      key: headers['x-key'],
    });
    const message = (parts: Part[]): Message => ({
      messageId: crypto.randomUUID(),
      taskId,
      contextId,
      role: Role.ROLE_AGENT,
      parts,
      metadata: undefined,
      extensions: [],
      referenceTaskIds: [],
    });
    const [word = '', ...words] = said.split(' ');
    if (word === 'message') return bus.publish(AgentEvent.message({ ...message([text(words.join(' '))]), taskId: '' }));
    const status = (state: TaskState, parts?: Part[]) => ({ state, message: parts && message(parts), timestamp: new Date().toISOString() });
    bus.publish(
      AgentEvent.task({
        id: taskId,
        contextId,
        status: status(TaskState.TASK_STATE_WORKING),
        artifacts: task?.artifacts ?? [],
        history: [userMessage],
        metadata: undefined,
      }),
    );
    const end = (state: TaskState, parts?: Part[]) =>
      bus.publish(AgentEvent.statusUpdate({ taskId, contextId, status: status(state, parts), metadata: undefined }));
    const give = (id: string, parts: Part[], append = false) =>
      bus.publish(
        AgentEvent.artifactUpdate({
          taskId,
          contextId,
          artifact: { artifactId: id, name: id, description: '', parts, metadata: undefined, extensions: [] },
          append,
          lastChunk: false,
          metadata: undefined,
        }),
      );
    switch (task ? 'answer' : word) {
      case 'answer':
        if (said === 'again') return end(TaskState.TASK_STATE_INPUT_REQUIRED, [text('Really?')]);
        give('answer', [text(`it said: ${said}`)]);
        return end(TaskState.TASK_STATE_COMPLETED);
      case 'ask':
        return end(TaskState.TASK_STATE_INPUT_REQUIRED, [text(words.join(' '))]);
      case 'auth':
        return end(TaskState.TASK_STATE_AUTH_REQUIRED, [text(words.join(' '))]);
      case 'fail':
        return end(TaskState.TASK_STATE_FAILED, [text(words.join(' '))]);
      case 'reject':
        return end(TaskState.TASK_STATE_REJECTED, [text(words.join(' '))]);
      case 'empty':
        return end(TaskState.TASK_STATE_COMPLETED);
      case 'status':
        return end(TaskState.TASK_STATE_COMPLETED, [text(words.join(' '))]);
      case 'files':
        give('files', [text('see'), part({ $case: 'data', value: { a: 1 } }), part({ $case: 'raw', value: Buffer.from('abc') }, 'a.txt')]);
        return end(TaskState.TASK_STATE_COMPLETED);
      case 'hang':
        return new Promise<void>((resolve) => this.#stop.set(taskId, resolve));
      default:
        for (const [i, w] of words.entries()) give('words', [text(i > 0 ? ` ${w}` : w)], i > 0);
        return end(TaskState.TASK_STATE_COMPLETED);
    }
  }

  async cancelTask(taskId: string, bus: ExecutionEventBus): Promise<void> {
    say({ cancelled: taskId });
    const status = { state: TaskState.TASK_STATE_CANCELED, message: undefined, timestamp: new Date().toISOString() };
    bus.publish(AgentEvent.statusUpdate({ taskId, contextId: '', status, metadata: undefined }));
    this.#stop.get(taskId)?.();
  }
}

const { default: express } = (await import('express')) as unknown as { default: () => App };
const app = express();
const listening = app.listen(0, '127.0.0.1', () => {
  const url = `http://127.0.0.1:${(listening.address() as { port: number }).port}`;
  const version = o.version ?? '1.0';
  const bindings = [
    { url: `${url}/rpc`, protocolBinding: 'JSONRPC', protocolVersion: version, tenant: '' },
    { url: `${url}/rest`, protocolBinding: 'HTTP+JSON', protocolVersion: version, tenant: '' },
  ];
  const card = AgentCard.fromJSON({
    name: 'official',
    description: 'The SDK itself',
    version: '1',
    supportedInterfaces: bindings.filter((b) => !o.binding || b.protocolBinding === o.binding),
    capabilities: { streaming: o.streaming ?? true },
    defaultInputModes: ['text'],
    defaultOutputModes: ['text'],
    skills: [],
  });
  const requestHandler = new DefaultRequestHandler(card, new InMemoryTaskStore(), new Worker());
  const legacyCompat = { enabled: o.version === '0.3' };
  const common = { requestHandler, userBuilder: UserBuilder.noAuthentication, legacyCompat };
  app.use('/.well-known/agent-card.json', agentCardHandler({ agentCardProvider: requestHandler, legacyCompat }));
  app.use('/rpc', jsonRpcHandler(common));
  app.use('/rest', restHandler(common));
  say({ url });
  // a process that is killed would leave nothing of it
  flushCompileCache();
});
