/** A conversation that has all that a long one may have, for what is sent of it: two runs of a session, 20 turns with tools and more. */
import { agent, Engine, type Model, ToolError, tool } from '../../src/index.ts';
import { type Prompt, prefixes } from '../../src/testing/index.ts';
import { anything, ends } from '../kit/runs.ts';

export const TURNS = 20;

/** What the model calls in turn `n`, from 0: several calls, odd names and ids, failures, unknown tools, arguments of all kinds. */
export function callsOf(n: number): { id: string; name: string; input: Record<string, unknown> }[] {
  const call = (name: string, input: Record<string, unknown>, id = `call_${n}_${name.replace(/\W/g, '')}`) => ({ id, name, input });
  switch (n % 5) {
    case 0:
      return [call('look', { n }), call('orders-find', { 'odd name': `é${n}`, deep: [{ a: 1.5 }, null] })];
    case 1:
      return [call('fails', { n })];
    case 2:
      // providers give the same id again, and the engine's own have dots
      return [call('look', { n }, `${n}.0`), call('look', { n: -n }, `${n}.0`), call('no_such_tool', { n })];
    case 3:
      return [call('shows', { n })];
    default:
      return [call('look', { n }, '')];
  }
}

const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

/** The answers that the model gives in order: what it calls, or its text. Two runs of `TURNS / 2` turns, each with an answer at its end. */
export const answers: readonly (string | ReturnType<typeof callsOf>)[] = Array.from({ length: TURNS }, (_, n) =>
  (n + 1) % (TURNS / 2) === 0 ? [callsOf(n), `Half ${n}.`] : [callsOf(n)],
).flat();

/**
 * Runs the conversation: half of the turns in one run, the rest in the next of its session, with messages to the running agent in between.
 * @throws if a request of the engine itself moves.
 */
export async function talk(model: Model): Promise<void> {
  const watch = prefixes();
  const engine = new Engine({ use: [watch.use], onEvent: watch.onEvent });
  const read = { input: anything, effect: 'read' } as const;
  const tools = [
    tool({ ...read, name: 'look', description: 'Looks', execute: (input) => ({ seen: input, at: ['here'] }) }),
    tool({ ...read, name: 'orders-find', description: 'Finds\n orders', execute: () => 'none \ud800 found' }),
    tool({
      ...read,
      name: 'fails',
      description: '',
      execute: () => {
        throw new ToolError('NO_LUCK', 'no luck today');
      },
    }),
    tool({
      ...read,
      name: 'shows',
      description: 'Shows',
      async execute(_, { runId }) {
        await engine.send(runId, 'And hurry.');
        return 'shown';
      },
      toModel: () => [
        { type: 'image', mediaType: 'image/png', data: PNG },
        { type: 'text', text: '' },
      ],
    }),
  ];
  const clerk = agent({ name: 'clerk', instructions: 'Work through it. \udc00', model, tools });
  for (const text of ['First half', 'Second half']) await ends(engine.run(clerk, text, { session: 'talk' }), 'completed');
  await engine.close();
}

/** A request on the wire as a prompt, without its cache points. */
export const promptOf = (o: { instructions?: unknown; tools?: readonly unknown[]; messages: readonly unknown[] }): Prompt => ({
  instructions: o.instructions ?? null,
  tools: o.tools ?? [],
  messages: o.messages,
});
