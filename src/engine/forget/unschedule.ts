/** Ends the schedules that start runs on behalf of a principal: they hold what it asked, and would go on in its name. */
import { isSamePrincipal, type Principal } from '../../ports/principal.ts';
import type { Resources } from '../resources.ts';
import { type Kept, ScheduleStore } from '../work/schedule-store.ts';

export async function schedulesOf({ journal, host }: Resources, by: Principal): Promise<readonly Kept[]> {
  if (!journal.records) return [];
  const all = await new ScheduleStore(journal.records).list(await host.now());
  return all.filter(({ state }) => isSamePrincipal(state.by, by));
}

/** @returns how many there were. */
export async function endSchedules(resources: Resources, by: Principal): Promise<number> {
  const { journal, host } = resources;
  let ended = 0;
  for (;;) {
    const left = await schedulesOf(resources, by);
    if (!journal.records || left.length === 0) return ended;
    const store = new ScheduleStore(journal.records);
    // one that was served meanwhile is looked at again
    for (const kept of left) if (await store.remove(kept, await host.now())) ended++;
  }
}
