import { json } from '../../../server/answer.ts';

/** The answer of an HTTP request that is refused as one of JSON-RPC. */
export function rpcAnswer(status: number, body: unknown, code: number, message: string): Response {
  const { id = null } = (typeof body === 'object' && body !== null ? body : {}) as { id?: unknown };
  return json(status, { jsonrpc: '2.0', id: typeof id === 'string' || typeof id === 'number' ? id : null, error: { code, message } });
}
