/** The stand-in for a model: fixed rules, no AI. It reads what its tools answered, as a model would. */
import type { Model, Part } from 'rondo';
import { scripted } from 'rondo/testing';

const told = (content: readonly Part[]): string =>
  content.map((part) => (part.type === 'text' ? part.text : part.type === 'toolResult' ? told(part.output) : '')).join(' ');

/** The job is `ticket 7, order 42, 1250 cents`, or `refund order 42, 1250 cents`. */
const parse = (job: string) => ({
  ticket: /ticket (\w+)/.exec(job)?.[1],
  orderId: /order (\w+)/.exec(job)?.[1] ?? '',
  cents: Number(/(\d+) cents/.exec(job)?.[1]),
});

export const standin = (): Model =>
  scripted(({ messages }) => {
    const { ticket, orderId, cents } = parse(told(messages[0]?.content ?? []));
    const refund = { toolCalls: [{ name: 'refund', input: { orderId, cents } }] };
    const results = messages.filter((m) => m.role === 'tool').map((m) => told(m.content));
    const last = results.at(-1) ?? '';
    if (ticket === undefined) return results.length === 0 ? refund : `Refunded. ${last}`;
    if (results.length === 0) {
      const body = `Hello Ana,\n\nshall we send a new one for order ${orderId}, or refund it?\n`;
      return { toolCalls: [{ name: 'mail_customer', input: { ticket, subject: `Ticket ${ticket}`, body } }] };
    }
    if (results.length === 1) return { toolCalls: [{ name: 'wait_for_reply', input: { ticket } }] };
    if (last.includes('EVENT_TIMEOUT')) return 'She has not answered within three days. The ticket is closed.';
    if (results.length === 2 && /refund/i.test(last)) return refund;
    return results.length === 2 ? 'She wants a new one. It is on its way.' : `She wanted her money back. ${last}`;
  });
