import type { AttributeValue, BatchWriteItemInput, DynamoDBClient, PutItemInput, TransactWriteItemsInput } from '@aws-sdk/client-dynamodb';
import { expect, onTestFinished, test } from 'vitest';
import { dynamodbJournal } from '../../src/adapters/journal/dynamodb.ts';
import type { AppendOptions, Journal } from '../../src/journal/port.ts';
import { takes } from '../../src/testing/journal/claim-kit.ts';
import { change, open, signal } from '../../src/testing/journal/inbox-kit.ts';
import { entry, head } from '../../src/testing/journal/kit.ts';
import { clientOf } from './server.ts';
import { endpoint, freshTable, suite } from './setup.ts';

/** Bytes of an item, as DynamoDB counts them; of a number, at most. */
const bytes = (item: Record<string, AttributeValue>) =>
  Object.entries(item).reduce(
    (sum, [name, { S, N, B }]) =>
      sum + Buffer.byteLength(name) + (S === undefined ? (B?.byteLength ?? 1 + Math.ceil((N?.length ?? 0) / 2)) : Buffer.byteLength(S)),
    0,
  );
const units = (item: Record<string, AttributeValue> | undefined) => Math.max(1, Math.ceil((item ? bytes(item) : 0) / 1_024));

/**
 * A client that counts the write units of the table itself, by the rule of DynamoDB: one for each begun KB of an item, two in a transaction. What DynamoDB Local
 * tells of transactions does not follow it.
 */
function counting() {
  const client = clientOf(endpoint());
  let counted = 0;
  const send = async (command: { input: object }) => {
    const { TransactItems, Item, RequestItems } = command.input as Partial<TransactWriteItemsInput & PutItemInput & BatchWriteItemInput>;
    for (const { Put } of TransactItems ?? []) counted += 2 * units(Put?.Item);
    if (Item) counted += units(Item);
    for (const { PutRequest, DeleteRequest } of Object.values(RequestItems ?? {}).flat())
      if (PutRequest || DeleteRequest) counted += units(PutRequest?.Item);
    return client.send(command as never);
  };
  return {
    client: { send, destroy: () => client.destroy() } as unknown as DynamoDBClient,
    of: async (work: () => unknown) => {
      const before = counted;
      await work();
      return counted - before;
    },
  };
}

suite('write units in DynamoDB', () => {
  test('are those that docs/dynamodb.md tells', async () => {
    const { client, of } = counting();
    const journal = dynamodbJournal({ table: await freshTable(), client }) as Journal &
      Required<Pick<Journal, 'claim' | 'inbox' | 'records'>>;
    onTestFinished(() => journal.close?.());
    let seq = 0;
    const append = (o: AppendOptions = {}, output: number | string = seq) =>
      of(() => {
        const at = seq++;
        return journal.append(
          'r',
          at,
          [entry(at, output)],
          head('r', { session: 's', by: 'ana', owner: 'o', leaseUntil: 1, seq: at + 1 }),
          o,
        );
      });
    const key = { tenant: 't', intent: 'pay', key: 'k' };
    const told = {
      begin: await append(),
      append: await append(),
      large: await append({}, 'x'.repeat(10_000)),
      effect: await append({ effects: [{ to: 'ended', call: '1.0', at: 1, tool: 'refund', outcome: 'done' }] }),
      renew: await of(() => journal.renew('r', 'o', Date.now() + 30_000)),
      claim: await (async () => {
        await journal.claim(key);
        return append({ claims: [takes('a', 0, key)] });
      })(),
      end: await of(() => journal.append('r', seq, [entry(seq)], head('r', { status: 'completed', session: 's', by: 'ana' }))),
      record: await of(() => journal.records.append('n', 'k', [1])),
      event: await of(() => journal.inbox.signal(signal('e'))),
      wait: await of(() => change(journal, 'waits', [open('1.0')], { status: 'paused' })),
    };
    expect(told).toEqual({ begin: 10, append: 4, large: 22, effect: 6, renew: 1, claim: 8, end: 6, record: 4, event: 12, wait: 14 });
  });
});
