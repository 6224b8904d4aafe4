import { link, mkdir, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { SMTPServer } from 'smtp-server';

export interface SmtpAddress {
  host: string;
  port: number;
}

/**
 * A real SMTP server on this machine that delivers into a folder, one .eml file per mail. It relays nothing.
 * @param delivered called when a mail is safely in the outbox, just before the server confirms it.
 */
export async function startSmtp(
  outbox: string,
  delivered: (file: string) => void = () => {},
): Promise<SmtpAddress & { close(): Promise<void> }> {
  await mkdir(outbox, { recursive: true });
  const server = new SMTPServer({
    disabledCommands: ['AUTH', 'STARTTLS'],
    size: 1_000_000,
    banner: 'ticket-triage outbox',
    onData(stream, _session, done) {
      text(stream)
        .then((mail) => deliver(outbox, mail))
        .then((file) => {
          delivered(file);
          done();
        })
        .catch(done);
    },
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => resolve());
  });
  // a client that disconnects is not an error of the server
  server.on('error', () => {});
  const { port } = server.server.address() as AddressInfo;
  return { host: '127.0.0.1', port, close: () => new Promise<void>((resolve) => server.close(() => resolve())) };
}

/** One file per mail, never overwritten: a second delivery would appear as `<run>-2.eml`. */
async function deliver(outbox: string, mail: string): Promise<string> {
  const run = /^x-rondo-run: *([\w-]+)/im.exec(mail.split(/\r?\n\r?\n/, 1)[0] as string)?.[1] ?? 'mail';
  const draft = join(outbox, `.${run}.${process.pid}.${Math.random().toString(36).slice(2)}`);
  await writeFile(draft, mail, { flush: true });
  try {
    for (let n = 1; ; n++) {
      const file = join(outbox, n === 1 ? `${run}.eml` : `${run}-${n}.eml`);
      try {
        await link(draft, file);
        return file;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
    }
  } finally {
    await rm(draft, { force: true });
  }
}
