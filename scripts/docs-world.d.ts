/** What stands around the blocks of the docs: an application, as small as the pages need it. Each name of rondo is there too, see docs.ts. */
import type { Agent, Engine, Model, Principal, Tool, ToolSource } from 'rondo';

declare global {
  const engine: Engine;
  const model: Model;
  const ana: Principal;
  const ben: Principal;
  const runId: string;
  const crmServer: {
    connect(o: { user: string | undefined; session: string | undefined; token: string | undefined; signal: AbortSignal }): Promise<{
      tools(): Promise<readonly import('rondo').Tool[]>;
      onTools(listener: () => void): () => void;
      end(): Promise<void>;
    }>;
  };
  const payments: {
    refund(orderId: string, cents: number, o: { signal: AbortSignal; idempotencyKey: string }): Promise<{ receipt: string }>;
    charge(cents: number, o?: { idempotencyKey?: string }): Promise<{ receipt: string }>;
    find(idempotencyKey: string): Promise<{ receipt: string } | undefined>;
  };
  const mailer: { send(mail: { to: string; text: string }, o?: { signal?: AbortSignal; idempotencyKey?: string }): Promise<string> };
  const support: Agent;
  const research: Agent;
  const finance: Agent;
  const billing: Agent;
  const desk: Agent;
  const refund: Tool;
  const tickets: ToolSource;
  function show(what: unknown): void;
}
