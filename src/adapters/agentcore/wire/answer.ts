/** One request of an AWS client: from its bytes to those of the answer. It knows no operation but by the model. */
import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { bearerToken } from '../../../server/auth.ts';
import { isSigned } from '../../../server/sigv4-check.ts';
import type { Call, Caller, Operations, World } from './call.ts';
import { decode } from './codec/decode.ts';
import { encode } from './codec/encode.ts';
import { AwsError, because, declaredError, type Encoded, encodeError } from './codec/error.ts';
import { type Matched, match } from './codec/match.ts';
import { type FaultKind, type Faults, faultText, RATES } from './faults.ts';
import type { CallLog, CallRecord } from './log.ts';
import type { Operation } from './model/model.ts';
import { type Keys, type Signed, verified } from './sigv4.ts';

export interface Received {
  readonly method: string;
  /** As it was sent, without its query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly body: Uint8Array;
  readonly signal: AbortSignal;
}

export interface Answering extends World {
  readonly keys: readonly Keys[];
  readonly operations: Operations;
  readonly faults: Faults;
  readonly log: CallLog;
  /** Told of an error that an operation did not mean to answer. */
  tell(error: unknown): void;
}

/** The answer was made, and the connection breaks before the client gets it, or after its first chunk. */
export interface Broken {
  readonly breaks: 'before' | 'in-stream';
}

/** Operations of a runtime may be called with a token of its own authorizer instead of a signature. They check it. */
const BEARER: ReadonlySet<string> = new Set(['InvokeAgentRuntime', 'InvokeAgentRuntimeCommand', 'StopRuntimeSession', 'GetAgentCard']);

export async function answer(of: Answering, received: Received): Promise<Encoded & Partial<Broken>> {
  const id = randomUUID();
  const started = of.clock.now();
  const matched = match(received.method, received.path);
  const operation = matched?.operation;
  let caller: Caller | undefined;
  let result: Encoded & Partial<Broken>;
  let failed: unknown;
  try {
    caller = callerOf(of, received);
    checkCaller(caller, matched);
    if (!matched) throw new AwsError('UnknownOperationException', `There is no operation ${received.method} ${received.path}.`);
    result = await executed(of, received, matched, { caller, id, headers: received.headers, signal: received.signal });
  } catch (error) {
    failed = error;
    if (!(error instanceof AwsError)) of.tell(error);
    result = encodeError(error, operation);
  }
  of.log.add({
    ...recordOf(received, id, started, result.status, failed, operation),
    ms: of.clock.now() - started,
    ...(caller && { caller: caller.kind === 'aws' ? caller.arn : caller.kind }),
  });
  const { body } = result;
  const told = typeof body === 'string' || body instanceof Uint8Array ? body : followed(body, of.log, id);
  return { ...result, headers: { ...result.headers, 'x-amzn-requestid': id }, body: told };
}

/** An answer that breaks off has its status already: the record says why. */
async function* followed(body: AsyncIterable<Uint8Array>, log: CallLog, id: string): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (error) {
    if (error instanceof AwsError) log.amend(id, { error: error.name, rule: error.because ?? error.message });
    throw error;
  }
}

/** What the log says of a request. @param error undefined if it was not refused. */
export function recordOf(
  { method = '', path }: { method?: string | undefined; path: string },
  id: string,
  at: number,
  status: number,
  error: unknown,
  operation?: Operation,
): CallRecord {
  const record: CallRecord = { id, at, method, path, status, ms: 0, ...(operation && { operation: operation.name }) };
  if (error === undefined) return record;
  const { name, message, because } = declaredError(error, operation);
  return { ...record, error: name, rule: because ?? (error instanceof AwsError ? message : String(error)) };
}

/** The token of a request, whatever it is worth. */
export const tokenOf = ({ authorization }: Signed['headers']): string | undefined => bearerToken([authorization].flat()[0]);

/**
 * The key or the token of a request, or neither. It reads both by what `sigV4()` and `bearer()` of `server` read them by; those answer a principal or nothing, and
 * this the error of AWS, by the clock, the region and the account of this server.
 * @throws AwsError for a signature that does not hold.
 */
export function callerOf(of: Pick<Answering, 'keys' | 'clock' | 'region' | 'account'>, signed: Signed): Caller {
  const token = tokenOf(signed.headers);
  if (token !== undefined) return { kind: 'bearer', token };
  if (!isSigned(signed)) return { kind: 'none' };
  const { keys, region } = verified(signed, of.keys, of.clock.now());
  if (region !== of.region)
    throw new AwsError('InvalidSignatureException', `Credential should be scoped to a valid region: '${of.region}'.`);
  const account = keys.account ?? of.account;
  const arn = `arn:aws:iam::${account}:user/${keys.accessKeyId}`;
  // no resource policy is executed that would let it
  if (account !== of.account)
    throw because(
      new AwsError('AccessDeniedException', `User: ${arn} is not authorized to perform this operation.`),
      `The key is of the account ${account}, and the resources are of ${of.account}.`,
    );
  return { kind: 'aws', account, accessKeyId: keys.accessKeyId, arn };
}

/** @throws AwsError for a caller that the operation does not take. */
function checkCaller(caller: Caller, matched: Matched | undefined): void {
  if (caller.kind === 'aws' || (matched && BEARER.has(matched.operation.name))) return;
  throw new AwsError('MissingAuthenticationTokenException', 'Missing Authentication Token');
}

async function executed(of: Answering, received: Received, { operation, labels }: Matched, call: Call): Promise<Encoded & Partial<Broken>> {
  const { name } = operation;
  const { [name]: execute } = of.operations;
  if (!execute) throw new AwsError('NotImplementedException', `${name} is an operation that this server knows and does not execute.`);
  const fault = (kind: FaultKind) => of.faults.happens(kind, name);
  const injected = (kind: FaultKind, error: AwsError): void => {
    const found = fault(kind);
    if (found) throw because(error, `The fault ${faultText(found)} was injected.`);
  };
  injected('throttle', new AwsError('ThrottlingException', 'Rate exceeded'));
  injected('error', new AwsError('InternalServerException', 'An injected fault, before the effect.'));
  const rate = RATES[name];
  // that of a runtime is for each of them
  if (rate !== undefined) of.throttle?.take([name, labels.agentRuntimeArn].filter(Boolean).join(' of '), rate);
  const input = decode(operation, { labels, query: received.query, headers: received.headers, body: received.body });
  const encoded = encode(operation, await execute(input as never, call), of.tell);
  injected('error-after', new AwsError('InternalServerException', 'An injected fault, after the effect.'));
  if (fault('reset')) return { ...encoded, breaks: 'before' };
  if (fault('reset-stream')) return { ...encoded, breaks: 'in-stream' };
  return encoded;
}
