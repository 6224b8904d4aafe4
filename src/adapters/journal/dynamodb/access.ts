/** Access to the table: requests, transactions with conditions, and what happens while it cannot be reached. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { AttributeValue, QueryCommandInput, TransactWriteItem, WriteRequest } from '@aws-sdk/client-dynamodb';
import { invalid, RondoError } from '../../../errors.ts';
import { lazy } from '../../../flight.ts';
import { clientFor, fromItem, type Key, loadSdk, type Row, type Sdk, type SdkClient, toAttribute, toItem } from './client.ts';
import { explain, isPassing, Refused, reasonsOf } from './errors.ts';
import { INDEXES, STORE } from './keys.ts';
import type { DynamoPlace } from './place.ts';
import { checkVersion } from './version.ts';

/** What must be true of the item of a key. `orAbsent`: or there is none. */
export type Condition = 'absent' | { equal: Row; orAbsent?: true };
/** A write of one item, if its condition holds. A check writes nothing. */
export type Write = { if?: Condition } & (
  | { put: Key & Readonly<Record<string, string | number | Uint8Array | null | undefined>> }
  | { delete: Key }
  | { check: Key }
);

/** A range of a partition, both ends included. */
export interface Range {
  pk: string;
  from?: string;
  to?: string;
  /** Of an index, which may lag behind. */
  index?: keyof typeof INDEXES;
  /** Backwards. */
  last?: boolean;
  /** Items of a page. */
  page?: number;
}

/** Most writes of a transaction, and their bytes, of which some are kept for keys and names. */
export const MOST_WRITES = 100;
export const MOST_BYTES = 3_500_000;

/** Requests at a time: as many as a client of the SDK has connections by default. */
const AT_ONCE = 50;
const BATCH = { get: 100, write: 25 };
/** Most bytes of content in a batch of writes, which may have 16 MB. */
const BATCH_BYTES = 8_000_000;
/** Milliseconds between two attempts, at first and at most. */
const PAUSE = { first: 20, most: 1_000 };

export interface Access {
  readonly table: string;
  get(key: Key): Promise<(Row & Key) | undefined>;
  /** Items by their keys, in any order. */
  getAll(keys: readonly Key[]): Promise<(Row & Key)[]>;
  query(range: Range): AsyncGenerator<Row & Key, void, undefined>;
  count(range: Range): Promise<Map<string, number>>;
  /** All or nothing. @throws Refused if a condition does not hold. */
  write(writes: readonly Write[]): Promise<void>;
  /** Each by itself, some of them perhaps twice. */
  writeAll(writes: readonly ({ put: Key & Row } | { delete: Key })[]): Promise<void>;
  /** Deletes all items of a partition but those with this sort key. */
  purge(pk: string, but?: string): Promise<void>;
  refuseClosed(): void;
  close(): void;
}

export function accessTo(place: DynamoPlace & { patience: number }): Access {
  const { table = 'rondo', patience } = place;
  const opened = lazy(open);
  let checked = false;
  let closed = false;

  function refuseClosed(): void {
    if (closed) throw new RondoError('ENGINE_CLOSED', 'The journal was closed. Make a new one with dynamodbJournal().');
  }

  async function open() {
    const sdk = await loadSdk();
    return { sdk, client: clientFor(sdk, place) };
  }

  let running = 0;
  const waiting: (() => void)[] = [];
  /** Has a request wait for its turn, so that the time limits of a client are not spent on waiting for a connection. */
  async function inTurn<T>(request: () => Promise<T>): Promise<T> {
    if (running >= AT_ONCE) await new Promise<void>((resolve) => waiting.push(resolve));
    else running++;
    try {
      return await request();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else running--;
    }
  }

  /** Makes a request until it is answered. @throws RondoError or Refused */
  async function ask<T>(work: (client: SdkClient, sdk: Sdk) => Promise<T>): Promise<T> {
    refuseClosed();
    const { client, sdk } = await opened();
    const until = performance.now() + patience;
    for (let pause = PAUSE.first; ; pause = Math.min(2 * pause, PAUSE.most)) {
      try {
        // a layout of a newer version is left alone
        if (!checked) {
          const { Item } = await client.send(new sdk.GetItemCommand({ TableName: table, Key: toItem({ ...STORE }), ConsistentRead: true }));
          checkVersion(table, Item && fromItem(Item));
          checked = true;
        }
        return await inTurn(() => work(client, sdk));
      } catch (error) {
        if (!isPassing(error) || closed || performance.now() + pause > until) throw explain(error, table);
      }
      await sleep(pause * (0.5 + Math.random()));
    }
  }

  async function get(key: Key) {
    const { Item } = await ask((client, sdk) =>
      client.send(new sdk.GetItemCommand({ TableName: table, Key: toItem({ ...key }), ConsistentRead: true })),
    );
    return Item && fromItem(Item);
  }

  async function getAll(keys: readonly Key[]) {
    const distinct = [...new Map(keys.map((key) => [JSON.stringify(key), { pk: key.pk, sk: key.sk }])).values()];
    const found: (Row & Key)[] = [];
    for (let i = 0; i < distinct.length; i += BATCH.get) {
      let left: Record<string, AttributeValue>[] = distinct.slice(i, i + BATCH.get).map((key) => toItem({ ...key }));
      while (left.length > 0) {
        const Keys = left;
        const { Responses, UnprocessedKeys } = await ask((client, sdk) =>
          client.send(new sdk.BatchGetItemCommand({ RequestItems: { [table]: { Keys, ConsistentRead: true } } })),
        );
        found.push(...(Responses?.[table] ?? []).map(fromItem));
        left = UnprocessedKeys?.[table]?.Keys ?? [];
        if (left.length === Keys.length) await sleep(PAUSE.first);
      }
    }
    return found;
  }

  function asked({ pk, from, to, index, last = false, page }: Range): QueryCommandInput {
    const [hash, sort] = index ? INDEXES[index] : ['pk', 'sk'];
    const values: Record<string, AttributeValue> = { ':pk': { S: pk } };
    if (from !== undefined) values[':from'] = { S: from };
    if (to !== undefined) values[':to'] = { S: to };
    const range =
      from !== undefined && to !== undefined
        ? ' AND #sk BETWEEN :from AND :to'
        : from !== undefined
          ? ' AND #sk >= :from'
          : to !== undefined
            ? ' AND #sk <= :to'
            : '';
    return {
      TableName: table,
      KeyConditionExpression: `#pk = :pk${range}`,
      ExpressionAttributeNames: { '#pk': hash, ...(range !== '' && { '#sk': sort }) },
      ExpressionAttributeValues: values,
      ScanIndexForward: !last,
      ...(index ? { IndexName: index } : { ConsistentRead: true }),
      ...(page !== undefined && { Limit: page }),
    };
  }

  async function* query(range: Range): AsyncGenerator<Row & Key, void, undefined> {
    // DynamoDB refuses an empty range
    if (range.from !== undefined && range.to !== undefined && Buffer.compare(Buffer.from(range.from), Buffer.from(range.to)) > 0) return;
    let ExclusiveStartKey: Record<string, AttributeValue> | undefined;
    do {
      const input = { ...asked(range), ...(ExclusiveStartKey && { ExclusiveStartKey }) };
      const { Items = [], LastEvaluatedKey } = await ask((client, sdk) => client.send(new sdk.QueryCommand(input)));
      for (const item of Items) yield fromItem(item);
      ExclusiveStartKey = LastEvaluatedKey;
    } while (ExclusiveStartKey);
  }

  async function write(writes: readonly Write[]): Promise<void> {
    if (writes.length === 0) return;
    if (writes.length > MOST_WRITES)
      throw invalid(
        `One change of the journal writes ${writes.length} items, and a transaction of DynamoDB ${MOST_WRITES}. Nothing was written.`,
      );
    const items = writes.map((one) => transactItem(table, one));
    await ask(async (client, sdk) => {
      try {
        const [{ Put, Delete } = {}] = items;
        // one item needs no transaction, which costs twice as much
        if (items.length === 1 && Put) await client.send(new sdk.PutItemCommand(Put));
        else if (items.length === 1 && Delete) await client.send(new sdk.DeleteItemCommand(Delete));
        else await client.send(new sdk.TransactWriteItemsCommand({ TransactItems: items }));
      } catch (error) {
        throw refusedBy(error) ?? error;
      }
    });
  }

  async function writeAll(writes: readonly ({ put: Key & Row } | { delete: Key })[]): Promise<void> {
    const requests = writes.map(
      (one): WriteRequest =>
        'put' in one ? { PutRequest: { Item: toItem(one.put) } } : { DeleteRequest: { Key: toItem({ ...one.delete }) } },
    );
    for (let at = 0; at < requests.length; ) {
      const batch: WriteRequest[] = [];
      for (let bytes = 0; at < requests.length && batch.length < BATCH.write; at++) {
        const one = writes[at];
        bytes += one && 'put' in one ? sizeOf(one.put) : 0;
        if (batch.length > 0 && bytes > BATCH_BYTES) break;
        batch.push(requests[at] as WriteRequest);
      }
      for (let left = batch; left.length > 0; ) {
        const RequestItems = { [table]: left };
        const { UnprocessedItems } = await ask((client, sdk) => client.send(new sdk.BatchWriteItemCommand({ RequestItems })));
        const next = UnprocessedItems?.[table] ?? [];
        if (next.length > 0) await sleep(PAUSE.first * (1 + Math.random()));
        left = next;
      }
    }
  }

  return {
    table,
    get,
    getAll,
    query,
    write,
    writeAll,
    refuseClosed,

    async count(range) {
      const found = new Map<string, number>();
      const field = range.index ? INDEXES[range.index][1] : 'sk';
      for await (const row of query(range)) found.set(String(row[field]), (found.get(String(row[field])) ?? 0) + 1);
      return found;
    },

    async purge(pk, but) {
      let batch: { delete: Key }[] = [];
      for await (const { sk } of query({ pk })) {
        if (sk !== but) batch.push({ delete: { pk, sk } });
        if (batch.length < BATCH.write) continue;
        await writeAll(batch);
        batch = [];
      }
      await writeAll(batch);
    },

    close() {
      closed = true;
      if (!place.client)
        void opened.current()?.then(
          ({ client }) => client.destroy(),
          () => undefined,
        );
    },
  };
}

/** About how many bytes an item has. */
export const sizeOf = (row: Readonly<Record<string, unknown>>): number => {
  let bytes = 0;
  for (const [name, value] of Object.entries(row))
    bytes += name.length + (typeof value === 'string' ? Buffer.byteLength(value) : value instanceof Uint8Array ? value.byteLength : 8);
  return bytes;
};

function transactItem(
  TableName: string,
  one: Write,
): Pick<TransactWriteItem, never> & {
  Put?: NonNullable<TransactWriteItem['Put']>;
  Delete?: NonNullable<TransactWriteItem['Delete']>;
  ConditionCheck?: NonNullable<TransactWriteItem['ConditionCheck']>;
} {
  const condition = one.if === undefined ? undefined : conditionOf(one.if);
  const rest = { TableName, ...(condition && { ...condition, ReturnValuesOnConditionCheckFailure: 'ALL_OLD' as const }) };
  if ('put' in one) return { Put: { ...rest, Item: toItem(one.put) } };
  if ('delete' in one) return { Delete: { ...rest, Key: toItem({ ...one.delete }) } };
  return { ConditionCheck: { ...rest, Key: toItem({ ...one.check }), ConditionExpression: condition?.ConditionExpression } };
}

function conditionOf(condition: Condition) {
  if (condition === 'absent') return { ConditionExpression: 'attribute_not_exists(pk)' };
  const fields = Object.entries(condition.equal);
  const equal = fields.map((_, i) => `#f${i} = :f${i}`).join(' AND ');
  return {
    ConditionExpression: condition.orAbsent ? `attribute_not_exists(pk) OR (${equal})` : equal,
    ExpressionAttributeNames: Object.fromEntries(fields.map(([name], i) => [`#f${i}`, name])),
    ExpressionAttributeValues: Object.fromEntries(fields.map(([, value], i) => [`:f${i}`, toAttribute(value)])),
  };
}

/** Which conditions did not hold, if that is why an error was thrown. */
function refusedBy(error: unknown): Refused | undefined {
  if (!(error instanceof Error)) return undefined;
  const itemOf = (item: unknown) => (item ? fromItem(item as Record<string, AttributeValue>) : null);
  if (error.name === 'ConditionalCheckFailedException') return new Refused(new Map([[0, itemOf((error as { Item?: unknown }).Item)]]));
  const found = new Map<number, Row | null>();
  for (const [i, { Code, Item }] of reasonsOf(error).entries()) if (Code === 'ConditionalCheckFailed') found.set(i, itemOf(Item));
  return found.size > 0 ? new Refused(found) : undefined;
}
