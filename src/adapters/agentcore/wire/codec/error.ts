/** The errors of AgentCore as they are on the wire. */
import { model, type Operation } from '../model/model.ts';

/** Why a request is not valid. */
export type Reason =
  | 'CannotParse'
  | 'FieldValidationFailed'
  | 'IdempotentParameterMismatchException'
  | 'EventInOtherSession'
  | 'ResourceConflict';
export interface Field {
  readonly name: string;
  readonly message: string;
}

/** An error that an operation answers. `name` is that of the model, such as `ResourceNotFoundException`. */
export class AwsError extends Error {
  override readonly name: string;
  /** Other members of its shape. */
  readonly more: Readonly<Record<string, unknown>>;
  /** Headers of the response. */
  readonly headers: Readonly<Record<string, string>>;
  /** Why, for the log: more than a client is told. */
  because: string | undefined;

  constructor(name: string, message: string, more: Readonly<Record<string, unknown>> = {}, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.name = name;
    this.more = more;
    this.headers = headers;
  }
}

/** Tells the log why. */
export function because(error: AwsError, why: string): AwsError {
  error.because = why;
  return error;
}

/** @param fields what is wrong, by the path of each member. @param message default: all that is wrong, in the words of AWS. */
export function invalidInput(fields: readonly Field[], reason: Reason = 'FieldValidationFailed', message = listed(fields)): AwsError {
  return new AwsError('ValidationException', message, { reason, fieldList: fields });
}

function listed(fields: readonly Field[]): string {
  const told = fields.map(({ name, message }) => `Value at '${name}' failed to satisfy constraint: ${message}`).join('; ');
  return `${fields.length} validation error${fields.length === 1 ? '' : 's'} detected: ${told}`;
}

/** A request that is well-formed and cannot be met. */
export const refused = (message: string, reason: Reason = 'FieldValidationFailed'): AwsError =>
  new AwsError('ValidationException', message, { reason });

export const unreadable = (message: string): AwsError =>
  new AwsError('ValidationException', message, { reason: 'CannotParse' satisfies Reason });

/** What memory calls other than the rest does. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  InternalServerException: 'ServiceException',
  ThrottlingException: 'ThrottledException',
};
/** Those that no operation declares. */
const UNDECLARED: Readonly<Record<string, number>> = {
  UnknownOperationException: 404,
  NotImplementedException: 501,
  InvalidSignatureException: 403,
  IncompleteSignatureException: 403,
  MissingAuthenticationTokenException: 403,
  UnrecognizedClientException: 403,
  ExpiredTokenException: 403,
  RequestTimeoutException: 408,
  RequestEntityTooLargeException: 413,
};

export interface Encoded {
  readonly status: number;
  /** A list is a header that is sent as often. */
  readonly headers: Readonly<Record<string, string | string[]>>;
  readonly body: Uint8Array | string | AsyncIterable<Uint8Array>;
}

/** An error by the name that this operation gives it. What is not an `AwsError` is a fault of the server, and its message stays here. */
export function declaredError(error: unknown, operation: Operation | undefined): AwsError {
  const known = error instanceof AwsError ? error : new AwsError('InternalServerException', 'The server failed.');
  const other = OTHER_NAMES[known.name];
  if (!other || !operation || operation.errors.includes(known.name) || !operation.errors.includes(other)) return known;
  const renamed = new AwsError(other, known.message, known.more, known.headers);
  return known.because === undefined ? renamed : because(renamed, known.because);
}

/** The response for an error. @param operation undefined for a request that matches none. */
export function encodeError(
  error: unknown,
  operation: Operation | undefined,
): Encoded & { readonly headers: Readonly<Record<string, string>>; readonly body: string } {
  const { name, message, more, headers } = declaredError(error, operation);
  const plane = operation?.plane ?? 'data';
  const status = model().errors[plane][name]?.status ?? UNDECLARED[name] ?? 500;
  return {
    status,
    headers: { 'content-type': 'application/json', 'x-amzn-errortype': name, ...headers },
    body: JSON.stringify({ message, ...more }),
  };
}
