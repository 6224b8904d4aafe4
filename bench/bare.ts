/** The minimum of a hand-written loop, in memory and on SQLite: the baseline for Rondo. */
import { hash } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import type { Effect, Message, Model, ModelRequest, ToolSpec } from '../src/index.ts';
import type { ToolCallPart, ToolResultPart } from '../src/ports/model.ts';
import { INSTRUCTIONS, type Input, input, QUESTION } from './workload.ts';

export interface BareLoop {
  readonly model: Model;
  readonly tools: readonly ToolSpec[];
  readonly execute: (input: Input) => Promise<unknown>;
}

const NEVER = new AbortController().signal;

/** Calls the model, validates the arguments, awaits the tool, pushes the messages, until the model calls nothing. */
export async function bareRun({ model, tools, execute }: BareLoop): Promise<number> {
  const messages: Message[] = [{ role: 'user', content: [{ type: 'text', text: QUESTION }] }];
  const request: ModelRequest = { instructions: INSTRUCTIONS, messages, tools };
  for (let turns = 0; ; turns++) {
    const { content } = await model.generate(request, { signal: NEVER });
    messages.push({ role: 'assistant', content });
    const call = content.find(isCall);
    if (!call) return turns;
    messages.push({ role: 'tool', content: [await answer(call, execute)] });
  }
}

/**
 * The same, with each answer and each result in its own transaction before the loop continues.
 * @param key of the next call, which may be made once.
 */
export async function bareSqliteRun(
  { model, tools, execute }: BareLoop,
  store: BareStore,
  effect: Effect,
  key?: () => string,
): Promise<number> {
  const messages: Message[] = [{ role: 'user', content: [{ type: 'text', text: QUESTION }] }];
  const request: ModelRequest = { instructions: INSTRUCTIONS, messages, tools };
  const run = store.newRun();
  for (let turns = 0; ; turns++) {
    const { content } = await model.generate(request, { signal: NEVER });
    const said: Message = { role: 'assistant', content };
    messages.push(said);
    const call = content.find(isCall);
    // the final answer is not written: exactly two transactions per turn
    if (!call) return turns;
    store.insert(run, said, effect === 'once', key?.());
    const observed: Message = { role: 'tool', content: [await answer(call, execute)] };
    messages.push(observed);
    store.insert(run, observed, false);
  }
}

export const isCall = (part: ModelRequest['messages'][number]['content'][number]): part is ToolCallPart => part.type === 'toolCall';

export async function answer(call: ToolCallPart, execute: BareLoop['execute']): Promise<ToolResultPart> {
  const valid = input.safeParse(call.input);
  if (!valid.success) throw valid.error;
  const output = await execute(valid.data);
  return { type: 'toolResult', id: call.id, output: [{ type: 'text', text: JSON.stringify(output) }] };
}

export interface BareStore {
  newRun(): number;
  /**
   * One transaction. `power`: it is synced to disk, as Rondo's intent of a `once` call is. `key`: taken in it, by its hash.
   * @throws for a key that was taken before.
   */
  insert(run: number, message: Message, power: boolean, key?: string): void;
  /** Messages of a run, in order. */
  read(run: number): Message[];
  rows(): number;
  close(): void;
}

/** A table with the minimal columns, and the pragmas that Rondo's journal sets. */
export function bareStore(path: string): BareStore {
  const db = new DatabaseSync(path);
  db.exec('PRAGMA busy_timeout = 5; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL');
  db.exec('CREATE TABLE IF NOT EXISTS message (id INTEGER PRIMARY KEY, run INTEGER NOT NULL, body TEXT NOT NULL)');
  db.exec('CREATE TABLE IF NOT EXISTS taken (name BLOB PRIMARY KEY, run INTEGER NOT NULL) WITHOUT ROWID');
  const take = db.prepare('INSERT INTO taken (name, run) VALUES (?, ?)');
  const [begin, commit] = [db.prepare('BEGIN IMMEDIATE'), db.prepare('COMMIT')];
  // a single statement is its own transaction, the cheapest one
  const insert = db.prepare('INSERT INTO message (run, body) VALUES (?, ?)');
  const select = db.prepare('SELECT body FROM message WHERE run = ? ORDER BY id');
  let runs = 0;
  let synced = false;
  return {
    newRun: () => ++runs,
    insert(run, message, power, key) {
      if (power !== synced) {
        db.exec(power ? 'PRAGMA synchronous = FULL' : 'PRAGMA synchronous = NORMAL');
        synced = power;
      }
      if (key === undefined) {
        insert.run(run, JSON.stringify(message));
        return;
      }
      begin.run();
      insert.run(run, JSON.stringify(message));
      take.run(hash('sha256', key, 'buffer'), run);
      commit.run();
    },
    read: (run) => (select.all(run) as { body: string }[]).map(({ body }) => JSON.parse(body) as Message),
    rows: () => (db.prepare('SELECT count(*) AS n FROM message').get() as { n: number }).n,
    close() {
      db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
      db.close();
    },
  };
}
