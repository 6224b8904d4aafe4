import { type Decide, parse, UsageError } from '../kit/usage.ts';
import { FAULTS, type Faults } from './tickets/faults.ts';

export const TASK =
  'Find the top three open support tickets, check each against the known issues, draft replies, and mail them to the support team.';

export const USAGE = `npm start                               run the job
npm start -- --faults none              without the faults of the ticket service
npm start -- --task "..."               another task (needs a model: RONDO_MODEL=<provider>:<id>)
npm start -- runs                       list the runs
npm start -- show <run>                 show what a run did
npm start -- resume <run>               go on with a run, and ask here
npm start -- resume <run> --approve     approve what it waits for, and go on
npm start -- resume <run> --reject "why"
npm run demo:crash                      see a run survive a kill`;

export type Command =
  | { do: 'start'; task: string; faults: Faults; decide: Decide }
  | { do: 'resume'; run: string; faults: Faults; decide: Decide }
  | { do: 'show'; run: string }
  | { do: 'runs' }
  | { do: 'help' };

/** @throws UsageError for an unknown argument. */
export function parseCommand(args: readonly string[]): Command {
  const wanted = parse(args, { usage: USAGE, command: 'npm start', faults: true });
  if (wanted.do !== 'start' && wanted.do !== 'resume') return wanted;
  const { faults: given = 'demo', ...rest } = wanted;
  const faults = given as Faults;
  if (!FAULTS.includes(faults)) throw new UsageError(`--faults is "${given}"; it is one of ${FAULTS.join(', ')}.`);
  return rest.do === 'start' ? { ...rest, task: rest.task ?? TASK, faults } : { ...rest, faults };
}
