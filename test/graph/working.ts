import { z } from 'zod';
import { graph, type NodeContext } from '../../src/index.ts';

/** A graph of one node, which does this work. */
export const working = (work: (ctx: NodeContext) => Promise<string>) =>
  graph({
    name: 'g',
    state: z.object({ said: z.string().default('') }),
    nodes: { work: async (_, ctx) => ({ said: await work(ctx) }) },
    edges: { start: 'work', work: 'end' },
  });
