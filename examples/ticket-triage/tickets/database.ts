import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { ISSUES, type Issue, TICKETS, type Ticket } from './seed.ts';

/** Raised with every change of the seed or the tables: an older file is then filled again. */
const SEED = 1;

export interface TicketBase {
  tickets(status: 'open' | 'closed', limit: number): Ticket[];
  issues(query: string, limit: number): Issue[];
  close(): void;
}

/** Opens the ticket database, and fills it if it is new. `:memory:` keeps it in this process. */
export function openTickets(path: string): TicketBase {
  if (path !== ':memory:') mkdirSync(dirname(path), { recursive: true });
  const db = new DatabaseSync(path);
  db.exec('PRAGMA busy_timeout = 5000');
  seed(db);
  // most urgent first, then oldest first
  const tickets = db.prepare(`SELECT id, title, body, customer, priority, status, opened FROM tickets WHERE status = ?
    ORDER BY CASE priority WHEN 'urgent' THEN 0 WHEN 'high' THEN 1 WHEN 'normal' THEN 2 ELSE 3 END, opened, id LIMIT ?`);
  const issues = db.prepare('SELECT id, title, body, advice FROM issues WHERE issues MATCH ? ORDER BY rank LIMIT ?');
  return {
    tickets: (status, limit) => tickets.all(status, limit) as unknown as Ticket[],
    issues(query, limit) {
      const words = query.match(/[\p{L}\p{N}]+/gu) ?? [];
      // quoted, so that a customer's word is never FTS5 syntax
      return words.length ? (issues.all(words.map((w) => `"${w}"`).join(' '), limit) as unknown as Issue[]) : [];
    },
    close: () => db.close(),
  };
}

function seed(db: DatabaseSync): void {
  // two runs may start at the same time
  db.exec('BEGIN IMMEDIATE');
  const version = db.prepare('PRAGMA user_version').get() as { user_version: number };
  if (version.user_version !== SEED) {
    db.exec(`DROP TABLE IF EXISTS tickets; DROP TABLE IF EXISTS issues;
      CREATE TABLE tickets (id TEXT PRIMARY KEY, title TEXT, body TEXT, customer TEXT, priority TEXT, status TEXT, opened TEXT) STRICT;
      CREATE VIRTUAL TABLE issues USING fts5(id UNINDEXED, title, body, advice UNINDEXED, tokenize = 'porter unicode61');`);
    const ticket = db.prepare('INSERT INTO tickets VALUES (?, ?, ?, ?, ?, ?, ?)');
    for (const t of TICKETS) ticket.run(t.id, t.title, t.body, t.customer, t.priority, t.status, t.opened);
    const issue = db.prepare('INSERT INTO issues VALUES (?, ?, ?, ?)');
    for (const i of ISSUES) issue.run(i.id, i.title, i.body, i.advice);
    db.exec(`PRAGMA user_version = ${SEED}`);
  }
  db.exec('COMMIT');
}
