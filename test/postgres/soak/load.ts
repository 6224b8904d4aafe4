/** Clients of the servers: each sends an order, approves what it is asked, and waits until the order is done. */
import { setTimeout as sleep } from 'node:timers/promises';

export interface Order {
  n: number;
  runId: string;
  /** Approvals whose decision a server acknowledged. */
  approved: string[];
  status: string;
}

interface Load {
  /** Every order that a server has accepted. */
  orders: Order[];
  /** Requests that found no server. */
  failed: number;
  /** Sends no more orders, and waits for those that were sent. @returns whether all have ended in time. */
  finish(ms: number): Promise<boolean>;
}

/** @param urls of the servers: each request goes to any of them. */
export function startLoad(urls: readonly string[], clients: number): Load {
  const load: Load = { orders: [], failed: 0, finish };
  let last = 0;
  let open = true;
  let patient = true;

  /** Repeats a request until a server answers it. */
  async function ask(path: string, body?: object, key?: string): Promise<{ status: number; body: Record<string, unknown> } | undefined> {
    while (patient) {
      const url = urls[Math.floor(Math.random() * urls.length)];
      try {
        const response = await fetch(`${url}${path}`, {
          method: body ? 'POST' : 'GET',
          headers: { 'content-type': 'application/json', ...(key && { 'idempotency-key': key }) },
          ...(body && { body: JSON.stringify(body) }),
          signal: AbortSignal.timeout(30_000),
        });
        const answer = (await response.json()) as Record<string, unknown>;
        if (response.status < 500) return { status: response.status, body: answer };
      } catch {
        // it was killed, and another one is not there yet
      }
      load.failed++;
      await sleep(100);
    }
    return undefined;
  }

  async function handle(n: number): Promise<void> {
    const started = await ask('/runs', { input: `${n}` }, `order ${n}`);
    if (!started) return;
    if (started.status > 201) throw new Error(`order ${n} was refused: ${JSON.stringify(started.body)}`);
    const order: Order = { n, runId: started.body.runId as string, approved: [], status: 'running' };
    load.orders.push(order);
    const path = `/runs/${encodeURIComponent(order.runId)}`;
    while (patient) {
      await sleep(50 + 100 * Math.random());
      const seen = await ask(path);
      if (!seen) return;
      order.status = seen.body.status as string;
      if (order.status === 'paused') {
        const approvals = ((await ask(`${path}/approvals`))?.body.approvals ?? []) as { id: string }[];
        const decisions = approvals.map(({ id }) => ({ approval: id, type: 'approve' }));
        // another answer says that it was decided before, by a request whose answer was lost
        if (decisions.length > 0 && (await ask(`${path}/decisions`, { decisions }))?.status === 200)
          order.approved.push(...approvals.map(({ id }) => id));
      } else if (order.status !== 'running' && order.status !== 'queued') return;
    }
  }

  const working = Promise.all(
    Array.from({ length: clients }, async () => {
      while (open) await handle(++last);
    }),
  );
  working.catch(() => undefined);

  async function finish(ms: number): Promise<boolean> {
    open = false;
    const late = new AbortController();
    const ended = await Promise.race([working.then(() => true), sleep(ms, false, { signal: late.signal })]);
    late.abort();
    patient = false;
    await working;
    return ended;
  }

  return load;
}
