import { parseArgs } from 'node:util';
import { FAULTS, type Faults } from './tickets/faults.ts';

/** Something the person at the keyboard can put right. Shown as one line, without a stack. */
export class UsageError extends Error {}

export const TASK =
  'Find the top three open support tickets, check each against the known issues, draft replies, and mail them to the support team.';

export const USAGE = `npm start                               run the job
npm start -- --faults none              without the faults of the ticket service
npm start -- --task "..."               another task (needs a model: RONDO_MODEL=bedrock:<id>)
npm start -- runs                       list the runs
npm start -- show <run>                 show what a run did
npm start -- resume <run>               go on with a run, and ask here
npm start -- resume <run> --approve     approve what it waits for, and go on
npm start -- resume <run> --reject "why"
npm run demo:crash                      see a run survive a kill`;

export type Decide = { type: 'ask' } | { type: 'approve' } | { type: 'reject'; reason: string };
export type Command =
  | { do: 'start'; task: string; faults: Faults; decide: Decide }
  | { do: 'resume'; run: string; faults: Faults; decide: Decide }
  | { do: 'show'; run: string }
  | { do: 'runs' }
  | { do: 'help' };

/** @throws UsageError for anything it does not know. */
export function parseCommand(args: readonly string[]): Command {
  const { values, positionals } = parsed(args);
  const [verb = 'start', run, ...more] = positionals;
  if (values.help) return { do: 'help' };
  if (more.length > 0) throw new UsageError(`"${more[0]}" is one word too many. A task of several words goes in quotes: --task "..."`);
  if (values.approve && values.reject !== undefined) throw new UsageError('--approve and --reject exclude each other.');
  const faults = (values.faults ?? 'demo') as Faults;
  if (!FAULTS.includes(faults)) throw new UsageError(`--faults is "${values.faults}"; it is one of ${FAULTS.join(', ')}.`);
  const decide: Decide = values.approve
    ? { type: 'approve' }
    : values.reject !== undefined
      ? { type: 'reject', reason: values.reject || 'no reason given' }
      : { type: 'ask' };
  const allow = (...names: string[]) => {
    const other = Object.keys(values).find((name) => !names.includes(name));
    if (other) throw new UsageError(`"${verb}" does not take --${other}.\n${USAGE}`);
  };
  if (verb === 'start') {
    allow('task', 'faults', 'approve', 'reject');
    if (run !== undefined) throw new UsageError(`"start" takes no "${run}". A task goes in --task "..."`);
    if (values.task === '') throw new UsageError('--task is empty.');
    return { do: 'start', task: values.task ?? TASK, faults, decide };
  }
  if (verb === 'runs') {
    allow();
    return { do: 'runs' };
  }
  if (verb !== 'resume' && verb !== 'show') throw new UsageError(`There is no command "${verb}".\n${USAGE}`);
  if (!run) throw new UsageError(`Which run? npm start -- ${verb} <run>; npm start -- runs lists them.`);
  if (verb === 'show') {
    allow();
    return { do: 'show', run };
  }
  allow('faults', 'approve', 'reject');
  return { do: 'resume', run, faults, decide };
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        task: { type: 'string' },
        faults: { type: 'string' },
        approve: { type: 'boolean' },
        reject: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new UsageError(`${(error as Error).message.split('.')[0]}.\n${USAGE}`);
  }
}
