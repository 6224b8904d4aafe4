import { invalid, RondoError } from '../../../errors.ts';
import type { Row } from './client.ts';

/** An error of the AWS SDK, or of the network. */
interface AwsError extends Error {
  code?: string;
  $metadata?: { httpStatusCode?: number };
  CancellationReasons?: { Code?: string; Item?: unknown }[];
}

const THROTTLED = /^(ProvisionedThroughputExceeded|Throttling|RequestLimitExceeded|LimitExceeded|ThrottlingError)/;
const NETWORK = /^(ECONN|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|ERR_SOCKET|UND_ERR)/;
const PASSING =
  /^(TransactionConflict|TransactionInProgress|InternalServerError|InternalFailure|ServiceUnavailable|TimeoutError|RequestTimeout)/;
const DENIED =
  /^(AccessDenied|UnrecognizedClient|InvalidSignature|InvalidClientTokenId|ExpiredToken|MissingAuthenticationToken|CredentialsProviderError|TokenProviderError|IncompleteSignature)/;

/** A condition did not hold, and nothing was written. `found`: for each operation whose condition failed, its item as it is; null for none. */
export class Refused extends Error {
  readonly found: ReadonlyMap<number, Row | null>;
  constructor(found: ReadonlyMap<number, Row | null>) {
    super('a condition did not hold');
    this.found = found;
  }
}

/** Why a transaction was cancelled, for each operation; none for another error. */
export const reasonsOf = (error: unknown): { Code?: string; Item?: unknown }[] =>
  (error instanceof Error && error.name === 'TransactionCanceledException' && (error as AwsError).CancellationReasons) || [];

/** The names by which an error says what it is: its own, those of the reasons of a transaction, and the network's. */
function namesOf(error: unknown): string[] {
  if (!(error instanceof Error)) return [];
  const { name, code } = error as AwsError;
  const reasons = reasonsOf(error).flatMap(({ Code }) => (Code === undefined || Code === 'None' ? [] : [Code]));
  const inner = error instanceof AggregateError ? error.errors.flatMap(namesOf) : [];
  return [...(reasons.length > 0 ? reasons : [name]), ...(typeof code === 'string' ? [code] : []), ...inner];
}

const says = (error: unknown, what: RegExp) => namesOf(error).some((name) => what.test(name));
const isThrottled = (error: unknown) => says(error, THROTTLED);

/** Whether the same request may succeed soon. It may have been carried out, so twice must be as good as once. */
export const isPassing = (error: unknown): boolean =>
  isThrottled(error) || says(error, PASSING) || says(error, NETWORK) || ((error as AwsError)?.$metadata?.httpStatusCode ?? 0) >= 500;

/** Converts an error of the SDK to a RondoError that says what to do next. */
export function explain(error: unknown, table: string): Error {
  if (RondoError.is(error) || error instanceof Refused) return error;
  const names = namesOf(error);
  const [name = ''] = names;
  const said = error instanceof Error ? error.message || name : String(error);
  const details = { code: name, table };
  const unavailable = (what: string) => new RondoError('JOURNAL_UNAVAILABLE', what, { cause: error, details });
  if (isThrottled(error))
    return unavailable(`DynamoDB throttles table "${table}" (${said}). Raise its capacity, or use on-demand mode, and resume the runs.`);
  if (says(error, /^TransactionConflict/))
    return unavailable(`Others wrote to the same items of table "${table}" for too long. Try again.`);
  if (isPassing(error))
    return unavailable(`DynamoDB cannot be reached (${said}). What was not acknowledged may be missing; resume the runs later.`);
  if (/^ResourceNotFound/.test(name))
    return invalid(
      `There is no table "${table}" with the indexes that dynamodbJournal() needs. Make it: createDynamodbTable() of rondo/journal/dynamodb.`,
      {
        cause: error,
      },
    );
  if (says(error, DENIED))
    return invalid(
      `dynamodbJournal() may not use table "${table}": ${said}. It needs GetItem, BatchGetItem, Query, PutItem, DeleteItem and BatchWriteItem on the table, and Query on its indexes.`,
      {
        cause: error,
      },
    );
  if (says(error, /^(ValidationException|ValidationError|ItemSizeTooLarge|SerializationException)/))
    return invalid(
      `DynamoDB refuses a request to table "${table}" (${said}). Nothing was written: an id or a name may be too long, or an entry too large.`,
      {
        cause: error,
      },
    );
  return unavailable(`The journal in DynamoDB could not be used: ${said}.`);
}
