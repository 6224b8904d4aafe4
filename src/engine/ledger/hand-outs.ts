/** The list of the credentials that were handed out. There is no index of them: the journals of the runs are read. */
import type { Principal } from '../../ports/principal.ts';
import { checkList, LIST, type ListOptions } from '../read/list-options.ts';
import { sees } from '../read/lookup.ts';
import type { Resources } from '../resources.ts';
import { Reader, runsAsked } from './effects.ts';
import type { HandOutRecord } from './handed.ts';

export interface HandOutsOptions {
  /** Who asks: it sees the runs of its tenant and those of none. Absent: only those of none. */
  by?: Principal;
  run?: string;
  /** The session that `by` would continue. */
  session?: string;
  tool?: string;
  /** As the tool names it. */
  provider?: string;
  /** Those at this time or later, epoch milliseconds. */
  since?: number;
  /** Most of them. Default: all. */
  limit?: number;
}

const OPTIONS: ListOptions = {
  where: 'handOuts()',
  examples: { ...LIST, provider: "provider: 'github'" } satisfies Record<keyof HandOutsOptions, string>,
};

/** @see Engine.handOuts */
export async function handOuts(resources: Resources, o: HandOutsOptions = {}): Promise<readonly HandOutRecord[]> {
  checkList(o, OPTIONS);
  const { tool, provider, since = 0, limit } = o;
  const reader = new Reader(resources, o.by);
  const found: HandOutRecord[] = [];
  for (const runId of (await runsAsked(resources, o)) ?? (await visibleRuns(reader)))
    for (const one of (await reader.did(runId))?.did.handOuts ?? [])
      if (one.credential.at >= since && fits(one.tool, tool) && fits(one.credential.provider, provider)) found.push(one);
  return found.sort((a, b) => b.credential.at - a.credential.at).slice(0, limit);
}

const fits = (value: string, wanted: string | undefined) => wanted === undefined || wanted === value;

async function visibleRuns({ journal, by }: Reader): Promise<readonly string[]> {
  const runs: string[] = [];
  for await (const { runId, tenant, doubtful } of journal.heads({})) if (doubtful || sees(by, tenant)) runs.push(runId);
  return runs;
}
