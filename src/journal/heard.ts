/**
 * Calls a listener of the application, which must not end what calls it, nor the process.
 * @param failed gets what it throws, or what its promise is rejected with. Default: that is ignored.
 */
export function heard<A extends readonly unknown[]>(
  listener: ((...told: A) => unknown) | undefined,
  told: A,
  failed: (error: unknown) => void = () => undefined,
): void {
  try {
    const answer = listener?.(...told);
    if (answer instanceof Promise) answer.catch(failed);
  } catch (error) {
    failed(error);
  }
}
