/** Agents that wait, and act then: once under a key, and once without one. Their models are functions of what they are shown. */
import { join } from 'node:path';
import {
  type Agent,
  agent,
  graph,
  type Journal,
  type Json,
  jsonSchema,
  type Message,
  type Model,
  type Part,
  tool,
  waitForEvent,
  waitTool,
} from '../../../src/index.ts';
import { lines } from '../ledger.ts';
import type { Point } from '../points.ts';

export const ANA = { id: 'ana', tenant: 'acme' };
export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;
/** Of the store's clock: behind the real one, by which leases end. */
export const START = Date.UTC(2026, 0, 5, 8, 30);

/** What was done outside: begun by a model, or an effect of a tool. */
export interface Deed {
  kind: 'began' | 'keyed' | 'plain';
  what: string;
  run?: string;
  /** The idempotency key. */
  key?: string;
  pid: number;
}
export const deeds = (dir: string) => lines<Deed>(join(dir, 'deeds'));

/** What a process was told of an event or a queued run. */
export const acknowledged = (dir: string) => lines<{ id: string; told: string }>(join(dir, 'told'));
/** Times at which all was done. */
export const passed = (dir: string) => lines<number>(join(dir, 'passed'));

/** A journal whose clock a test or an order sets. */
export interface Clock {
  now: number;
}

const text = jsonSchema<{ what: string }>({ type: 'object', properties: { what: { type: 'string' } }, required: ['what'] });
const topic = jsonSchema<{ topic: string }>({ type: 'object', properties: { topic: { type: 'string' } }, required: ['topic'] });
const mail = jsonSchema<{ text: string }>({ type: 'object', properties: { text: { type: 'string' } }, required: ['text'] });

type Calls = readonly (readonly [name: string, input: Json])[];
/** What is asked for once these results have come; a text: that is the end. */
type Turn = (said: readonly string[], results: readonly string[]) => Calls | string;

function thinker(began: (said: string) => void, turn: Turn): Model {
  return {
    provider: 'test',
    id: 'waiter',
    generate: async ({ messages }) => {
      const said = messages.filter(({ role }) => role === 'user').map(textOf);
      const since = messages.slice(messages.findLastIndex(({ role }) => role === 'user') + 1);
      began(said.at(-1) ?? '');
      const next = turn(said, since.filter(({ role }) => role === 'tool').map(textOf));
      if (typeof next === 'string') return { content: [{ type: 'text', text: next }], stop: 'end' };
      return {
        content: next.map(([name, input]): Part => ({ type: 'toolCall', id: `${name}-${since.length}`, name, input })),
        stop: 'tools',
      };
    },
  };
}

function textOf({ content: [part] }: Message): string {
  if (part?.type === 'text') return part.text;
  const [first] = part?.type === 'toolResult' ? part.output : [];
  return first?.type === 'text' ? first.text : '';
}

export function agents(dir: string, point: Point): { listener: Agent; sleeper: Agent; napper: Agent; inbox: Agent; echo: Agent } {
  const ledger = deeds(dir);
  const began = (what: string) => {
    ledger.add({ kind: 'began', what, pid: process.pid });
    point('in the model');
  };
  const act = (kind: 'keyed' | 'plain') =>
    tool({
      name: kind,
      description: kind,
      input: text,
      effect: 'once',
      ...(kind === 'keyed' && {
        key: ({ what }: { what: string }) => what,
        check: ({ idempotencyKey }: { idempotencyKey: string }) =>
          ledger.all().some(({ kind, key }) => kind === 'keyed' && key === idempotencyKey)
            ? { outcome: 'done' as const, output: 'found out' }
            : { outcome: 'not-run' as const },
      }),
      execute: async ({ what }, { idempotencyKey: key, runId: run }): Promise<Json> => {
        point(`in ${kind}, before its effect`);
        ledger.add({ kind, what, run, key, pid: process.pid });
        point(`in ${kind}, after its effect`);
        await new Promise((resolve) => setTimeout(resolve, 1));
        return kind;
      },
    });
  const tools = [act('keyed'), act('plain')];
  const acting = (what: string): Calls => [
    ['keyed', { what }],
    ['plain', { what }],
  ];
  const echo = (name: string) =>
    agent({
      name,
      instructions: '',
      tools,
      model: thinker(began, (said, results) => (results.length > 0 ? said.join('+') : acting(said.at(-1) as string))),
    });
  const worker = echo('worker');
  return {
    // waits for an event of the topic that it is told
    listener: agent({
      name: 'listener',
      instructions: '',
      tools: [
        ...tools,
        waitForEvent({
          name: 'wait_for_reply',
          event: 'reply',
          key: ({ topic }) => topic,
          schema: mail,
          for: 3 * DAY,
          input: topic,
        }),
      ],
      model: thinker(began, ([on = ''], [reply, acted]) => {
        if (reply === undefined) return [['wait_for_reply', { topic: on }]];
        if (reply.includes('EVENT_TIMEOUT')) return 'no reply';
        const { text } = JSON.parse(reply) as { text: string };
        return acted === undefined ? acting(`${on}: ${text}`) : text;
      }),
    }),
    sleeper: agent({
      name: 'sleeper',
      instructions: '',
      tools: [...tools, waitTool()],
      model: thinker(began, ([name = ''], [slept, acted]) => {
        if (slept === undefined) return [['wait', { minutes: 90 }]];
        return acted === undefined ? acting(name) : slept;
      }),
    }),
    // the same as nodes of a graph
    napper: graph({
      name: 'napper',
      state: jsonSchema<{ what: string }>({ type: 'object', properties: { what: { type: 'string' } }, required: ['what'] }),
      nodes: {
        nap: { wait: () => ({ for: 90 * MINUTE }) },
        act: { agent: worker, input: ({ what }) => what, output: () => ({}) },
      },
      edges: { start: 'nap', nap: 'act', act: 'end' },
    }),
    inbox: graph({
      name: 'inbox',
      state: jsonSchema<{ topic: string; text?: string }>({
        type: 'object',
        properties: { topic: { type: 'string' }, text: { type: 'string' } },
        required: ['topic'],
      }),
      nodes: {
        mail: { event: 'reply', key: ({ topic }) => topic, schema: mail, for: 3 * DAY, output: ({ text }) => ({ text }) },
        act: { agent: worker, input: ({ topic, text }) => `${topic}: ${text}`, output: () => ({}) },
      },
      edges: { start: 'mail', mail: 'act', act: 'end' },
    }),
    echo: echo('echo'),
  };
}

/** Shows the time of a clock in place of the journal's own. */
export function clocked(journal: Journal, clock: Clock): Journal {
  return new Proxy(journal, {
    get(target, name) {
      if (name === 'now') return () => clock.now;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
