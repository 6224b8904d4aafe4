import { vi } from 'vitest';

/** Waits until a check does not throw. Only a hang ends it: vitest would give up after a second, which a busy machine takes. */
export const eventually = <T>(check: () => T | Promise<T>): Promise<T> => vi.waitFor(check, { timeout: 240_000, interval: 20 });
