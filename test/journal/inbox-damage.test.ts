import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, onTestFinished, test } from 'vitest';
import { deadQuery, LISTED_EVENTS } from '../../src/adapters/journal/sqlite/inbox-table.ts';
import { RondoError } from '../../src/errors.ts';
import type { Inbox, Signal, StoredEvent, WaitChange } from '../../src/journal/inbox.ts';
import type { Journal } from '../../src/journal/port.ts';
import { entry, head, refused } from '../../src/testing/journal/kit.ts';
import { file, folder } from './setup.ts';

type Listening = Journal & { readonly inbox: Inbox };

const NOW = 1_000_000;
const WEEK = 7 * 86_400_000;
const TOPIC = { tenant: 't', event: 'reply', key: 'k' };
const signal = (id: string, more: Partial<Signal> = {}): Signal => ({ ...TOPIC, id, data: { n: id }, by: 'ana', now: NOW, ...more });
const wait = (call = '1.0'): WaitChange => ({ ...TOPIC, call, to: 'open', now: NOW });

function store() {
  const { path, open } = file();
  const db = () => {
    const db = new DatabaseSync(path);
    onTestFinished(() => db.close());
    return db;
  };
  return { path, open: () => open() as Listening, db };
}

const waiting = (journal: Journal, runId: string, waits: readonly WaitChange[] = [wait()]) =>
  journal.append(runId, 0, [entry(0)], head(runId, { status: 'paused', wakeAt: 9, seq: 1 }), { waits });

const COLUMNS = ["tenant = 'u'", "id = 'x'", "topic = replace(topic, 'k', 'j')", 'at = at + 1', 'until = until + 1', "sender = 'ben'"];

test.each([...COLUMNS, "body = replace(body, 'e1', 'e9')", 'checksum = checksum + 1'])(
  'an event that was changed is not delivered, and listed as damaged with nothing of it: %s',
  async (change) => {
    const { open, db } = store();
    const journal = open();
    await waiting(journal, 'r');
    await journal.inbox.signal(signal('e1'));
    db().exec(`UPDATE event SET ${change}`);
    const later = open();
    expect((await refused('JOURNAL_DAMAGED', () => later.inbox.assigned('r'))).details).toEqual({ event: 1 });
    // its run does not go on as if it had none
    const taken: WaitChange[] = [{ call: '1.0', to: 'taken', id: 'e1' }];
    await refused('JOURNAL_DAMAGED', async () => later.append('r', 1, [entry(1)], head('r', { seq: 2 }), { waits: taken }));
    const listed = [...(await later.inbox.list('t', 9)), ...(await later.inbox.list('u', 9))];
    expect(listed).toMatchObject([{ nr: 1, doubtful: true, id: '', key: '', event: '', by: '' }]);
    expect(listed[0]).not.toHaveProperty('data');
    // the run can be forgotten, and an operator ends the event
    await later.remove('r');
    const { tenant } = listed[0] as StoredEvent;
    expect(await later.inbox.bury(tenant, 1, { to: 'dismissed', now: NOW, by: 'lead', reason: 'sent again' })).toMatchObject({
      nr: 1,
      state: 'dismissed',
      dismissed: { by: 'lead', reason: 'sent again' },
    });
    expect(await later.inbox.list(tenant, 9)).toMatchObject([{ state: 'dismissed' }]);
  },
);

test.each(["run = 's'", "call = '1.1'", 'event = 2', 'checksum = 1'])('an assignment that was changed is told: %s', async (change) => {
  const { open, db } = store();
  const journal = open();
  for (const run of ['r', 's']) await waiting(journal, run, [wait('1.0'), wait('1.1')]);
  for (const id of ['e1', 'e2']) await journal.inbox.signal(signal(id));
  db().exec(`UPDATE event_use SET ${change} WHERE event = 1`);
  const found = await Promise.allSettled(['r', 's'].map(async (run) => journal.inbox.assigned(run)));
  expect(found.filter((result) => result.status === 'rejected' && RondoError.is(result.reason, 'JOURNAL_DAMAGED'))).toHaveLength(1);
});

test.each(["run = 's'", "call = '1.1'", 'checksum = 1'])('a wait that was changed is told, and gets no event: %s', async (change) => {
  const { open, db } = store();
  const journal = open();
  await waiting(journal, 'r');
  db().exec(`UPDATE event_wait SET ${change}`);
  await refused('JOURNAL_DAMAGED', () => journal.inbox.waits(TOPIC));
  await refused('JOURNAL_DAMAGED', async () => journal.inbox.signal(signal('e1')));
  expect(await journal.inbox.list('t', 9), 'the event was kept, although no one knows for whom').toEqual([]);
});

test('any bit of an event turned in the file: what is read is right, or refused', async () => {
  const { path, open } = store();
  const journal = open();
  await waiting(journal, 'r');
  for (const id of ['e1', 'e2', 'e3']) await journal.inbox.signal(signal(id));
  const right = await journal.inbox.assigned('r');
  await journal.close?.();
  const whole = readFileSync(path);
  const copy = join(folder(), 'copy.db');
  // the row, not the copies of its fields in indexes
  const body = whole.indexOf('{"event":"reply","key":"k","data":{"n":"e1"}');
  const begin = body - Buffer.byteLength('te1["t","reply","k"]assigned') - 20;
  let reported = 0;
  for (let at = begin; at < body + 130; at++)
    for (const bit of new Set([0, at % 8])) {
      const turned = Buffer.from(whole);
      turned[at] = (turned[at] as number) ^ (1 << bit);
      writeFileSync(copy, turned, { mode: 0o600 });
      const again = file(copy).open() as Listening;
      try {
        expect(await again.inbox.assigned('r'), `byte ${at - body}, bit ${bit}`).toEqual(right);
      } catch (error) {
        if (!RondoError.is(error, 'JOURNAL_DAMAGED')) throw error;
        reported++;
      }
      await again.close?.();
    }
  expect(reported).toBeGreaterThan(200);
});

test('what is erased of an event is in none of the files', async () => {
  const { path, open } = store();
  const journal = open();
  await journal.inbox.signal(signal('e1', { data: 'the secret of ana', by: 'ana-the-sender' }));
  const files = () => ['', '-wal'].map((end) => readFileSync(path + end, 'latin1')).join();
  expect(files()).toContain('the secret of ana');
  expect(await journal.inbox.forget({ tenant: 't', by: 'ana-the-sender', now: NOW })).toEqual({ events: 1, runs: [] });
  for (const text of ['the secret of ana', 'ana-the-sender']) expect(files()).not.toContain(text);
});

test('lists of events are found by indexes, and nothing is sorted', async () => {
  const { open, db } = store();
  await open().inbox.signal(signal('e1', { now: NOW - WEEK }));
  const plan = (query: string, ...values: (string | number)[]) =>
    (
      db()
        .prepare(`EXPLAIN QUERY PLAN ${query}`)
        .all(...values) as { detail: string }[]
    ).map(({ detail }) => detail);
  const by = (index: string) => [expect.stringMatching(new RegExp(`^SEARCH event USING INDEX ${index} \\(`))];
  expect(plan(LISTED_EVENTS, 't', 9)).toEqual(by('event_listed'));
  expect(plan(deadQuery('rejected'), 't', 9, 9, 0, 9)).toEqual(by('event_rejected'));
  expect(plan(deadQuery('waiting'), 't', 9, 9, 0, 9)).toEqual(by('event_unclaimed'));
});
