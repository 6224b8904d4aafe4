/** What is used of the AWS SDK, which is loaded when a journal is used first. */
import type { AttributeValue, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { invalid } from '../../../errors.ts';

export type Sdk = typeof import('@aws-sdk/client-dynamodb');
/** A client of `@aws-sdk/client-dynamodb`, or anything that sends its commands. */
export type DynamoClient = Pick<DynamoDBClient, 'send' | 'destroy'>;

/** Where the table is. */
export interface DynamoPlace {
  /** The name of the table. Default `rondo`. */
  table?: string;
  /** Default: as the AWS SDK finds it. */
  region?: string;
  /** Another address than that of the region, such as `http://localhost:8000`. */
  endpoint?: string;
  /** A client of `@aws-sdk/client-dynamodb`, in place of `region` and `endpoint`. It stays open when the journal is closed. */
  client?: DynamoClient;
}

/** Milliseconds until an attempt to connect, or the answer to a request, is given up. */
const CONNECT = 3_000;
const ANSWER = 10_000;

/** @throws RondoError `CONFIG_INVALID` if the SDK is not installed. */
export async function loadSdk(): Promise<Sdk> {
  try {
    return await import('@aws-sdk/client-dynamodb');
  } catch (cause) {
    throw invalid('dynamodbJournal() needs the AWS SDK, which is not installed: npm install @aws-sdk/client-dynamodb.', { cause });
  }
}

/** A client of the journal's own. The journal tries again by itself, so that one place bounds how long. */
export const clientFor = (sdk: Sdk, { region, endpoint }: DynamoPlace): DynamoClient =>
  new sdk.DynamoDBClient({
    maxAttempts: 1,
    requestHandler: { connectionTimeout: CONNECT, requestTimeout: ANSWER, throwOnRequestTimeout: true },
    ...(region !== undefined && { region }),
    ...(endpoint !== undefined && { endpoint }),
  });

/** An item as a row of texts, numbers and bytes. */
export type Row = Record<string, string | number | Uint8Array>;
export interface Key {
  pk: string;
  sk: string;
}

type Attribute = string | number | Uint8Array;

export const toAttribute = (value: Attribute): AttributeValue =>
  typeof value === 'string' ? { S: value } : typeof value === 'number' ? { N: String(value) } : { B: value };

/** Fields that are null or undefined are left out. */
export function toItem(row: Readonly<Record<string, Attribute | null | undefined>>): Record<string, AttributeValue> {
  const item: Record<string, AttributeValue> = {};
  for (const [name, value] of Object.entries(row)) if (value !== null && value !== undefined) item[name] = toAttribute(value);
  return item;
}

export function fromItem(item: Record<string, AttributeValue>): Row & Key {
  const row: Row = {};
  for (const [name, { S, N, B }] of Object.entries(item)) {
    const value = S ?? (N === undefined ? B : Number(N));
    if (value !== undefined) row[name] = value;
  }
  return row as Row & Key;
}
