import { HttpError, problemOf } from './errors.ts';

/** The text of a JSON response that must not be cached, and its headers. */
export function jsonParts(
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): { text: string; headers: Record<string, string> } {
  const text = JSON.stringify(body);
  return {
    text,
    headers: {
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(text)),
      'cache-control': 'no-store',
      ...headers,
    },
  };
}

/** A JSON response that must not be cached. */
export function json(status: number, body: unknown, headers?: Readonly<Record<string, string>>): Response {
  const parts = jsonParts(body, headers);
  // as a text, which Node sends together with the headers
  return new Response(parts.text, { status, headers: parts.headers });
}

/** The response `{ error: { code, message, details? } }` with the status of the error. `tell` gets errors whose details are withheld. */
export function errorAnswer(error: unknown, tell: (error: unknown) => void): Response {
  const { status, problem } = problemOf(error, tell);
  return json(status, { error: problem }, error instanceof HttpError ? error.headers : {});
}
