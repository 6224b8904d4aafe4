/**
 * The job that is killed again and again: every kind of tool, parallel calls under a cap, retries, approvals with each decision, a
 * question, a large result, calls that cannot run. The model is a function of what it is shown, so any process can go on with it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Agent,
  type Approval,
  agent,
  askHuman,
  type Decision,
  type Effect,
  jsonSchema,
  type Message,
  type Model,
  type Part,
  type Prices,
  type Principal,
  type Schema,
  ToolError,
  type ToolOptions,
  tool,
} from '../../src/index.ts';
import { effects } from './ledger.ts';
import type { Point } from './points.ts';

export const RUN = 'run-1';
export const SESSION = 'ana';
export const ANA: Principal = { id: 'ana' };
export const BEN: Principal = { id: 'ben', roles: ['lead'] };
export const PRICES: Prices = { 'test/clerk': { input: 3, output: 15, source: 'this test', date: '2026-11-21' } };

const input = jsonSchema<{ n: number }>({
  type: 'object',
  properties: { n: { type: 'integer' } },
  required: ['n'],
  additionalProperties: false,
});
type In = typeof input;
type Options = ToolOptions<string, In, Schema, never, unknown>;

interface Work {
  name: string;
  effect: Effect;
  /** How long it takes to have its effect: the order in which parallel calls end. */
  ms: number;
  output?: (n: number) => unknown;
  /** Throws in an attempt, before the effect. */
  fails?: (attempt: number) => Error | undefined;
}

/** Names of the tools that must not act twice. */
export const ONCE = ['charge', 'ship', 'refund', 'erase', 'drop', 'wire', 'label'] as const;
/** Those of them that can find out what became of a call: none of theirs may stay unknown. */
export const CHECKED = ['ship', 'erase'] as const;

function tools(dir: string, point: Point) {
  const ledger = effects(dir);
  const make = ({ name, effect, ms, fails, output = (n) => ({ [name]: n }) }: Work, more: Partial<Options> = {}) =>
    tool({
      name,
      description: `Does ${name}`,
      input,
      effect,
      ...more,
      execute: async ({ n }, { idempotencyKey: key, attempt }) => {
        point(`in ${name}, before its effect`);
        await sleep(ms);
        const error = fails?.(attempt);
        if (error) throw error;
        ledger.add({ tool: name, n, key, attempt, pid: process.pid });
        point(`in ${name}, after its effect`);
        await sleep(1);
        return output(n);
      },
    });
  const check: Options['check'] = ({ idempotencyKey, input: { n } }) => {
    point('in a check');
    const done = ledger.all().find(({ key }) => key === idempotencyKey);
    return done ? { outcome: 'done', output: { [done.tool]: n } } : { outcome: 'not-run' };
  };
  const retry = { attempts: 2, initialDelay: 0 };
  return [
    make({ name: 'look', effect: 'read', ms: 2 }),
    make({ name: 'note', effect: 'idempotent', ms: 8 }),
    make({ name: 'charge', effect: 'once', ms: 14 }),
    make({ name: 'ship', effect: 'once', ms: 4 }, { check }),
    make({ name: 'label', effect: 'once', ms: 6 }),
    make({ name: 'refund', effect: 'once', ms: 2 }, { approval: { reason: 'money', roles: ['lead'] } }),
    make({ name: 'erase', effect: 'once', ms: 5 }, { check, approval: ({ n }) => n > 0 && { reason: 'for good' } }),
    make({ name: 'drop', effect: 'once', ms: 2 }, { approval: true }),
    make(
      {
        name: 'wire',
        effect: 'once',
        ms: 3,
        fails: (n) => (n === 1 ? new ToolError('THROTTLING', 'busy', { outcome: 'not-run', retryable: true }) : undefined),
      },
      { retry },
    ),
    make(
      {
        name: 'fetch',
        effect: 'read',
        ms: 5,
        fails: (n) => (n === 1 ? new ToolError('SERVICE_UNAVAILABLE', 'down', { retryable: true }) : undefined),
      },
      { retry },
    ),
    make({ name: 'report', effect: 'read', ms: 2, output: (n) => `${n} `.repeat(12_000) }),
    askHuman(),
  ];
}

const call = (name: string, n: unknown): [string, { n: unknown }] => [name, { n }];
const STEPS: readonly (readonly (readonly [name: string, input: object])[])[] = [
  [call('look', 1), call('note', 2), call('charge', 3), call('ship', 4), call('label', 5), call('charge', 6)],
  [call('refund', 7), call('look', 8), call('erase', 9), call('drop', 10), call('note', 11)],
  [call('ship', 12)],
  [['ask_human', { question: 'Which colour?', options: ['red', 'blue'] }], call('wire', 13), call('fetch', 14)],
  [call('report', 15), call('charge', 'a lot'), call('nonsense', 16), call('label', 17)],
];

function clerk(point: Point): Model {
  return {
    provider: 'test',
    id: 'clerk',
    maxOutput: 100,
    generate: async ({ messages }) => {
      point('in the model, before it answers');
      await sleep(2);
      const asked = messages.findLastIndex(isPrompt);
      const turn = asked < 0 ? STEPS.length : (messages.length - 1 - asked) / 2;
      const calls = STEPS[turn] ?? [];
      const content: Part[] = [
        { type: 'text', text: calls.length > 0 ? `step ${turn}` : `all done, ${messages.filter((m) => m.role === 'tool').length} rounds` },
      ];
      calls.forEach(([name, given], i) => {
        content.push({ type: 'toolCall', id: `p${turn}-${i}`, name, input: given as never });
      });
      point('in the model, after it answered');
      return { content, stop: calls.length > 0 ? 'tools' : 'end', usage: { input: 1_000 + turn, output: 10 + turn } };
    },
  };
}
const isPrompt = ({ role, content }: Message) => role === 'user' && content.some((p) => p.type === 'text' && p.text === PROMPT);
export const PROMPT = 'Do the whole job';

/** The agent, with its tools' effects in the ledger of a directory. */
export const worker = (dir: string, point: Point): Agent =>
  agent({ name: 'clerk', instructions: 'Work.', model: clerk(point), tools: tools(dir, point), parallel: 3, limits: { costUsd: 5 } });

/** What the person says to each approval. */
export function decisionOn(approval: Approval): Decision {
  const { id } = approval;
  if (approval.kind === 'question') return { approval: id, type: 'respond', answer: 'blue' };
  const name = approval.kind === 'tool' ? approval.tool : '';
  if (name === 'erase') return { approval: id, type: 'edit', input: { n: 90 } };
  if (name === 'drop') return { approval: id, type: 'reject', reason: 'keep it' };
  return { approval: id, type: 'approve' };
}
