/** Errors of JSON-RPC that are a gateway's own, as errors of a tool. */
import { ToolError } from '../../../errors.ts';
import { bounded } from '../../../reliability/classify.ts';

const DENIED = -32_002;
const LIMITED = -32_003;

/** @returns the error as it is, if it is another. */
export function explained(error: unknown, name: string): unknown {
  const { code, message, data } = ((error as { cause?: unknown } | undefined)?.cause ?? {}) as {
    code?: unknown;
    message?: unknown;
    data?: unknown;
  };
  if (!ToolError.is(error) || (code !== DENIED && code !== LIMITED)) return error;
  const text = `The gateway "${name}": ${bounded(String(message).replace(/^MCP error -?\d+: /, ''))}`;
  if (code === DENIED) return new ToolError('NOT_PERMITTED', text, { outcome: 'not-run', cause: error });
  const { retryAfter } = (data ?? {}) as { retryAfter?: unknown };
  const wait = typeof retryAfter === 'number' && retryAfter >= 0 ? { retryAfter: retryAfter * 1_000 } : {};
  return new ToolError('RATE_LIMITED', text, { outcome: 'not-run', retryable: true, ...wait, cause: error });
}
