/** What is used of the AWS SDK, which is loaded when a journal is used first. */
import type { AttributeValue, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { invalid } from '../../../errors.ts';
import type { DynamoPlace } from './place.ts';

export type Sdk = typeof import('@aws-sdk/client-dynamodb');
/** The client as its commands are typed. */
export type SdkClient = Pick<DynamoDBClient, 'send' | 'destroy'>;

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

/** The given client, or one of the journal's own, which does not try again: the journal does, so that one place bounds how long. */
export const clientFor = (sdk: Sdk, { client, region, endpoint }: DynamoPlace): SdkClient =>
  (client as SdkClient | undefined) ??
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
