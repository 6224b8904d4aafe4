import { z } from 'zod';
import {
  type Agent,
  agent,
  Engine,
  type EngineOptions,
  type Entry,
  graph,
  type Json,
  jsonSchema,
  type Model,
  NeedsPerson,
  type Principal,
  type RunOptions,
  type Tool,
  tool,
} from '../../src/index.ts';
import type { Journal } from '../../src/journal/port.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { entriesOf } from '../kit/journals.ts';
import { asks, ends, shown } from '../kit/runs.ts';
import { deferred, settle } from '../kit/time.ts';

export interface Refund {
  readonly orderId: string;
  readonly cents: number;
}
const refundInput = jsonSchema<Refund>({
  type: 'object',
  properties: { orderId: { type: 'string' }, cents: { type: 'number' } },
  required: ['orderId', 'cents'],
});
const key = ({ orderId }: Refund) => `refund:${orderId}`;

type Options = Omit<Parameters<typeof tool<'refund', typeof refundInput, Json | undefined>>[0], 'name' | 'description' | 'input'>;
/** A tool that pays a refund: `key` names the order. */
export const refunds = (o: Omit<Options, 'key'> & { key?: Options['key'] }): Tool =>
  tool({ name: 'refund', description: 'Refund an order', input: refundInput, key, ...o });

/** Its prompt is JSON, the input of each call that it asks for: one, or a list of them for one answer. */
export const caller = (name = 'refund'): Model & { readonly requests: readonly unknown[] } =>
  scripted(({ messages }) => {
    const last = messages.at(-1);
    if (last?.role !== 'user') return 'done';
    const [part] = last.content;
    const input = JSON.parse(part?.type === 'text' ? part.text : 'null') as Json;
    return asks(...(Array.isArray(input) ? input : [input]).map((each) => [name, each] as const));
  });

export const support = (tools: readonly Tool[], more: { parallel?: number } = {}) =>
  agent({ name: 'support', instructions: '', model: caller(), tools, ...more });

export const order = (orderId: string, cents = 500): Refund => ({ orderId, cents });

/** How the calls of a run ended. */
export const endsOf = (entries: readonly Entry[]) => entries.flatMap((e) => (e.type === 'call.finished' ? [e] : []));

/** Runs the agent on one input, to its end. @returns the ends of its calls, and what its model was told. */
export async function asked(
  journal: Journal,
  tools: readonly Tool[],
  input: Refund | readonly Refund[],
  o: RunOptions & { engine?: Engine; options?: Omit<EngineOptions, 'journal'> } = {},
) {
  const { engine = new Engine({ journal, ...o.options }), options: _, ...run } = o;
  const a = support(tools);
  const result = await ends(engine.run(a, JSON.stringify(input), run), 'completed');
  const entries = await entriesOf(journal, result.runId);
  const requests = (a as unknown as { model: { requests: Parameters<typeof shown>[0][] } }).model.requests;
  return { runId: result.runId, entries, calls: endsOf(entries), told: shown(requests.at(-1)) };
}

/** A graph whose agent asks a person, and which ends before there is an answer. */
export const endsOnceAsked = ({ agent, input, asking }: { agent: Agent; input: () => string; asking: Promise<void> }) =>
  graph({
    name: 'ending',
    description: '',
    state: z.object({}),
    nodes: {
      pay: { agent, input, output: () => ({}) },
      fail: () => asking.then(() => settle()).then(() => Promise.reject(new Error('no'))),
    },
    edges: { start: ['pay', 'fail'], pay: 'end', fail: 'end' },
  });

/** Runs a graph whose agent asks a person about the refund of order 7, and which ends before there is an answer. Its run goes on. */
export async function leftAsking(journal: Journal, effect: 'once' | 'idempotent', by: Principal): Promise<void> {
  const asking = deferred();
  const careful = refunds({
    effect,
    execute: () => {
      asking.resolve();
      throw new NeedsPerson({ question: 'Sure?' });
    },
  });
  const below = agent({ name: 'below', instructions: '', model: caller(), tools: [careful] });
  const ending = endsOnceAsked({ agent: below, input: () => JSON.stringify(order('7')), asking: asking.promise });
  const top = agent({ name: 'top', instructions: '', model: scripted([asks(['ending', {}]), 'done']), agents: [ending] });
  const { runId } = await ends(new Engine({ journal }).run(top, 'go', { by }), 'completed');
  if (!(await entriesOf(journal, runId)).some(({ type }) => type === 'approval.requested')) throw new Error('no person was asked');
}
