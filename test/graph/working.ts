import { z } from 'zod';
import { type Agent, graph, type NodeContext } from '../../src/index.ts';

/** A graph of one node, which does this work. */
export const working = (work: (ctx: NodeContext) => Promise<string>) =>
  graph({
    name: 'g',
    state: z.object({ said: z.string().default('') }),
    nodes: { work: async (_, ctx) => ({ said: await work(ctx) }) },
    edges: { start: 'work', work: 'end' },
  });

/** A graph of one node, which is this agent. */
export const handing = (agent: Agent) =>
  graph({
    name: 'g',
    state: z.object({ said: z.string().default('') }),
    nodes: { work: { agent, input: () => 'x', output: (said) => ({ said: String(said) }) } },
    edges: { start: 'work', work: 'end' },
  });
