type Loose = Record<string, unknown> | null | undefined;

/**
 * Milliseconds that a response asks to wait: `Retry-After` (seconds or a date), `retry-after-ms`, `x-amz-retry-after` (ms),
 * or the `retryAfterSeconds` of an AWS exception. Throws if a getter of the error does.
 */
export function askedWait(error: object): number | undefined {
  const e = error as { retryAfterSeconds?: unknown; headers?: unknown; response?: Loose; $response?: Loose };
  const seconds = toNumber(e.retryAfterSeconds);
  if (seconds !== undefined) return seconds * 1_000;
  for (const headers of [e.headers, e.response?.headers, e.$response?.headers]) {
    if (typeof headers !== 'object' || headers === null) continue;
    const ms = toNumber(header(headers, 'retry-after-ms')) ?? toNumber(header(headers, 'x-amz-retry-after'));
    if (ms !== undefined) return ms;
    const wait = parse(header(headers, 'retry-after'));
    if (wait !== undefined) return wait;
  }
  return undefined;
}

function parse(value: unknown): number | undefined {
  const seconds = toNumber(value);
  if (seconds !== undefined) return seconds * 1_000;
  // only a date that starts with a weekday: Date.parse would read a bare number as a year
  const date = typeof value === 'string' && /^[A-Z][a-z]{2}/.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}

function toNumber(value: unknown): number | undefined {
  const n = typeof value === 'number' ? value : typeof value === 'string' && /^\s*\d+(\.\d+)?\s*$/.test(value) ? Number(value) : Number.NaN;
  return Number.isFinite(n) && n >= 0 ? n : undefined;
}

function header(headers: object, name: string): unknown {
  if (typeof (headers as Headers).get === 'function') return (headers as Headers).get(name) ?? undefined;
  for (const [key, value] of Object.entries(headers)) if (key.toLowerCase() === name) return Array.isArray(value) ? value[0] : value;
  return undefined;
}
