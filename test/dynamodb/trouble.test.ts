import { type DynamoDBClient, ScanCommand } from '@aws-sdk/client-dynamodb';
import { describe, expect, onTestFinished, test } from 'vitest';
import { dynamodbJournal } from '../../src/adapters/journal/dynamodb.ts';
import { takes } from '../../src/testing/journal/claim-kit.ts';
import { type Listening, signal } from '../../src/testing/journal/inbox-kit.ts';
import { all, entries, entry, head, read, same, start } from '../../src/testing/journal/kit.ts';
import { clientOf } from './server.ts';
import { endpoint, freshTable, place, suite } from './setup.ts';

const problem = (name: string, more: object = {}) => Object.assign(new Error(name), { name, ...more });
const RESET = problem('Error', { code: 'ECONNRESET' });

/** A client whose writes fail: before the server gets them, or once they were carried out and the answer is lost. */
async function failing(o: { patience?: number } = {}) {
  const client = clientOf(endpoint());
  const faults: { at: 'before' | 'after'; error: Error }[] = [];
  let made = 0;
  const send = async (command: { input: object }) => {
    const writes = 'TransactItems' in command.input || 'Item' in command.input;
    const [fault] = writes ? faults.splice(0, 1) : [];
    if (fault) made++;
    if (fault?.at === 'before') throw fault.error;
    const answer = await client.send(command as never);
    if (fault) throw fault.error;
    return answer;
  };
  const table = await freshTable();
  const journal = dynamodbJournal({ table, client: { send, destroy: () => client.destroy() } as unknown as DynamoDBClient, ...o });
  onTestFinished(() => journal.close?.());
  return {
    journal,
    made: () => made,
    fail: (at: 'before' | 'after', error: Error, times = 1) => void faults.push(...Array(times).fill({ at, error })),
  };
}

suite('trouble with DynamoDB', () => {
  for (const at of ['before', 'after'] as const)
    test(`an append, a record and a lease whose answer is lost ${at} they were stored are there once`, async () => {
      const { journal, fail, made } = await failing();
      for (const seq of [0, 2]) {
        fail(at, RESET);
        await journal.append('r', seq, entries(seq, 2), head('r', { seq: seq + 2 }));
        expect(await read(journal, 'r')).toEqual(entries(0, seq + 2));
      }
      fail(at, RESET);
      await journal.append('r', 4, [entry(4)], head('r'), { claims: [takes('a', 0)] });
      fail(at, RESET);
      await journal.append('r', 5, [entry(5)], head('r'), { record: { namespace: 'n', key: 'k', values: [1], expected: 0 } });
      fail(at, RESET);
      expect(await journal.records?.append('n', 'k', [2])).toBe(2);
      fail(at, RESET);
      expect(await journal.renew('r', 'ana', Date.now() + 60_000)).toBe(true);
      expect(made()).toBe(6);
      expect(await read(journal, 'r')).toEqual(entries(0, 6));
      expect(await all(journal.records?.read('n', 'k') ?? [])).toEqual([1, 2]);
      await journal.append('r', 6, [entry(6)], head('r'));
    });

  for (const at of ['before', 'after'] as const)
    test(`what is done with a dead event is told, though the answer is lost ${at} it was stored`, async () => {
      const { journal, fail, made } = await failing();
      const { inbox } = journal as Listening;
      const now = 1_000_000;
      for (const id of ['e1', 'e2']) await inbox.signal(signal(id, { problem: 'no', now }));
      const [second, first] = await inbox.dead({ tenant: 't', now, limit: 9 });
      fail(at, RESET);
      expect(await inbox.bury('t', first?.nr ?? 0, { to: 'dismissed', now, by: 'ben', reason: 'late' })).toMatchObject({
        state: 'dismissed',
      });
      fail(at, RESET);
      expect(await inbox.bury('t', second?.nr ?? 0, { to: 'again', now })).toMatchObject({ id: 'e2', state: 'waiting' });
      expect(made()).toBe(2);
      // that of another operator stays
      expect(await inbox.bury('t', first?.nr ?? 0, { to: 'dismissed', now, by: 'ana', reason: 'again' })).toBeUndefined();
    });

  describe('throttling', () => {
    const reasons = (Code: string) => problem('TransactionCanceledException', { CancellationReasons: [{ Code: 'None' }, { Code }] });
    const passing = [
      problem('ProvisionedThroughputExceededException'),
      problem('ThrottlingException'),
      problem('RequestLimitExceeded'),
      reasons('ThrottlingError'),
      reasons('ProvisionedThroughputExceeded'),
      reasons('TransactionConflict'),
      problem('TransactionInProgressException'),
      problem('InternalServerError', { $metadata: { httpStatusCode: 500 } }),
    ];
    test('that ends within the patience is not noticed', async () => {
      const { journal, fail, made } = await failing({ patience: 120_000 });
      for (const [seq, error] of passing.entries()) {
        fail('before', error);
        await journal.append('r', seq, [entry(seq)], head('r'));
      }
      expect(made()).toBe(passing.length);
      expect(await read(journal, 'r')).toEqual(entries(0, passing.length));
    });

    test('that does not end is JOURNAL_UNAVAILABLE with the name that DynamoDB gave, and nothing is written', async () => {
      const { journal, fail } = await failing({ patience: 0 });
      await start(journal, 'r');
      for (const [error, code] of [
        [passing[0], 'ProvisionedThroughputExceededException'],
        [passing[3], 'ThrottlingError'],
        [passing[5], 'TransactionConflict'],
      ] as const) {
        fail('before', error as Error);
        await expect((async () => journal.append('r', 1, [entry(1)], head('r')))()).rejects.toMatchObject({
          code: 'JOURNAL_UNAVAILABLE',
          details: { code },
        });
      }
      expect(await read(journal, 'r')).toEqual(entries(0, 1));
      await journal.append('r', 1, [entry(1)], head('r'));
    });
  });

  test('a table that is not there, and a request that is refused, are told as what is wrong', async () => {
    const journal = dynamodbJournal({ table: 'nowhere', endpoint: endpoint() });
    await expect(read(journal, 'r')).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    const { journal: denied, fail } = await failing();
    fail('before', problem('AccessDeniedException'));
    await expect(start(denied, 'r')).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    await expect(start(denied, 'x'.repeat(3_000))).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });

  test('content of 5 MB in one append is stored, and none of it stays of a run that is removed, even by another process during an append', async () => {
    const { open, table } = await place();
    const journal = open();
    const client = clientOf(endpoint());
    onTestFinished(() => client.destroy());
    const left = async () => (await client.send(new ScanCommand({ TableName: table, Select: 'COUNT' }))).Count;
    const large = [entry(1, 'ä漢'.repeat(1_000_000)), entry(2)];
    await start(journal, 'r');
    await journal.append('r', 1, large, head('r'));
    same(await read(open(), 'r', 0), large);
    await expect((async () => journal.append('r', 1, large, head('r')))()).rejects.toMatchObject({ code: 'JOURNAL_CONFLICT' });
    await journal.remove('r');
    expect(await left()).toBe(0);
    await start(journal, 'r');
    await open().remove('r');
    // its content is written ahead of the transaction, which is refused
    await expect((async () => journal.append('r', 1, large, head('r')))()).rejects.toMatchObject({ code: 'JOURNAL_CONFLICT' });
    expect(await left()).toBe(0);
  });
});

suite('clocks', () => {
  test('a lease lasts longer than its owner asked for, by the skew: for due runs and for others that want it', async () => {
    const { open } = await place();
    const journal = open({ skew: 3_600_000 });
    await start(journal, 'r');
    const until = Date.now() + 60_000;
    expect(await journal.renew('r', 'ana', until)).toBe(true);
    const [found] = await all(journal.heads({ runId: 'r' }));
    expect(found?.leaseUntil).toBe(until + 3_600_000);
    const due = async (now: number) => (await all(journal.due?.({ status: 'running', now, limit: 9 }) ?? [])).length;
    // a process whose clock is ahead by less than the skew, and one that is ahead by more
    expect([await due(until + 3_599_999), await due(until + 3_600_000)]).toEqual([0, 1]);
    // given back at once
    expect(await journal.renew('r', 'ana', 0)).toBe(true);
    expect(await open().renew('r', 'ben', until)).toBe(true);
  });
});
