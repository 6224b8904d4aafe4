/** The ledger: the effects of all runs, newest first. The store's index gives the order, the journals of the runs give the content. */
import { invalid, RondoError } from '../../errors.ts';
import { type EffectOutcome, type EffectPlace, type EffectRow, laterCall, type EffectFilter as RowFilter } from '../../journal/effects.ts';
import { headOf } from '../../journal/head.ts';
import type { Journal } from '../../journal/port.ts';
import type { Principal } from '../../ports/principal.ts';
import { aboutHead } from '../about.ts';
import { hasAccess, reaches } from '../access.ts';
import { isUnreadable } from '../drive/history.ts';
import { isDriven } from '../drive/owner.ts';
import { checkList, LIST, type ListOptions } from '../read/list-options.ts';
import { findHead, headsOfSession, sees } from '../read/lookup.ts';
import type { Resources } from '../resources.ts';
import { type Did, didOf, type EffectRecord, effectOf } from './did.ts';

export interface EffectsOptions {
  /** Who asks: it sees the runs of its tenant and those of none. Absent: only those of none. */
  by?: Principal;
  /** The name of a tool, a durable step or a foreign agent. */
  tool?: string;
  /** Id of a run. One that is gone, or must not be seen, has no effects. */
  run?: string;
  /** The session that `by` would continue. */
  session?: string;
  /** Effects that started at this time or later, epoch milliseconds. */
  since?: number;
  /** As it is known now; `running` for those without an end. */
  outcome?: EffectRecord['outcome'];
  /** The last effect of the previous page. */
  cursor?: Pick<EffectRecord, 'runId' | 'callId' | 'at' | 'outcome'>;
  /** Most effects. Default: all. */
  limit?: number;
}

const OUTCOMES: readonly string[] = ['done', 'failed', 'not-run', 'unknown', 'running'] satisfies EffectRecord['outcome'][];
const OPTIONS: ListOptions = {
  where: 'effects()',
  examples: {
    ...LIST,
    outcome: "outcome: 'unknown'",
    cursor: 'cursor: lastOfPreviousPage',
  } satisfies Record<keyof EffectsOptions, string>,
  values: { outcome: OUTCOMES },
  places: { cursor: { runId: 'string', callId: 'string', at: 'number' } },
};
/** Rows of the index read at a time, and runs whose entries are kept while a list is read. */
const PAGE = 100;
const KEPT = 50;

/** @see Engine.effects */
export async function* listedEffects(resources: Resources, o: EffectsOptions = {}): AsyncGenerator<EffectRecord, void, undefined> {
  checkList(o, OPTIONS);
  yield* effectsOf(resources, o);
}

/** @param o `open`: only those that are dead letters. */
export async function* effectsOf(resources: Resources, o: EffectsOptions & { open?: true }): AsyncGenerator<EffectRecord, void, undefined> {
  const { cursor, outcome, limit = Number.POSITIVE_INFINITY } = o;
  const reader = new Reader(resources, o.by);
  const runs = await runsAsked(resources, o);
  let left = limit;
  const running = (o.open ? [] : await runningEffects(reader, o, runs)).filter((effect) => !cursor || isBehind(cursor, effect));
  const known = new Set(running.map(nameOf));
  const after = cursor && { run: cursor.outcome === 'running' ? '' : cursor.runId, call: cursor.callId, at: cursor.at };
  for await (const row of outcome === 'running' ? [] : rowsOf(reader, { ...o, outcome, after }, runs)) {
    for (; left > 0 && running[0] && running[0].at >= row.at; left--) yield running.shift() as EffectRecord;
    if (left <= 0) return;
    const effect = await reader.effect(row);
    // a call that runs again after it was unknown is listed as running
    if (!effect || known.has(nameOf(effect)) || (outcome !== undefined && effect.outcome !== outcome)) continue;
    if (o.open && !effect.open) continue;
    left--;
    yield effect;
  }
  for (const effect of running) if (left-- > 0) yield effect;
}

const nameOf = ({ runId, callId }: Pick<EffectRecord, 'runId' | 'callId'>) => `${callId} ${runId}`;

type Place = Pick<EffectRecord, 'runId' | 'callId' | 'at' | 'outcome'>;
/** Whether a running effect comes after a place in the list: before the ended ones of its millisecond. */
const isBehind = (place: Place, effect: EffectRecord) =>
  effect.at < place.at || (effect.at === place.at && place.outcome === 'running' && nameOf(effect) < nameOf(place));

/** The runs that are asked for; undefined for all. */
export async function runsAsked(
  { journal }: Resources,
  { run, session, by }: Pick<EffectsOptions, 'run' | 'session' | 'by'>,
): Promise<readonly string[] | undefined> {
  if (session === undefined) return run === undefined ? undefined : [run];
  const runs = (await headsOfSession(journal, session, by, {})).map(({ runId }) => runId);
  return run === undefined ? runs : runs.filter((id) => id === run);
}

/** Calls without an end, newest first: they are in no index. */
async function runningEffects(reader: Reader, o: EffectsOptions, runs: readonly string[] | undefined): Promise<EffectRecord[]> {
  const { tool, since = 0, outcome } = o;
  if (outcome !== undefined && outcome !== 'running' && outcome !== 'unknown') return [];
  const found: EffectRecord[] = [];
  for await (const { runId, tenant, doubtful } of reader.journal.heads({ status: 'running' })) {
    if ((runs && !runs.includes(runId)) || !(doubtful || sees(reader.by, tenant))) continue;
    const seen = await reader.did(runId);
    for (const [call, told] of seen?.did.effects ?? []) {
      if (told.row || told.at < since || (tool !== undefined && told.tool !== tool)) continue;
      const effect = effectOf(runId, told, 0, seen?.live === true);
      if (outcome === undefined || effect.outcome === outcome) found.push({ ...effect, callId: call });
    }
  }
  return found.sort((a, b) => b.at - a.at || (nameOf(a) < nameOf(b) ? 1 : -1));
}

/** The rows of the index, or of the entries where a store has none. */
export async function* rowsOf(
  reader: Reader,
  { tool, since, outcome, open, after }: Partial<Omit<RowFilter, 'outcome'>> & { outcome?: EffectRecord['outcome'] | undefined },
  runs?: readonly string[],
): AsyncGenerator<EffectRow, void, undefined> {
  const { journal, by } = reader;
  const wanted = {
    tenant: by?.tenant,
    tool,
    since: since && Math.ceil(since),
    outcome: outcome as EffectOutcome | undefined,
    open,
    limit: PAGE,
  };
  if (!journal.effects) return yield* (await scanned(reader, runs)).filter((row) => fits(row, wanted, after));
  if (runs) {
    const all: EffectRow[] = [];
    for (const run of runs) for await (const row of pages(journal, { ...wanted, run })) all.push(row);
    return yield* all.sort(newestFirst).filter((row) => fits(row, wanted, after));
  }
  yield* pages(journal, { ...wanted, after });
}

async function* pages(journal: Journal, filter: RowFilter): AsyncGenerator<EffectRow, void, undefined> {
  for (let { after } = filter; ; ) {
    let read = 0;
    for await (const row of journal.effects?.({ ...filter, after }) ?? []) {
      read++;
      after = row;
      yield row;
    }
    if (read < filter.limit) return;
  }
}

/** All rows, by reading the runs that the caller may see. */
async function scanned(reader: Reader, runs: readonly string[] | undefined): Promise<EffectRow[]> {
  const rows: EffectRow[] = [];
  const again = new Map<string, number>();
  for await (const { runId, tenant, doubtful } of reader.journal.heads({})) {
    if (!(doubtful || sees(reader.by, tenant))) continue;
    const did = (await reader.did(runId))?.did;
    for (const { run, call } of did?.repeated.values() ?? []) {
      const name = nameOf({ runId: run, callId: call });
      again.set(name, (again.get(name) ?? 0) + 1);
    }
    if (runs && !runs.includes(runId)) continue;
    for (const { row } of did?.effects.values() ?? []) if (row) rows.push({ ...row, run: runId, again: 0 });
  }
  for (const row of rows) row.again = again.get(nameOf({ runId: row.run, callId: row.call })) ?? 0;
  return rows.sort(newestFirst);
}

const newestFirst = (a: EffectPlace, b: EffectPlace) => b.at - a.at || (a.run < b.run ? 1 : a.run > b.run ? -1 : laterCall(a.call, b.call));

function fits(row: EffectRow, { tool, since, outcome, open }: RowFilter, after: RowFilter['after']): boolean {
  if ((tool !== undefined && row.tool !== tool) || (outcome !== undefined && row.outcome !== outcome)) return false;
  if ((since !== undefined && row.at < since) || (open && !row.open)) return false;
  // without a run: all of this time and before
  if (after?.run === '') return row.at <= after.at;
  return !after || newestFirst(after, row) < 0;
}

/** Reads runs for one caller, as far as that one may inspect them. */
export class Reader {
  readonly journal: Journal;
  readonly by: Principal | undefined;
  readonly #resources: Resources;
  readonly #read = new Map<string, { did: Did; live: boolean } | undefined>();
  readonly #allowed = new Map<string, boolean>();

  constructor(resources: Resources, by: Principal | undefined) {
    this.journal = resources.journal;
    this.by = by;
    this.#resources = resources;
  }

  /** What a run did; undefined if it is gone, cannot be read, or must not be seen. */
  async did(runId: string): Promise<{ did: Did; live: boolean } | undefined> {
    if (!this.#read.has(runId)) {
      if (this.#read.size >= KEPT) this.#read.delete(this.#read.keys().next().value as string);
      this.#read.set(runId, await this.#did(runId));
    }
    return this.#read.get(runId);
  }

  async #did(runId: string): Promise<{ did: Did; live: boolean } | undefined> {
    try {
      const did = await didOf(this.journal, runId);
      if (!did || !(await reaches(this.#resources, 'inspect', this.by, did.run))) return undefined;
      const head = did.run.status === 'running' ? await findHead(this.journal, runId) : undefined;
      return { did, live: isDriven(head, await this.#resources.host.now()) };
    } catch (error) {
      if (isUnreadable(error)) return undefined;
      throw error;
    }
  }

  async effect({ run, call, again }: EffectRow): Promise<EffectRecord | undefined> {
    const seen = await this.did(run);
    const told = seen?.did.effects.get(call);
    return told && seen && effectOf(run, told, again, seen.live);
  }

  /** Whether the caller may inspect the run of a row, without reading it. */
  async allows(runId: string): Promise<boolean> {
    if (!this.#resources.host.policy) return true;
    let allowed = this.#allowed.get(runId);
    if (allowed === undefined) {
      const head = await findHead(this.journal, runId);
      allowed = head !== undefined && (await hasAccess(this.#resources, 'inspect', this.by, aboutHead(head)));
      this.#allowed.set(runId, allowed);
    }
    return allowed;
  }
}

/** @see Engine.rebuildEffects */
export async function rebuildEffects({ journal }: Resources): Promise<{ runs: number; effects: number }> {
  if (!journal.effects) throw invalid('this journal has no effects(), so there is no index to rebuild: effects() reads the journals.');
  const rebuilt = { runs: 0, effects: 0 };
  for await (const { runId } of journal.heads({})) {
    const effects = await rebuilding(journal, runId);
    if (effects === undefined) continue;
    rebuilt.runs++;
    rebuilt.effects += effects;
  }
  return rebuilt;
}

/** Writes the rows of one run again. @returns how many it has; undefined if the run is gone. */
async function rebuilding(journal: Journal, runId: string): Promise<number | undefined> {
  for (let tries = 1; ; tries++) {
    const did = await didOf(journal, runId);
    const head = did && (await findHead(journal, runId));
    if (!did || !head) return undefined;
    const { doubtful, ...stored } = head;
    try {
      await journal.append(runId, did.run.next, [], doubtful ? headOf(did.run, undefined) : stored, {
        effects: [{ to: 'rebuilt' }, ...did.changes],
      });
      return [...did.effects.values()].filter(({ row }) => row).length;
    } catch (error) {
      // the run went on meanwhile
      if (!RondoError.is(error, 'JOURNAL_CONFLICT') || tries >= 20) throw error;
    }
  }
}
