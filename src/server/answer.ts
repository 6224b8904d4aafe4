import { HttpError, problemOf } from './errors.ts';

/** A JSON response that must not be cached. */
export function json(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Response {
  // as a text, which Node sends together with the headers
  const text = JSON.stringify(body);
  return new Response(text, {
    status,
    headers: {
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(text)),
      'cache-control': 'no-store',
      ...headers,
    },
  });
}

/** The response `{ error: { code, message, details? } }` with the status of the error. `tell` gets errors whose details are withheld. */
export function errorAnswer(error: unknown, tell: (error: unknown) => void): Response {
  const { status, problem } = problemOf(error, tell);
  return json(status, { error: problem }, error instanceof HttpError ? error.headers : {});
}
