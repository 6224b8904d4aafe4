import { createTransport } from 'nodemailer';
import { ToolError, tool } from 'rondo';
import { z } from 'zod';
import type { SmtpAddress } from '../../kit/smtp.ts';

export const TEAM = 'support-team@example.test';

/** Mails only the support team: with a recipient that the model chooses, it could send out what it has read. */
export const sendMail = (smtp: SmtpAddress) =>
  tool({
    name: 'send_mail',
    description: 'Sends one mail to the support team. A person is asked first.',
    input: z.object({ to: z.literal(TEAM), subject: z.string().min(1).max(200), body: z.string().min(1).max(20_000) }),
    // a mail cannot be taken back, so it is retried only if it is certain that nothing was sent
    effect: 'once',
    approval: { reason: 'it mails people' },
    timeout: 60_000,
    async execute({ to, subject, body }, { idempotencyKey, runId, signal }) {
      const transport = createTransport({ ...smtp, secure: false, ignoreTLS: true, connectionTimeout: 20_000 });
      signal.addEventListener('abort', () => transport.close());
      try {
        const { messageId } = await transport.sendMail({
          from: 'ticket-triage@example.test',
          to,
          subject,
          text: body,
          messageId: `<${idempotencyKey}@ticket-triage.example.test>`,
          headers: { 'X-Rondo-Run': runId },
        });
        return { messageId, to };
      } catch (error) {
        throw smtpFailure(error);
      } finally {
        transport.close();
      }
    },
  });

/** No connection, or a refused envelope: not run. A refused text: failed. Anything else may have been sent: unknown. */
function smtpFailure(cause: unknown): ToolError {
  const { message, code, syscall, responseCode = 0 } = cause as { message: string; code?: string; syscall?: string; responseCode?: number };
  const retryable = responseCode < 500;
  if (syscall === 'connect' || code === 'EDNS') return new ToolError('SMTP_UNREACHABLE', message, { outcome: 'not-run', retryable, cause });
  if (code === 'EENVELOPE' || code === 'EAUTH') return new ToolError('SMTP_REFUSED', message, { outcome: 'not-run', retryable, cause });
  if (code === 'EMESSAGE') return new ToolError('SMTP_REFUSED', message, { outcome: 'failed', retryable, cause });
  return new ToolError('SMTP_BROKE_OFF', message, { outcome: 'unknown', cause });
}
