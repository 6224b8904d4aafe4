/** What both jobs are made of: models that are functions of what they are shown, and tools that leave a trace outside. */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Effect,
  jsonSchema,
  type Message,
  type Model,
  type NodeContext,
  type Part,
  type Prices,
  type Schema,
  type ToolOptions,
  tool,
} from '../../../src/index.ts';
import type { Outside } from './deeds.ts';

/** The run that is forked from the first one. */
export const FORK = 'fork-1';
export const PRICES: Prices = { 'test/thinker': { input: 3, output: 15, source: 'this test', date: '2026-11-21' } };

const input = jsonSchema<{ n: number }>({
  type: 'object',
  properties: { n: { type: 'integer' } },
  required: ['n'],
  additionalProperties: false,
});
type Options = ToolOptions<string, typeof input, Schema, never, unknown>;

/** Something outside that takes a while, with a point before and after its effect. */
export async function does(out: Outside, what: string, effect: Effect, key: string, ms: number): Promise<void> {
  out.point(`in ${what}, before its effect`);
  await sleep(ms);
  out.acts(what, effect, key);
  out.point(`in ${what}, after its effect`);
  await sleep(1);
}

/** A tool of an agent. What it does is called `<agent>/<tool> <n>`. */
export const work = (out: Outside, agent: string, name: string, effect: Effect, ms: number, more: Partial<Options> = {}) =>
  tool({
    name,
    description: `Does ${name}`,
    input,
    effect,
    ...more,
    execute: async ({ n }, { idempotencyKey }) => {
      const what = `${agent}/${name} ${n}`;
      out.began(what, effect);
      await does(out, what, effect, idempotencyKey, ms);
      return { [name]: n };
    },
  });

/** A durable step of a node. What it does is called `<node>/<step>`. */
export const step = (out: Outside, { durable }: NodeContext, node: string, name: string, effect: Effect, ms: number): Promise<string> =>
  durable(
    name,
    async () => {
      out.began(`${node}/${name}`, effect);
      await does(out, `${node}/${name}`, effect, name, ms);
      return `${name} done`;
    },
    { effect },
  );

type Asked = readonly (readonly [name: string, input: object])[];

/** Asks for the calls of each round in turn, whatever came of those before, and then says that it is done. */
export function thinker(out: Outside, agent: string, rounds: (task: string) => readonly Asked[]): Model {
  return {
    provider: 'test',
    id: 'thinker',
    maxOutput: 100,
    generate: async ({ messages }) => {
      const turn = messages.filter(({ role }) => role === 'assistant').length;
      out.began(`${agent}/answer ${turn + 1} to ${taskOf(messages)}`);
      await sleep(2);
      const calls = rounds(taskOf(messages))[turn] ?? [];
      const content: Part[] = [{ type: 'text', text: calls.length > 0 ? `${agent}, round ${turn}` : `${agent} is done` }];
      calls.forEach(([name, given], i) => {
        content.push({ type: 'toolCall', id: `${agent}-${turn}-${i}`, name, input: given as never });
      });
      return { content, stop: calls.length > 0 ? 'tools' : 'end', usage: { input: 1_000 + turn, output: 10 + turn } };
    },
  };
}

function taskOf([first]: readonly Message[]): string {
  const [part] = first?.content ?? [];
  return part?.type === 'text' ? part.text : '';
}

export const isUnknown = (error: unknown) => (error as { code?: string } | undefined)?.code === 'OUTCOME_UNKNOWN';
