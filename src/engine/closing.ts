import { release } from './lease.ts';
import type { Resources } from './resources.ts';

/**
 * Stops driving every run and gives its lease back, so that another process can go on at once.
 * @param grace milliseconds that calls under way may take, and then again what does not listen.
 */
export async function giveBack(resources: Resources, grace: number): Promise<void> {
  const running = [...resources.active.values()];
  for (const active of running) active.drain();
  await ended(running, grace);
  for (const active of running) active.halt({ why: 'close' });
  // user code that does not end is left behind; its run is given back all the same
  await ended(running, grace);
  for (const { runId, leased } of resources.active.values()) if (leased) await release(resources, runId);
}

/** Waits until all of this is done, `longest` milliseconds at most. */
export async function ended(running: readonly { readonly done: Promise<unknown> | undefined }[], longest: number): Promise<void> {
  if (running.length === 0) return;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, longest);
  });
  await Promise.race([Promise.allSettled(running.map(({ done }) => done)), late]);
  clearTimeout(timer);
}
