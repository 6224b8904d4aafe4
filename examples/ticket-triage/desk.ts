import { readdir } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { Engine, type Journal, type Model, type Principal, RondoError } from 'rondo';
import { sqliteJournal } from 'rondo/journal/sqlite';
import { type SmtpAddress, startSmtp } from '../kit/smtp.ts';
import { UsageError } from '../kit/usage.ts';
import { ticketTriage } from './agent.ts';
import type { Faults } from './tickets/faults.ts';

/** Everything that a run of this example needs, opened. */
export interface Desk {
  engine: Engine;
  journal: Journal;
  agent: ReturnType<typeof ticketTriage>;
  model: Model;
  smtp: SmtpAddress;
  close(): Promise<void>;
}

/** The directory of the example's files: `.rondo` here, or RONDO_DIR. */
export const folder = () => process.env.RONDO_DIR || '.rondo';
export const openJournal = () => sqliteJournal(join(folder(), 'runs.db'));

export async function openDesk(model: Model, faults: Faults): Promise<Desk> {
  const journal = openJournal();
  // SMTP_URL: your own mail server, such as smtp://127.0.0.1:2525
  const own = process.env.SMTP_URL ? undefined : await startSmtp(join(folder(), 'outbox'));
  const smtp = own ?? smtpAddress(process.env.SMTP_URL as string);
  const agent = ticketTriage({ model, smtp, database: join(folder(), 'tickets.db'), faults });
  const engine = new Engine({ journal, agents: [agent] });
  return {
    engine,
    journal,
    agent,
    model,
    smtp,
    async close() {
      await engine.close();
      await own?.close();
    },
  };
}

function smtpAddress(text: string): SmtpAddress {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== 'smtp:' || !url.port) throw new UsageError(`SMTP_URL is "${text}"; it must be like smtp://127.0.0.1:2525.`);
  return { host: url.hostname, port: Number(url.port) };
}

/** The user who is logged in on this machine; a web server would take it from its authentication. */
export const me = (): Principal => ({ id: userInfo().username });

/** The mails of a run in the outbox, as paths from here. */
export async function mailsOf(run: string): Promise<string[]> {
  const outbox = join(folder(), 'outbox');
  const files = await readdir(outbox).catch(() => []);
  return files.filter((f) => f === `${run}.eml` || (f.startsWith(`${run}-`) && f.endsWith('.eml'))).map((f) => shown(join(outbox, f)));
}

/** A path as one would type it here. */
const shown = (path: string) => {
  const near = relative('', path);
  return near.startsWith('..') ? resolve(path) : near;
};

/** A command to copy: it must find the same files. */
export const command = (args: string) => `${process.env.RONDO_DIR ? `RONDO_DIR=${shown(process.env.RONDO_DIR)} ` : ''}npm start -- ${args}`;

export const isClosed = (error: unknown) => RondoError.is(error, 'ENGINE_CLOSED');
