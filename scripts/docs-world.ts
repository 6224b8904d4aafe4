/** What stands around the blocks of the docs: an application, as small as the pages need it. */
import { createHash } from 'node:crypto';
import { type Agent, agent, Engine, type Model, type Principal, type Tool, type ToolSource, tool } from 'rondo';
import { scripted } from 'rondo/testing';

interface World {
  readonly engine: Engine;
  readonly model: Model;
  readonly ana: Principal;
  readonly ben: Principal;
  /** A run of `support` that has completed. */
  readonly runId: string;
  readonly crmServer: {
    connect(o: { user: string | undefined; session: string | undefined; token: string | undefined; signal: AbortSignal }): Promise<{
      tools(): Promise<readonly Tool[]>;
      onTools(listener: () => void): () => void;
      end(): Promise<void>;
    }>;
  };
  readonly payments: {
    refund(orderId: string, cents: number, o: { signal: AbortSignal; idempotencyKey: string }): Promise<{ receipt: string }>;
    charge(cents: number, o?: { idempotencyKey?: string }): Promise<{ receipt: string }>;
    find(idempotencyKey: string): Promise<{ receipt: string } | undefined>;
  };
  readonly mailer: { send(mail: { to: string; text: string }, o?: { signal?: AbortSignal; idempotencyKey?: string }): Promise<string> };
  readonly support: Agent;
  readonly research: Agent;
  readonly finance: Agent;
  readonly billing: Agent;
  readonly desk: Agent;
  readonly refund: Tool;
  readonly tickets: ToolSource;
  show(what: unknown): void;
}

declare global {
  const engine: World['engine'];
  const model: World['model'];
  const ana: World['ana'];
  const ben: World['ben'];
  const runId: World['runId'];
  const crmServer: World['crmServer'];
  const payments: World['payments'];
  const mailer: World['mailer'];
  const support: World['support'];
  const research: World['research'];
  const finance: World['finance'];
  const billing: World['billing'];
  const desk: World['desk'];
  const refund: World['refund'];
  const tickets: World['tickets'];
  const show: World['show'];
}

/** Makes these names global. Their models are scripted: `support` refunds what is broken, which a lead must approve; `desk` asks it to. */
export async function makeWorld(): Promise<void> {
  const payments: World['payments'] = {
    refund: async (orderId) => ({ receipt: `refund-${orderId}` }),
    charge: async (cents) => ({ receipt: `charge-${cents}` }),
    find: async () => undefined,
  };
  const refund = tool({
    name: 'refund',
    description: 'Refunds an order',
    input: { type: 'object', properties: { orderId: { type: 'string' }, cents: { type: 'integer' } }, required: ['orderId', 'cents'] },
    approval: ({ cents }: { cents: number }) => cents > 5_000 && { reason: 'over 50 dollars', roles: ['lead'] },
    amount: ({ cents }: { cents: number }) => ({ usd: cents / 100 }),
    execute: ({ orderId, cents }: { orderId: string; cents: number }, o) => payments.refund(orderId, cents, o),
  });
  const model = () =>
    scripted(({ messages, tools }) => {
      const last = messages.at(-1);
      if (last?.role !== 'user' || !/broken|refund|pay/i.test(JSON.stringify(last))) return 'That is done.';
      const has = (tool: string) => tools.some(({ name }) => name === tool);
      if (has('refund')) return { toolCalls: [{ name: 'refund', input: { orderId: '7', cents: 6_000 } }] };
      return has('support') ? { toolCalls: [{ name: 'support', input: { task: 'Refund order 7' } }] } : 'That is done.';
    });
  const plain = (name: string, o: { tools?: Tool[]; agents?: Agent[] } = {}): Agent =>
    agent({ name, description: `Knows ${name}`, instructions: `You are ${name}.`, model: model(), ...o });
  const [research, finance, billing] = [plain('research'), plain('finance'), plain('billing')];
  const support = plain('support', { tools: [refund] });
  const desk = plain('desk', { agents: [support] });
  const engine = new Engine({ agents: [support, research, finance, billing, desk] });
  const { runId } = await engine.run(support, 'Hello');
  const world: World = {
    engine,
    model: model(),
    ana: { id: 'ana', roles: ['agent'] },
    ben: { id: 'ben', roles: ['lead'] },
    runId,
    crmServer: { connect: async () => ({ tools: async () => [], onTools: () => () => {}, end: async () => {} }) },
    payments,
    mailer: { send: async ({ to }) => `sent to ${to}` },
    support,
    research,
    finance,
    billing,
    desk,
    refund,
    tickets: { name: 'tickets', open: async () => ({ list: async () => [], close: async () => {} }) },
    show: () => {},
  };
  Object.assign(globalThis, world);
  for (const name of ['JOURNAL_KEY', 'OLD_KEY', 'NEW_KEY', 'SHOP_SECRET'])
    process.env[name] = createHash('sha256').update(name).digest('hex');
}
