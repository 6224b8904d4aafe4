/** What the clerk may do: mail the customer, wait for her reply, refund. Each effect has a key, so it happens once for each ticket or order. */
import { createTransport } from 'nodemailer';
import { ToolError, tool, waitForEvent } from 'rondo';
import { z } from 'zod';
import type { SmtpAddress } from '../kit/smtp.ts';

const CUSTOMER = 'ana@example.test';

export const mailCustomer = (smtp: SmtpAddress) =>
  tool({
    name: 'mail_customer',
    description: 'Mails the customer of a ticket.',
    input: z.object({ ticket: z.string(), subject: z.string().max(200), body: z.string().max(20_000) }),
    effect: 'once',
    key: ({ ticket }) => `mail:${ticket}`,
    timeout: 15_000,
    async execute({ ticket, subject, body }, { idempotencyKey, runId, signal }) {
      const transport = createTransport({ ...smtp, secure: false, ignoreTLS: true, connectionTimeout: 5_000 });
      signal.addEventListener('abort', () => transport.close());
      try {
        const messageId = `<${idempotencyKey}@follow-up.example.test>`;
        const headers = { 'X-Rondo-Run': runId, 'X-Ticket': ticket };
        await transport.sendMail({ from: 'clerk@example.test', to: CUSTOMER, subject, text: body, messageId, headers });
        return { messageId };
      } catch (cause) {
        const { message, syscall } = cause as { message: string; syscall?: string };
        throw new ToolError('SMTP_FAILED', message, { outcome: syscall === 'connect' ? 'not-run' : 'unknown', cause });
      } finally {
        transport.close();
      }
    },
  });

/** @param days how long the clerk waits, in milliseconds. */
export const waitForReply = (days: number) =>
  waitForEvent({
    name: 'wait_for_reply',
    event: 'reply',
    description: 'Waits until the customer has answered the mail of a ticket.',
    input: z.object({ ticket: z.string() }),
    key: ({ ticket }) => ticket,
    schema: z.object({ text: z.string().max(20_000) }),
    for: days,
  });

/** The payment service of this example keeps its books in memory, and pays whatever it is asked: only the key keeps it from paying twice. */
export function payments() {
  const paid: { orderId: string; cents: number }[] = [];
  const refund = tool({
    name: 'refund',
    description: 'Refunds an order.',
    input: z.object({ orderId: z.string(), cents: z.number().int().positive() }),
    effect: 'once',
    intent: 'payments.refund',
    key: ({ orderId }) => `refund:${orderId}`,
    amount: ({ cents }) => ({ usd: cents / 100 }),
    execute(order) {
      paid.push(order);
      return { receipt: `R-${1000 + paid.length}` };
    },
  });
  return { paid, refund };
}
