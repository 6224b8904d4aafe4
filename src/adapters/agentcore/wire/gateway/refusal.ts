/** Requests to a gateway that are refused, as errors of JSON-RPC. */
import { overLimit } from '../../../../json-text.ts';
import { messageOf } from '../../../../reliability/classify.ts';
import { AwsError, type Encoded, encodeError } from '../codec/error.ts';
import { INTERNAL } from './interceptors.ts';
import { isRpc, type Rpc } from './rpc.ts';

/** Codes of JSON-RPC. */
const CODES: Readonly<Record<string, number>> = {
  UnauthorizedException: -32_001,
  ResourceNotFoundException: -32_001,
  AccessDeniedException: -32_002,
};
const PARSE = -32_700;
export const INVALID = -32_600;
export const LIMITED = -32_003;

/** A request that MCP refuses. */
export class Refusal extends Error {
  readonly status: number;
  readonly code: number;
  /** For the log: more than the client is told. */
  readonly because: string | undefined;
  readonly data: object | undefined;
  constructor(status: number, code: number, message: string, because?: string, data?: object) {
    super(message);
    this.status = status;
    this.code = code;
    this.because = because;
    this.data = data;
  }
}

export const json = (status: number, body: object) => ({
  status,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
});

/** The message in a body. */
export function rpcIn(body: Uint8Array): Rpc | Refusal {
  const text = Buffer.from(body).toString('utf8');
  // what is behind this writes it again, which a deep one would end
  const over = overLimit(text);
  if (over !== undefined) return new Refusal(400, INVALID, `The body has too many ${over === 'depth' ? 'levels' : 'values'}`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return new Refusal(400, PARSE, 'Parse error: the body is not JSON');
  }
  return isRpc(value) ? value : new Refusal(400, INVALID, 'The body is not a message of JSON-RPC 2.0');
}

export function refusalOf(error: unknown, id: string | number | undefined): Encoded {
  const told = (status: number, code: number, message: string, headers: Readonly<Record<string, string>> = {}, data?: object) => {
    const encoded = json(status, { jsonrpc: '2.0', id: id ?? null, error: { code, message, ...(data && { data }) } });
    return { ...encoded, headers: { ...encoded.headers, ...headers } };
  };
  if (error instanceof Refusal) return told(error.status, error.code, error.message, {}, error.data);
  if (!(error instanceof AwsError)) return told(500, INTERNAL, 'The server failed.');
  const { status, headers } = encodeError(error, undefined);
  return told(status, CODES[error.name] ?? INTERNAL, error.message, { ...headers, 'content-type': 'application/json' });
}

/** What the log calls it. */
export const nameOf = (error: unknown) =>
  error === undefined ? 'TargetFailed' : error instanceof Refusal ? 'InvalidRequest' : error instanceof Error ? error.name : 'Error';
/** Why, for the log. */
export const whyOf = (error: unknown) => ((error instanceof AwsError || error instanceof Refusal) && error.because) || messageOf(error);
