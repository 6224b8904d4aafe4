/** Where a journal in DynamoDB is. In types of its own, so that a program that only names the place needs no package of AWS. */

/** A client of `@aws-sdk/client-dynamodb`, or anything that sends its commands. */
export interface DynamoClient {
  send(command: never, options?: never): Promise<unknown>;
  destroy(): void;
}

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
