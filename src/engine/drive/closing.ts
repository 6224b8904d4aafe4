import type { Resources } from '../resources.ts';
import { endOf, release } from './lease.ts';

/**
 * Stops driving all runs and releases their leases, so that another process can continue at once.
 * @param grace milliseconds for running calls to end, and then again for those that ignore their signal.
 */
export async function giveBack(resources: Resources, grace: number): Promise<void> {
  const running = [...resources.active.values()];
  for (const live of running) live.draining = true;
  await ended(running, grace);
  for (const live of running) live.stop({ why: 'close' });
  // runs are released even if user code does not end
  await ended(running, grace);
  for (const live of resources.active.values()) if (live.leased) await release(resources, live.runId, endOf(live));
}

/** Waits until all are done, at most `longest` milliseconds. */
export async function ended(running: readonly { readonly done: Promise<unknown> | undefined }[], longest: number): Promise<void> {
  if (running.length === 0) return;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, longest);
  });
  await Promise.race([Promise.allSettled(running.map(({ done }) => done)), late]);
  clearTimeout(timer);
}
