/** A server of one agent, in a process of its own: tells its parent the port, and ends with it. The model and the tool answer at once. */
import { BedrockAgentCoreApp } from 'bedrock-agentcore/runtime';
import { serve } from '../src/adapters/agentcore/runtime/index.ts';
import { memoryJournal } from '../src/index.ts';
import { bareRun } from './bare.ts';
import { bareLoop, counted, lookupAgent, newEngine } from './contenders.ts';
import { instantModel } from './workload.ts';

/** Of one request. */
const TURNS = 1;

const { execute } = counted('small');
const model = instantModel(TURNS);

/** A free port is asked for by 0, which the official app takes for no port at all. */
async function official(process: (request: unknown, context: { sessionId: string }) => Promise<unknown>, port: number): Promise<number> {
  const app = new BedrockAgentCoreApp({ invocationHandler: { process }, config: { logging: { enabled: false } } });
  app.run({ port, host: '127.0.0.1' });
  return port;
}

const SERVERS: Readonly<Record<string, (port: number) => Promise<number>>> = {
  async rondo() {
    const engine = newEngine(memoryJournal());
    const server = await serve(engine, lookupAgent(model, 'read', execute), {
      port: 0,
      container: false,
      requireSession: true,
      worker: false,
    });
    return server.port;
  },
  'official, engine'(port) {
    const engine = newEngine(memoryJournal());
    const agent = lookupAgent(model, 'read', execute);
    return official(async (request, { sessionId }) => {
      const { prompt } = request as { prompt: string };
      return engine.run(agent, prompt, { session: sessionId, by: { id: 'anonymous' } });
    }, port);
  },
  'official, bare'(port) {
    const loop = bareLoop(model, execute);
    return official(async () => ({ output: await bareRun(loop) }), port);
  },
};

// the processor time so far, microseconds
process.on('message', () => {
  const { user, system } = process.cpuUsage();
  process.send?.({ cpu: user + system });
});
process.once('disconnect', () => process.exit(0));
const [name = '', port = '0'] = process.argv.slice(2);
process.send?.({ port: await SERVERS[name]?.(Number(port)) });
