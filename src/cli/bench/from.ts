/** `rondo bench --from runs.db`: what only that needs. */
import { existsSync } from 'node:fs';
import { sqliteJournal } from '../../adapters/journal/sqlite.ts';
import { type Benchmark, fromJournal } from '../../bench/index.ts';
import { RondoError } from '../../errors.ts';
import type { Model } from '../../ports/model.ts';
import { Unusable } from '../io.ts';

/**
 * A benchmark whose scenarios are the runs of a journal. Each is run once, if the benchmark does not say otherwise.
 * @throws Unusable, RondoError.
 */
export async function recordedBenchmark(path: string, declared: Benchmark, o: { limit?: number; tenant?: string }): Promise<Benchmark> {
  // the store would make the file
  if (!existsSync(path)) throw new Unusable(`There is no journal ${path}.`);
  const journal = sqliteJournal(path);
  try {
    const { limit, tenant } = o;
    const by = tenant === undefined ? {} : { by: { id: 'rondo bench', tenant } };
    const scenarios = await fromJournal(journal, { agent: nameOf(declared), ...(limit !== undefined && { limit }), ...by });
    return { runs: 1, warmUp: 0, ...declared, scenarios };
  } catch (error) {
    if (!RondoError.is(error, 'CONFIG_INVALID') || (error.details as { runs?: unknown } | null)?.runs !== 0) throw error;
    const whose = o.tenant === undefined ? 'without a tenant. Runs of a tenant need --tenant <name>' : `of the tenant "${o.tenant}"`;
    throw new Unusable(`${path} has no completed run of agent "${nameOf(declared)}" ${whose}.`, { cause: error });
  } finally {
    await journal.close?.();
  }
}

/** The name of the agent whose runs are meant. */
function nameOf({ agent, model, variants }: Benchmark): string {
  const first = Object.values(variants ?? {})[0];
  const made = first?.agent ?? agent;
  const asked = first?.model ?? model;
  if (!made) throw new Unusable('The benchmark has no agent, so it is not known whose runs are meant.');
  if (typeof made !== 'function') return made.name;
  if (!asked)
    throw new Unusable('The benchmark makes its agent from a model, and has none. The models of its scenarios are not used with --from.');
  return made(typeof asked === 'function' ? asked() : (asked as Model)).name;
}
