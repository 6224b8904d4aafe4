/** One format holds all that was measured: what `--json` prints, and what is kept in bench/results.json. */
import type { Here } from '../here.ts';
import type { Outcome, Table } from '../result.ts';
import type { FoundResults } from '../tools/found.ts';
import type { Behaviour } from './behaviour.ts';

export const RESULTS_FORMAT = 1;

export interface Results {
  readonly format: typeof RESULTS_FORMAT;
  /** Of `npm run bench`, by scenario. */
  readonly scenarios?: Readonly<Record<string, ScenarioResult>>;
  /** Of `npm run bench:peers`. */
  readonly peers?: PeerResults;
  /** Of `npm run bench:behaviour`. */
  readonly behaviour?: readonly Behaviour[];
  /** Of `npm run bench:tools`. */
  readonly found?: FoundResults;
}

export interface ScenarioResult extends Outcome {
  /** Of the benchmark that this scenario was a part of. */
  readonly machine: Here;
  readonly seconds: number;
}

export interface PeerResults {
  readonly machine: Here;
  /** By framework: versions, and settings on disk; or why it is missing. */
  readonly about: Readonly<Record<string, string>>;
  readonly tables: readonly Table[];
}

/** What was measured now in the place of what was measured before; a scenario, or a framework, that was not run stays as it was. */
export function merged(before: Results, now: Results): Results {
  const scenarios = { ...before.scenarios, ...now.scenarios };
  const peers = now.peers ?? before.peers;
  const found = now.found ?? before.found;
  const others = (before.behaviour ?? []).filter(({ name }) => !now.behaviour?.some((one) => one.name === name));
  const behaviour = [...(now.behaviour ?? []), ...others];
  return {
    format: RESULTS_FORMAT,
    ...(Object.keys(scenarios).length > 0 && { scenarios }),
    ...(peers && { peers }),
    ...(behaviour.length > 0 && { behaviour }),
    ...(found && { found }),
  };
}
