import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { agent, Engine, type RunResult } from 'rondo';
import { sqliteJournal } from 'rondo/journal/sqlite';
import { SMTPServer } from 'smtp-server';
import { describe, expect, it } from 'vitest';
import { type SmtpAddress, startSmtp } from '../../examples/kit/smtp.ts';
import { sendMail, TEAM } from '../../examples/ticket-triage/mail/send-mail.ts';
import { openTickets } from '../../examples/ticket-triage/tickets/database.ts';
import { faultsOf } from '../../examples/ticket-triage/tickets/faults.ts';
import { folder } from '../kit/folder.ts';

const temp = () => folder('triage');

describe('the ticket database', () => {
  it('lists the most pressing first, and finds issues by words', () => {
    const base = openTickets(':memory:');
    expect(base.tickets('open', 3).map((t) => t.id)).toEqual(['T-118', 'T-104', 'T-131']);
    expect(base.tickets('closed', 3).map((t) => t.id)).toEqual(['T-097']);
    expect(base.issues('export hangs', 3).map((i) => i.id)).toEqual(['KI-31']);
    expect(base.issues('exports hanging', 3).map((i) => i.id)).toEqual(['KI-31']);
    expect(base.issues('nothing like this', 3)).toEqual([]);
    base.close();
  });

  it.each(['"', 'a" OR "b', 'NEAR(', "'; DROP TABLE issues; --", '*', 'title:export', '   '])(
    'takes %j for words, not for syntax',
    (query) => {
      const base = openTickets(':memory:');
      expect(() => base.issues(query, 3)).not.toThrow();
      expect(base.issues('login loop', 3)).toHaveLength(1);
      base.close();
    },
  );

  it('is filled once, also by two processes at the same time', async () => {
    const file = join(temp(), 'deep', 'tickets.db');
    const url = new URL('../../examples/ticket-triage/tickets/database.ts', import.meta.url).href;
    const fill = `const { openTickets } = await import(${JSON.stringify(url)}); console.log(openTickets(${JSON.stringify(file)}).tickets('open', 50).length);`;
    const fills = [1, 2, 3].map(() => promisify(execFile)(process.execPath, ['--input-type=module', '-e', fill]));
    expect((await Promise.all(fills)).map(({ stdout }) => stdout.trim())).toEqual(['6', '6', '6']);
  });
});

describe('the faults of the ticket service', () => {
  it('depend on the ticket, not on the order of calls', () => {
    const fault = faultsOf('demo');
    expect(['T-131', 'T-104', 'T-118', 'T-104', 'T-131', undefined].map((t) => fault(t) !== undefined)).toEqual([
      true,
      true,
      false,
      false,
      true,
      false,
    ]);
    expect(faultsOf('none')('T-131')).toBeUndefined();
  });
});

/** Lets an agent call send_mail once, approved, and tells what it was told. */
async function mail(smtp: SmtpAddress, input: object = {}) {
  let told: string | undefined;
  const model = {
    provider: 'test',
    id: 'm',
    generate: async ({ messages }: { messages: readonly { content: readonly { type: string; output?: unknown }[] }[] }) => {
      const result = messages.at(-1)?.content.find((p) => p.type === 'toolResult') as { output: { text: string }[] } | undefined;
      told = result?.output[0]?.text;
      const call = {
        type: 'toolCall' as const,
        id: '1',
        name: 'send_mail',
        input: { to: TEAM, subject: 'hello', body: 'Two\nlines', ...input },
      };
      return result
        ? { content: [{ type: 'text' as const, text: 'done' }], stop: 'end' as const }
        : { content: [call], stop: 'tools' as const };
    },
  };
  const mailer = agent({ name: 'mailer', instructions: '', model, tools: [sendMail(smtp)] });
  await using engine = new Engine({ journal: sqliteJournal(join(temp(), 'runs.db')) });
  let result: RunResult = await engine.run(mailer, 'go');
  if (result.status === 'paused') {
    await engine.decide(
      result.runId,
      result.approvals.map(({ id }) => ({ approval: id, type: 'approve' as const })),
      { by: { id: 'ana' } },
    );
    result = await engine.resume(result.runId);
  }
  return { runId: result.runId, told: JSON.parse(told ?? '{}') };
}

describe('send_mail', () => {
  it('delivers into the outbox, one file a mail, never overwritten', async () => {
    const outbox = temp();
    const smtp = await startSmtp(outbox);
    try {
      const { runId, told } = await mail(smtp);
      expect(told.messageId).toMatch(/^<[0-9a-f]{32}@ticket-triage.example.test>$/);
      expect(readdirSync(outbox)).toEqual([`${runId}.eml`]);
      const eml = readFileSync(join(outbox, `${runId}.eml`), 'utf8');
      expect(eml).toContain(`Message-ID: ${told.messageId}`);
      expect(eml).toMatch(/To: support-team@example.test\r\nSubject: hello[\s\S]*\r\n\r\nTwo\r\nlines/);
      // the same mail a second time, as after a retry that should not have been
      const { createTransport } = await import('nodemailer');
      const again = createTransport({ ...smtp, secure: false });
      await again.sendMail({ from: 'a@example.test', to: TEAM, text: 'x', headers: { 'X-Rondo-Run': runId } });
      again.close();
      expect(readdirSync(outbox).sort()).toEqual([`${runId}-2.eml`, `${runId}.eml`]);
    } finally {
      await smtp.close();
    }
  });

  it('goes to the team and to no one else', async () => {
    const outbox = temp();
    const smtp = await startSmtp(outbox);
    try {
      const { told } = await mail(smtp, { to: 'eve@example.test' });
      expect(told).toMatchObject({ outcome: 'not-run', message: expect.stringContaining('support-team@example.test') });
      expect(readdirSync(outbox)).toEqual([]);
    } finally {
      await smtp.close();
    }
  });

  it('has no line of the subject become a header', async () => {
    const outbox = temp();
    const smtp = await startSmtp(outbox);
    try {
      const { runId } = await mail(smtp, { subject: 'hi\r\nBcc: eve@example.test' });
      expect(readFileSync(join(outbox, `${runId}.eml`), 'utf8')).not.toMatch(/^bcc:/im);
    } finally {
      await smtp.close();
    }
  });

  it('knows that nothing was sent where no one listens', async () => {
    const smtp = await startSmtp(temp());
    await smtp.close();
    expect((await mail(smtp)).told).toMatchObject({ code: 'SMTP_UNREACHABLE', outcome: 'not-run', retryable: true });
  });

  it('knows that nothing was sent where the recipient is refused', async () => {
    const server = new SMTPServer({
      disabledCommands: ['AUTH', 'STARTTLS'],
      onRcptTo: (_a, _s, done) => done(Object.assign(new Error('no such user'), { responseCode: 550 })),
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
    const { port } = server.server.address() as { port: number };
    expect((await mail({ host: '127.0.0.1', port })).told).toMatchObject({ code: 'SMTP_REFUSED', outcome: 'not-run', retryable: false });
    await new Promise<void>((resolve) => server.close(() => resolve()));
  });

  it('does not know it where the line breaks after the text', async () => {
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      let text = false;
      socket.write('220 hello\r\n');
      socket.on('data', (chunk) => {
        const said = chunk.toString();
        if (text) socket.destroy();
        else if (/^DATA/i.test(said)) {
          text = true;
          socket.write('354 go on\r\n');
        } else socket.write('250 ok\r\n');
      });
      socket.on('error', () => {});
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
    const { port } = server.address() as { port: number };
    expect((await mail({ host: '127.0.0.1', port })).told).toMatchObject({ code: 'SMTP_BROKE_OFF', outcome: 'unknown', retryable: false });
    await new Promise<void>((resolve) => server.close(() => resolve()));
  });
});
