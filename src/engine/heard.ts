/** Calls a listener of the application. What it throws, or what its promise is rejected with, would end a loop or the process: it is ignored. */
export function heard<A extends readonly unknown[]>(listener: ((...told: A) => unknown) | undefined, ...told: A): void {
  try {
    const answer = listener?.(...told);
    if (answer instanceof Promise) answer.catch(() => undefined);
  } catch {
    // ignored, as it says
  }
}
