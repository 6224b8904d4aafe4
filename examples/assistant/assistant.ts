/** An assistant of a shop: it looks up orders, refunds them once a person has approved, and tracks parcels for the user who has consented. */
import { agent, type Model, type Tool, ToolError, type ToolSource, tool } from 'rondo';
import { z } from 'zod';
import { PARCELS, TRACK } from './parcels.ts';
import { standin } from './standin.ts';

const ORDERS: Readonly<Record<string, { item: string; cents: number }>> = {
  '42': { item: 'a red kettle', cents: 4_999 },
  '43': { item: 'two cups', cents: 1_250 },
};

const lookUp = tool({
  name: 'look_up_order',
  description: 'Looks up an order by its number',
  input: z.object({ order: z.string() }),
  effect: 'read',
  execute: ({ order }) => ORDERS[order] ?? `There is no order ${order}.`,
});

/** @param refunded is told of each refund, which a real one would do. */
const refund = (refunded: (order: string, cents: number) => void) =>
  tool({
    name: 'refund',
    description: 'Refunds an order',
    input: z.object({ order: z.string(), cents: z.number().int().positive() }),
    approval: ({ cents }) => ({ reason: `${(cents / 100).toFixed(2)} dollars leave the shop` }),
    execute: ({ order, cents }) => {
      refunded(order, cents);
      return { order, refunded: cents };
    },
  });

/** Asks the carrier in the name of the user. Without their consent the run pauses, and goes on once they gave it. */
export const trackParcel = (api: string) =>
  tool({
    name: 'track_parcel',
    description: 'Tells where the parcel of an order is',
    input: z.object({ order: z.string() }),
    effect: 'read',
    credentials: { parcels: { provider: 'parcels', flow: 'user', scopes: [TRACK], resources: [PARCELS] } },
    async execute({ order }, { credentials, signal }) {
      const response = await fetch(`${api}/${encodeURIComponent(order)}`, {
        headers: { authorization: `Bearer ${credentials.parcels}` },
        signal,
      });
      if (!response.ok) throw new ToolError('PARCELS_REFUSED', `The carrier answered ${response.status}.`);
      return (await response.json()) as { order: string; parcel: string };
    },
  });

export const assistant = (
  model: Model = standin(),
  refunded: (order: string, cents: number) => void = () => undefined,
  more: readonly (Tool | ToolSource)[] = [],
) =>
  agent({
    name: 'assistant',
    description: 'Looks up orders and refunds them',
    instructions: 'You help the customers of a shop. Look up an order before you refund it. Answer in one or two sentences.',
    model,
    tools: [lookUp, refund(refunded), ...more],
    limits: { steps: 20 },
  });
