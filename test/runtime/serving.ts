import { onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { type ServeOptions, type Serving, serve } from '../../src/adapters/agentcore/runtime/index.ts';
import { type Agent, agent, Engine, type Journal } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';

export { payer } from './payer.ts';

export const SESSION = 'x-amzn-bedrock-agentcore-runtime-session-id';
export const USER = 'x-amzn-bedrock-agentcore-runtime-user-id';
export const session = (n: number | string = 1) => `session-${n}-`.padEnd(36, '0');

/** Says how many users' messages the conversation has. */
export const echo = () =>
  agent({
    name: 'echo',
    instructions: '',
    model: scripted(({ messages }) => `message ${messages.filter((m) => m.role === 'user').length}`),
  });

export async function serving(of: Agent, o: ServeOptions = {}, journal?: Journal): Promise<Serving & { engine: Engine }> {
  const engine = new Engine({ ...(journal && { journal }) });
  const server = await serve(engine, of, { port: 0, container: false, ...o });
  onTestFinished(async () => {
    await server.close({ grace: 200 });
    await engine.close();
  });
  return { ...server, engine };
}

/** A socket as a client has it: the messages in order, and the code it was closed with. */
export async function connect(url: string, headers: Record<string, string> = {}, protocols: string[] = []) {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/ws`, protocols, { headers });
  // biome-ignore lint/suspicious/noExplicitAny: what the tests look into
  const queue: any[] = [];
  // biome-ignore lint/suspicious/noExplicitAny: what the tests look into
  const waiting: ((message: any) => void)[] = [];
  socket.on('message', (data) => {
    const message = JSON.parse(String(data));
    const next = waiting.shift();
    if (next) next(message);
    else queue.push(message);
  });
  const closed = new Promise<number>((resolve) => socket.on('close', (code) => resolve(code)));
  onTestFinished(() => socket.terminate());
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', reject);
  });
  // biome-ignore lint/suspicious/noExplicitAny: what the tests look into
  const next = (): Promise<any> => (queue.length > 0 ? Promise.resolve(queue.shift()) : new Promise((resolve) => waiting.push(resolve)));
  return {
    socket,
    closed,
    next,
    say: (message: unknown) => socket.send(typeof message === 'string' ? message : JSON.stringify(message)),
    /** The next message of this type. */
    async until(type: string) {
      for (;;) {
        const message = await next();
        if (message.type === type) return message;
      }
    },
  };
}
