import { HttpError, problemOf } from './errors.ts';

/** An answer of JSON that no cache keeps. */
export function json(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Response {
  const bytes = new TextEncoder().encode(JSON.stringify(body));
  return new Response(bytes, {
    status,
    headers: { 'content-type': 'application/json', 'content-length': String(bytes.length), 'cache-control': 'no-store', ...headers },
  });
}

/** `{ error: { code, message, details? } }` with the status of the error. `tell` gets what the caller is not told. */
export function errorAnswer(error: unknown, tell: (error: unknown) => void): Response {
  const { status, problem } = problemOf(error, tell);
  return json(status, { error: problem }, error instanceof HttpError ? error.headers : {});
}
