/** Makes the table. */
import { checkOptions } from '../../../options.ts';
import { clientFor, loadSdk } from './client.ts';
import { explain } from './errors.ts';
import { INDEXES } from './keys.ts';
import type { DynamoPlace } from './place.ts';

const PLACE = {
  table: "table: 'rondo'",
  region: "region: 'eu-central-1'",
  endpoint: "endpoint: 'http://localhost:8000'",
  client: 'client: new DynamoDBClient()',
} satisfies Record<keyof DynamoPlace, string>;

/**
 * Makes the table with its two indexes, in on-demand mode, and waits until it can be used. For tests and first steps: for production, declare it
 * where you declare your other resources, see docs/dynamodb.md. A table that is there stays as it is.
 * @throws RondoError `CONFIG_INVALID`, `JOURNAL_UNAVAILABLE`.
 */
export async function createDynamodbTable(place: DynamoPlace = {}): Promise<void> {
  checkOptions(place, PLACE, 'createDynamodbTable()');
  const { table: TableName = 'rondo' } = place;
  const sdk = await loadSdk();
  const client = clientFor(sdk, place);
  const names = ['pk', 'sk', ...Object.values(INDEXES).flat()];
  const keys = ([hash, sort]: readonly [string, string]) => [
    { AttributeName: hash, KeyType: 'HASH' as const },
    { AttributeName: sort, KeyType: 'RANGE' as const },
  ];
  try {
    await client
      .send(
        new sdk.CreateTableCommand({
          TableName,
          BillingMode: 'PAY_PER_REQUEST',
          AttributeDefinitions: names.map((AttributeName) => ({ AttributeName, AttributeType: 'S' as const })),
          KeySchema: keys(['pk', 'sk']),
          GlobalSecondaryIndexes: Object.entries(INDEXES).map(([IndexName, by]) => ({
            IndexName,
            KeySchema: keys(by),
            Projection: { ProjectionType: 'KEYS_ONLY' as const },
          })),
        }),
      )
      .catch((error: unknown) => {
        if (!(error instanceof sdk.ResourceInUseException)) throw error;
      });
    await sdk.waitUntilTableExists({ client: client as never, maxWaitTime: 120, minDelay: 1, maxDelay: 5 }, { TableName });
  } catch (error) {
    throw explain(error, TableName);
  } finally {
    if (!place.client) client.destroy();
  }
}
