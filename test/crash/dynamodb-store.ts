/** The journal of each directory in a table of its own of DynamoDB Local. */
import {
  BatchWriteItemCommand,
  DeleteTableCommand,
  DescribeTableCommand,
  type DynamoDBClient,
  paginateScan,
  ResourceNotFoundException,
  type WriteRequest,
} from '@aws-sdk/client-dynamodb';
import { createDynamodbTable, dynamodbJournal } from '../../src/adapters/journal/dynamodb.ts';
import { clientOf } from '../dynamodb/server.ts';
import type { CrashStore } from './store.ts';

/** Most items of a batch. */
const BATCH = 25;

export function dynamodbStore(endpoint: string): CrashStore {
  return {
    async open(table) {
      await createDynamodbTable({ table, endpoint });
      // the processes are of one machine
      return dynamodbJournal({ table, endpoint, skew: 0 });
    },
    copy: (source, target) =>
      connected(endpoint, async (client) => {
        if (!(await isThere(client, source))) return;
        await createDynamodbTable({ table: target, endpoint });
        const writes: WriteRequest[] = [];
        for await (const { Items = [] } of paginateScan({ client }, { TableName: source, ConsistentRead: true }))
          writes.push(...Items.map((Item): WriteRequest => ({ PutRequest: { Item } })));
        for (let i = 0; i < writes.length; i += BATCH) {
          const { UnprocessedItems = {} } = await client.send(
            new BatchWriteItemCommand({ RequestItems: { [target]: writes.slice(i, i + BATCH) } }),
          );
          if (Object.keys(UnprocessedItems).length > 0) throw new Error('DynamoDB Local did not write a whole batch');
        }
      }),
    remove: (table) =>
      connected(endpoint, async (client) => {
        if (await isThere(client, table)) await client.send(new DeleteTableCommand({ TableName: table }));
      }),
  };
}

async function connected<T>(endpoint: string, work: (client: DynamoDBClient) => Promise<T>): Promise<T> {
  const client = clientOf(endpoint);
  try {
    return await work(client);
  } finally {
    client.destroy();
  }
}

async function isThere(client: DynamoDBClient, table: string): Promise<boolean> {
  try {
    await client.send(new DescribeTableCommand({ TableName: table }));
    return true;
  } catch (error) {
    if (error instanceof ResourceNotFoundException) return false;
    throw error;
  }
}
