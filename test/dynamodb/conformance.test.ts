import { PutItemCommand, QueryCommand } from '@aws-sdk/client-dynamodb';
import { describe, test } from 'vitest';
import { dynamodbJournal } from '../../src/adapters/journal/dynamodb.ts';
import type { Journal } from '../../src/journal/port.ts';
import { journalConformance } from '../../src/testing/conformance.ts';
import { recordsConformance } from '../../src/testing/records.ts';
import { clientOf } from './server.ts';
import { endpoint, freshTable, suite } from './setup.ts';

const tables = new Map<Journal, string>();
// the tests compare leases with what they gave
const optionsOf = (table: string) => ({ table, endpoint: endpoint(), skew: 0 });
const open = (table: string) => {
  const journal = dynamodbJournal(optionsOf(table));
  tables.set(journal, table);
  return journal;
};
const fresh = async () => open(await freshTable());
const tableOf = (journal: Journal) => tables.get(journal) as string;
const storage = {
  test,
  another: (journal: Journal) => open(tableOf(journal)),
  process: (journal: Journal) => ({
    module: new URL('../../src/adapters/journal/dynamodb.ts', import.meta.url),
    open: 'dynamodbJournal',
    args: [optionsOf(tableOf(journal))],
    execArgv: [],
  }),
};

suite('the journal in DynamoDB', () => {
  describe('runs', () =>
    journalConformance(fresh, {
      ...storage,
      async damageLast(journal, runId) {
        const client = clientOf(endpoint());
        const TableName = tableOf(journal);
        const { Items = [] } = await client.send(
          new QueryCommand({
            TableName,
            KeyConditionExpression: 'pk = :pk AND begins_with(sk, :e)',
            ExpressionAttributeValues: { ':pk': { S: `run#${runId}` }, ':e': { S: 'e#' } },
            ScanIndexForward: false,
          }),
        );
        const [last] = Items;
        const body = last?.body?.S?.replace('ok', 'ko') as string;
        await client.send(new PutItemCommand({ TableName, Item: { ...last, body: { S: body } } }));
        client.destroy();
      },
    }));

  describe('records', () => recordsConformance(fresh, storage));
});
