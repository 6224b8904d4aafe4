/** What a run of a tree left behind, in its journal and outside. */
import { Engine, type Entry, type RunState } from '../../../src/index.ts';
import { ANA } from '../job.ts';
import { told } from '../ledger.ts';
import { journalIn } from '../store.ts';
import { type Deed, deeds, type Outside, type Seen, seen } from './deeds.ts';
import { desk } from './desk.ts';
import { mill } from './mill.ts';
import { PRICES } from './parts.ts';
import { type Record, recordOf } from './record.ts';

export interface TreeOutcome {
  state: RunState;
  output: unknown;
  entries: readonly Entry[];
  record: Record;
  deeds: readonly Deed[];
  seen: readonly Seen[];
  /** Sequence numbers of the events that the processes told their listeners. */
  told: readonly number[];
}

const nothing: Outside = { point: () => undefined, began: () => undefined, acts: () => undefined };

export async function outcomeOf(dir: string, run: string): Promise<TreeOutcome> {
  const journal = await journalIn(dir);
  const engine = new Engine({ journal, agents: [desk(nothing), mill(nothing)], prices: PRICES });
  try {
    const state = await engine.inspect(run, { by: ANA });
    const entries: Entry[] = [];
    for await (const entry of journal.read(run)) entries.push(entry);
    const end = entries.at(-1);
    return {
      state,
      output: end?.type === 'run.settled' ? end.output : undefined,
      entries,
      record: recordOf(entries),
      deeds: deeds(dir)
        .all()
        .filter((deed) => deed.run === run),
      seen: seen(dir)
        .all()
        .filter((one) => one.run === run),
      told: told(dir)
        .all()
        .filter((event) => event.run === run)
        .map(({ seq }) => seq),
    };
  } finally {
    await engine.close();
  }
}
