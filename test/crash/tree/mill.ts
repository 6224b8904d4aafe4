/** A graph of its own: a loop with branches in it, steps that no one catches, one that fails first, and a map at the end. */
import { type Agent, agent, append, graph, jsonSchema, send, ToolError } from '../../../src/index.ts';
import type { Outside } from './deeds.ts';
import { isUnknown, step, thinker, work } from './parts.ts';

export interface Mill {
  round: number;
  /** How many there are to be. */
  rounds: number;
  log: string[];
}
export const GRAIN: Mill = { round: 0, rounds: 3, log: [] };

const checker = (out: Outside) =>
  agent({
    name: 'checker',
    instructions: 'Check.',
    // the task is the round
    model: thinker(out, 'checker', (task) => [[['seal', { n: Number(task) }]]]),
    tools: [work(out, 'checker', 'seal', 'idempotent', 2)],
  });

export const mill = (out: Outside): Agent => {
  const { began } = out;
  return graph({
    name: 'mill',
    state: jsonSchema<Mill>({
      type: 'object',
      properties: { round: { type: 'integer' }, rounds: { type: 'integer' }, log: { type: 'array', items: { type: 'string' } } },
      required: ['round', 'rounds', 'log'],
    }),
    reducers: { log: append },
    nodes: {
      turn: async (s, ctx) => {
        const round = s.round + 1;
        const what = visit('turn', round);
        began(what);
        const bought = await step(out, ctx, what, 'buy', 'once', 2);
        const oiled = await step(out, ctx, what, 'oil', 'idempotent', 1);
        return { round, log: [`round ${round}: ${bought}, ${oiled}`] };
      },
      check: { agent: checker(out), input: (s) => `${s.round}`, output: (text, s) => ({ log: [`${text} with ${s.round}`] }) },
      grind: async (s, ctx) => {
        const what = visit('grind', s.round);
        began(what);
        for (let tries = 0; ; tries++) {
          try {
            return { log: [`ground ${s.round}: ${await ctx.durable('grit', () => grit(out, what, tries))}`] };
          } catch (error) {
            if (tries > 0 || isUnknown(error)) throw error;
          }
        }
      },
      meet: (s) => {
        began(visit('meet', s.round));
      },
      pack: async (_, ctx) => {
        const what = `mill/pack ${JSON.stringify(ctx.item)}`;
        began(what);
        return { log: [`packed ${ctx.item}: ${await step(out, ctx, what, 'load', 'once', 1)}`] };
      },
    },
    edges: {
      start: 'turn',
      turn: ['check', 'grind'],
      check: 'meet',
      grind: 'meet',
      meet: {
        to: ['turn', 'pack'],
        choose: (s) => (s.round < s.rounds ? 'turn' : [send('pack', 'left'), send('pack', 'right')]),
      },
      pack: 'end',
    },
    output: (s) => ({ ...s, log: [...s.log].sort() }),
  });
};

/** A `once` step that fails before its effect, and is tried again by the function itself. */
async function grit(out: Outside, what: string, tries: number): Promise<string> {
  out.began(`${what}/grit`, 'once');
  out.point(`in ${what}/grit, before it fails or not`);
  await new Promise((resolve) => setTimeout(resolve, 1));
  if (tries === 0) throw new ToolError('NOT_YET', 'not yet');
  out.acts(`${what}/grit`, 'once', 'grit');
  out.point(`in ${what}/grit, after its effect`);
  return 'grit done';
}

/** How the n-th visit of a node is called. */
const visit = (node: string, n: number) => `mill/${node}${n > 1 ? `@${n}` : ''}`;
