/** What the servers of the soak do for each order, with effects in a table that all of them write to. */
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { type Agent, agent, type CheckResult, type Json, jsonSchema, type Message, type Part, tool } from '../../../src/index.ts';

/** An effect that a tool had. */
export interface Done {
  tool: string;
  n: number;
  key: string;
  pid: number;
}

/** The world outside: a table that is not the journal's. */
export class Ledger {
  readonly #pool: pg.Pool;
  readonly #table: string;

  constructor(url: string, schema: string) {
    this.#pool = new pg.Pool({ connectionString: url, max: 4 });
    this.#pool.on('error', () => undefined);
    this.#table = `"${schema}".effect`;
  }

  async make(schema: string): Promise<void> {
    await this.#pool.query(`CREATE SCHEMA "${schema}"`);
    await this.#pool.query(`CREATE TABLE ${this.#table} (tool text, n integer, key text, pid integer)`);
    await this.#pool.query(`CREATE INDEX ON ${this.#table} (key)`);
  }

  async add({ tool, n, key, pid }: Done): Promise<void> {
    await this.#pool.query(`INSERT INTO ${this.#table} (tool, n, key, pid) VALUES ($1, $2, $3, $4)`, [tool, n, key, pid]);
  }

  async has(key: string): Promise<boolean> {
    return (await this.#pool.query(`SELECT 1 FROM ${this.#table} WHERE key = $1`, [key])).rows.length > 0;
  }

  async all(): Promise<Done[]> {
    return (await this.#pool.query(`SELECT tool, n, key, pid FROM ${this.#table}`)).rows;
  }

  close(): Promise<void> {
    return this.#pool.end();
  }
}

/** Tools that must not act twice for an order. Two orders share a payment. */
export const ONCE = ['charge', 'ship', 'refund'] as const;
/** Tools that can find out what became of a call: none of theirs may stay unknown. */
export const CHECKED: ReadonlySet<string> = new Set(['ship', 'pay']);

const input = jsonSchema<{ n: number }>({ type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] });

/** The payment that an order belongs to. */
const paymentOf = (n: number): number => Math.floor(n / 2);

export function clerk(ledger: Ledger): Agent {
  const act = (name: string) => ({
    name,
    description: name,
    input,
    execute: async ({ n }: { n: number }, { idempotencyKey: key }: { idempotencyKey: string }): Promise<Json> => {
      await sleep(5 + 20 * Math.random());
      await ledger.add({ tool: name, n, key, pid: process.pid });
      await sleep(5 + 20 * Math.random());
      return `${name} ${n}`;
    },
  });
  const check = async ({ idempotencyKey }: { idempotencyKey: string }): Promise<CheckResult<Json>> =>
    (await ledger.has(idempotencyKey)) ? { outcome: 'done', output: 'found' } : { outcome: 'not-run' };
  const tools = [
    tool({ ...act('look'), effect: 'read' }),
    tool({ ...act('charge'), effect: 'once' }),
    tool({ ...act('ship'), effect: 'once', check }),
    tool({ ...act('pay'), effect: 'once', check, key: ({ n }) => `payment ${n}` }),
    tool({ ...act('refund'), effect: 'once', approval: { reason: 'money' } }),
  ];
  const steps = [['look', 'charge', 'ship'], ['pay'], ['refund']];
  return agent({
    name: 'clerk',
    instructions: 'Work.',
    tools,
    model: {
      provider: 'test',
      id: 'clerk',
      generate: async ({ messages }) => {
        await sleep(10 + 20 * Math.random());
        const [said] = (messages[0] as Message).content;
        const n = Number((said as Part & { type: 'text' }).text);
        const turn = messages.filter(({ role }) => role === 'tool').length;
        const content = (steps[turn] ?? []).map(
          (name, i): Part => ({ type: 'toolCall', id: `p${turn}-${i}`, name, input: { n: name === 'pay' ? paymentOf(n) : n } }),
        );
        return content.length > 0 ? { content, stop: 'tools' } : { content: [{ type: 'text', text: `done ${n}` }], stop: 'end' };
      },
    },
  });
}
