import { invalid } from '../../errors.ts';
import type { Entry } from '../../journal/entries/entries.ts';
import { damaged } from '../../journal/errors.ts';
import type { Journal } from '../../journal/port.ts';
import { copyJson } from '../../json.ts';
import type { Principal } from '../../ports/principal.ts';
import { aboutStart } from '../about.ts';
import { assertAccess } from '../access.ts';
import { checkCall } from '../method-options.ts';
import type { Resources } from '../resources.ts';
import { notFound, sees } from './lookup.ts';

export interface EntriesOptions {
  /** Who asks. A run of another tenant is `RUN_NOT_FOUND`. */
  by?: Principal;
  /** The sequence number of the last entry seen. Default -1: all of them. */
  after?: number;
}

/** The raw entries of a run. They are not folded, so a run whose entries contradict each other can be read too. */
export async function* entriesOf(resources: Resources, runId: string, o: EntriesOptions): AsyncGenerator<Entry, void, undefined> {
  checkCall('entries', o);
  const { by, after = -1 } = o;
  if (!Number.isInteger(after) || after < -1) throw invalid(`entries(): after is ${after}; it is the seq of the last entry seen, or -1.`);
  await resources.active.get(runId)?.opened;
  const { journal } = resources;
  const first = await firstOf(journal, runId);
  if (!first) throw notFound(runId);
  if (first.type !== 'run.started') throw damaged(runId, first.seq, 'it does not begin with its start');
  if (!sees(by, first.by?.tenant)) throw notFound(runId);
  await assertAccess(resources, 'inspect', by, aboutStart(runId, first));
  let next = after + 1;
  for await (const entry of journal.read(runId, after)) {
    if (entry.seq !== next) throw damaged(runId, next, 'it is missing');
    next++;
    yield copyJson(entry);
  }
}

async function firstOf(journal: Journal, runId: string): Promise<Entry | undefined> {
  for await (const entry of journal.read(runId)) return entry;
  return undefined;
}
