/** The JSON-RPC 2.0 envelope of a request, checked before its content is read. */

interface Envelope {
  readonly [key: string]: unknown;
  readonly jsonrpc: '2.0';
  readonly method: string;
}

/** An invalid JSON-RPC request, with the response to send. */
export class EnvelopeError extends Error {
  readonly answer: object;
  constructor(id: unknown, code: -32_600 | -32_602, message: string) {
    super(message);
    this.answer = { jsonrpc: '2.0', id, error: { code, message } };
  }
}

/** @throws EnvelopeError -32600 for an invalid request, -32602 for parameters that are not an object. */
export function envelope(body: unknown): Envelope {
  if (Array.isArray(body)) throw new EnvelopeError(null, -32_600, 'A2A takes one request at a time, not a batch.');
  if (typeof body !== 'object' || body === null) throw new EnvelopeError(null, -32_600, 'A request is a JSON object.');
  const { jsonrpc, id = null, method, params } = body as { readonly [key: string]: unknown };
  if (id !== null && typeof id !== 'string' && !Number.isSafeInteger(id))
    throw new EnvelopeError(null, -32_600, 'id is a text or a whole number.');
  if (jsonrpc !== '2.0') throw new EnvelopeError(id, -32_600, 'jsonrpc is "2.0".');
  if (typeof method !== 'string' || method === '') throw new EnvelopeError(id, -32_600, 'method is the name of an operation.');
  if (params !== undefined && (typeof params !== 'object' || params === null || Array.isArray(params)))
    throw new EnvelopeError(id, -32_602, 'params is an object.');
  return body as Envelope;
}
