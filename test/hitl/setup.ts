import { type ApprovalRule, agent, Engine, type EngineOptions, type Journal, type Json, type Schema, tool } from '../../src/index.ts';
import { type Scripted, scripted } from '../../src/testing/scripted.ts';
import { around } from '../kit/journals.ts';
import { anything, asks } from '../kit/runs.ts';

export const ana = { id: 'ana' };
export const ben = { id: 'ben', roles: ['lead'] };

/** An agent that asks for one refund, which a person must approve. The ledger says what was paid. */
export function refunding(
  o: {
    rule?: boolean | ApprovalRule;
    input?: Schema;
    effect?: 'read' | 'idempotent' | 'once';
    steps?: readonly Scripted[];
    name?: string;
  } = {},
) {
  const ledger: Json[] = [];
  const refund = tool({
    name: 'refund',
    description: 'Refund',
    input: o.input ?? anything,
    effect: o.effect ?? 'once',
    approval: o.rule ?? true,
    execute: (input) => {
      ledger.push(JSON.parse(JSON.stringify(input)) as Json);
      return { paid: (input as { cents: number }).cents };
    },
  });
  const model = scripted(o.steps ?? [asks(['refund', { orderId: '7', cents: 6_000 }]), 'done']);
  return { a: agent({ name: o.name ?? 'clerk', instructions: '', model, tools: [refund] }), model, ledger, refund };
}

/** The same agent in another process. */
export const elsewhere = (journal: EngineOptions['journal'], a: ReturnType<typeof refunding>['a'], o: EngineOptions = {}) =>
  new Engine({ ...(journal && { journal }), agents: [a], ...o });

/** A store whose clock is its own: far from this process's, and moved by the test. */
export function clock(inner: Journal, start = 1_000_000) {
  const time = { now: start };
  return { time, journal: around(inner, { now: () => time.now }) };
}
