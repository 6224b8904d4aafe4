/** An assistant of a shop: it looks up orders, and refunds them once a person has approved. */
import { agent, type Model, tool } from 'rondo';
import { z } from 'zod';
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

export const assistant = (model: Model = standin(), refunded: (order: string, cents: number) => void = () => undefined) =>
  agent({
    name: 'assistant',
    description: 'Looks up orders and refunds them',
    instructions: 'You help the customers of a shop. Look up an order before you refund it. Answer in one or two sentences.',
    model,
    tools: [lookUp, refund(refunded)],
    limits: { steps: 20 },
  });
