/**
 * Whether a value is a promise, where user code must answer at once. From then on its rejection is handled: one that nothing handles ends
 * the process.
 */
export function isUnawaited(value: unknown): value is Promise<unknown> {
  if (!(value instanceof Promise)) return false;
  value.catch(() => undefined);
  return true;
}
