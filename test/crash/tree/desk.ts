/**
 * A tree of agents of three levels, whose branches work side by side: a supervisor over a supervisor with a clerk below it, a graph
 * with a writer in it, and an agent of another framework. People are asked in each of them. Two more branches fail.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Agent,
  type Approval,
  agent,
  append,
  type Decision,
  foreignAgent,
  graph,
  jsonSchema,
  send,
  supervisor,
  ToolError,
} from '../../../src/index.ts';
import type { Outside } from './deeds.ts';
import { does, isUnknown, step, thinker, work } from './parts.ts';

export const PROMPT = 'Do it all';

const clerk = (out: Outside) =>
  agent({
    name: 'clerk',
    description: 'pays',
    instructions: 'Pay.',
    model: thinker(out, 'clerk', () => [
      [
        ['look', { n: 1 }],
        ['note', { n: 2 }],
        ['charge', { n: 3 }],
      ],
      [
        ['pay', { n: 4 }],
        ['note', { n: 5 }],
      ],
    ]),
    tools: [
      work(out, 'clerk', 'look', 'read', 2),
      work(out, 'clerk', 'note', 'idempotent', 5),
      work(out, 'clerk', 'charge', 'once', 8),
      work(out, 'clerk', 'pay', 'once', 3, { approval: { reason: 'money', roles: ['lead'] } }),
    ],
  });

const office = (out: Outside) =>
  supervisor({
    name: 'office',
    description: 'keeps the books',
    instructions: 'Delegate.',
    model: thinker(out, 'office', () => [
      [
        ['clerk', { task: 'pay the bill' }],
        ['stamp', { n: 6 }],
      ],
    ]),
    agents: [clerk(out)],
    tools: [work(out, 'office', 'stamp', 'once', 4)],
  });

const writer = (out: Outside) =>
  agent({
    name: 'writer',
    instructions: 'Write.',
    model: thinker(out, 'writer', () => [
      [
        ['print', { n: 7 }],
        ['publish', { n: 8 }],
      ],
    ]),
    tools: [work(out, 'writer', 'print', 'once', 3), work(out, 'writer', 'publish', 'once', 2, { approval: true })],
  });

interface Report {
  topic: string;
  items: string[];
  reserved: string;
  log: string[];
  text: string;
  good: boolean;
}
const EMPTY: Report = { topic: 'tides', items: [], reserved: '', log: [], text: '', good: false };
const yes = jsonSchema<boolean>({ type: 'boolean' });

const report = (out: Outside) => {
  const { began } = out;
  return graph({
    name: 'report',
    description: 'writes reports',
    state: jsonSchema<Report>({ type: 'object', properties: { topic: { type: 'string' } }, required: ['topic'] }),
    reducers: { log: append },
    nodes: {
      plan: async (_, ctx) => {
        began('report/plan');
        let reserved: string;
        try {
          reserved = await step(out, ctx, 'report/plan', 'reserve', 'once', 3);
        } catch (error) {
          // a function that knows what to do where no one knows
          if (!isUnknown(error)) throw error;
          reserved = 'unknown';
        }
        await step(out, ctx, 'report/plan', 'announce', 'idempotent', 2);
        return { items: ['a', 'b', 'c'], reserved };
      },
      bill: async (_, ctx) => {
        began('report/bill');
        return { log: [await step(out, ctx, 'report/bill', 'debit', 'once', 4)] };
      },
      write: { agent: writer(out), input: (s) => s.topic, output: (text) => ({ text }) },
      join: () => {
        began('report/join');
        return { log: ['joined'] };
      },
      each: async (_, ctx) => {
        const what = `report/each ${JSON.stringify(ctx.item)}`;
        began(what);
        await sleep(1);
        return { log: [`${ctx.item}: ${await step(out, ctx, what, 'mail', 'idempotent', 2)}`] };
      },
      gather: () => {
        began('report/gather');
        return { log: ['gathered'] };
      },
      sign: { ask: () => 'Is it good?', answer: yes, output: (good) => ({ good }) },
    },
    edges: {
      start: 'plan',
      plan: ['bill', 'write'],
      bill: 'join',
      write: 'join',
      join: { to: ['each'], choose: (s) => s.items.map((item) => send('each', item)) },
      each: 'gather',
      gather: 'sign',
      sign: 'end',
    },
    // those that work side by side come in any order
    output: (s) => ({ ...s, log: [...s.log].sort() }),
  });
};

const alien = (out: Outside) =>
  foreignAgent<string, { at: number }>({
    name: 'alien',
    description: 'wires money',
    effect: 'once',
    async turn(turn, { idempotencyKey }) {
      const what = `alien/turn ${turn.type === 'start' ? 1 : 2}`;
      out.began(what, 'once');
      await does(out, what, 'once', idempotencyKey, 4);
      const usage = { input: 20, output: 2 };
      if (turn.type === 'resume')
        return {
          status: 'completed',
          output: `${turn.state.at}: ${turn.answers.map((a) => `${a.id} ${a.decision.type}`).join()}`,
          usage,
          costUsd: 0,
        };
      return {
        status: 'paused',
        state: { at: 1 },
        asks: [
          { id: 'a', kind: 'tool', tool: 'wire', input: { cents: 5 } },
          { id: 'b', kind: 'question', question: 'Which colour?' },
        ],
        usage,
        costUsd: 0,
      };
    },
  });

/** Fails, and may not be asked twice. */
const broker = (out: Outside) =>
  foreignAgent({
    name: 'broker',
    effect: 'once',
    async turn() {
      out.began('broker/turn 1', 'once');
      await sleep(3);
      throw new ToolError('NO_SUCH_STOCK', 'there is none', { retryable: false });
    },
  });

/** A graph whose only node does something once, and fails then. */
const doomed = (out: Outside) => {
  const burner = agent({
    name: 'burner',
    instructions: 'Burn.',
    model: thinker(out, 'burner', () => [[['burn', { n: 10 }]]]),
    tools: [work(out, 'burner', 'burn', 'once', 2)],
    limits: { steps: 1 },
  });
  return graph({
    name: 'doomed',
    state: jsonSchema<{ wood: string }>({ type: 'object', properties: { wood: { type: 'string' } }, required: ['wood'] }),
    nodes: { light: { agent: burner, input: (s) => s.wood, output: () => ({}) } },
    edges: { start: 'light', light: 'end' },
  });
};

export const desk = (out: Outside): Agent =>
  supervisor({
    name: 'desk',
    instructions: 'Delegate.',
    model: thinker(out, 'desk', () => [
      [
        ['office', { task: 'settle the bill' }],
        ['report', EMPTY],
        ['alien', { task: 'wire it' }],
        ['broker', { task: 'buy it' }],
        ['doomed', { wood: 'wet' }],
      ],
      [['file', { n: 9 }]],
    ]),
    agents: [office(out), report(out), alien(out), broker(out), doomed(out)],
    tools: [work(out, 'desk', 'file', 'once', 2)],
  });

/** What the person says to each approval. */
export function decisionOn(asked: Approval): Decision {
  const approval = asked.id;
  if (asked.kind === 'question') return { approval, type: 'respond', answer: asked.path.at(-1) === 'report' ? true : 'blue' };
  if (asked.kind === 'tool' && asked.tool === 'publish') return { approval, type: 'edit', input: { n: 80 } };
  return { approval, type: 'approve' };
}
