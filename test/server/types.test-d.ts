// What the compiler knows of the context where agents are served. Compiled by `npm run typecheck`, never run.
import { z } from 'zod';
import { serveA2A } from '../../src/adapters/a2a/index.ts';
import { serveAgUi } from '../../src/adapters/ag-ui/index.ts';
import { serve as serveRuntime } from '../../src/adapters/agentcore/runtime/index.ts';
import { rondoNode } from '../../src/adapters/langgraph/index.ts';
import { mcpHandler } from '../../src/adapters/mcp/index.ts';
import { rondoTool } from '../../src/adapters/strands/index.ts';
import { type Agent, agent, type Engine, type Model, tool } from '../../src/index.ts';
import { requestHandler, serve } from '../../src/server/index.ts';

declare const model: Model;
declare const engine: Engine;
declare const some: Agent;
const base = { description: '', input: z.object({}), execute: () => 1 };
const plain = agent({ name: 'plain', instructions: '', model });
const tenant = agent({
  name: 'a',
  instructions: '',
  model,
  tools: [tool({ ...base, name: 'a', context: z.object({ tenant: z.string() }) })],
});
const locale = agent({
  name: 'b',
  instructions: '',
  model,
  tools: [tool({ ...base, name: 'b', context: z.object({ locale: z.string() }) })],
});
const context = () => ({ tenant: 't' });

// none is needed
void serve(engine, plain);
void serve(engine, [plain, some], { port: 0 });
void serve(engine, plain, { context });
void rondoTool(engine, some);

// one is needed, of all agents together
void serve(engine, [tenant, locale, plain], { context: (by) => ({ tenant: by.id, locale: 'de' }) });
// @ts-expect-error half of the context
void serve(engine, [tenant, locale], { context });
// @ts-expect-error it is needed
void serve(engine, [plain, tenant]);
// @ts-expect-error it is needed
requestHandler(engine, tenant, { path: '/api' });
requestHandler(engine, tenant, { context });
// @ts-expect-error it is needed
mcpHandler(engine, tenant);
mcpHandler(engine, tenant, { context });
// @ts-expect-error it is needed
void serveAgUi(engine, tenant);
void serveAgUi(engine, tenant, { context: (by, input) => ({ tenant: `${by.id} ${input.threadId}` }) });
// @ts-expect-error it is needed
void serveA2A(engine, tenant, { port: 0 });
void serveA2A(engine, tenant, { context });
// @ts-expect-error it is needed
void serveRuntime(engine, tenant);
void serveRuntime(engine, tenant, { context });
// @ts-expect-error it is needed
rondoNode(engine, tenant);
rondoNode(engine, tenant, { context, input: (s: { topic: string }) => s.topic, output: (text) => ({ text: text.trim() }) });
// @ts-expect-error it is needed
rondoTool(engine, tenant);
rondoTool(engine, tenant, { context });
