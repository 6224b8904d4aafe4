import { type ParseArgsConfig, parseArgs } from 'node:util';
import { RondoError } from 'rondo';
import { safeLines } from './safe.ts';
import type { Screen } from './screen.ts';

/** An error that the user can correct. Shown without a stack; the process ends with 2. */
export class UsageError extends Error {}

export type Decide = { type: 'ask' } | { type: 'approve' } | { type: 'reject'; reason: string };
export type Wanted =
  | { do: 'start'; task?: string; faults?: string; decide: Decide }
  | { do: 'resume'; run: string; faults?: string; decide: Decide }
  | { do: 'show'; run: string }
  | { do: 'runs' }
  | { do: 'help' };

/**
 * The command line that the examples share; `faults` only if the example has some.
 * @throws UsageError for an unknown argument.
 */
export function parse(args: readonly string[], { usage, command, faults }: { usage: string; command: string; faults?: boolean }): Wanted {
  const { values, positionals } = parsed(args, usage);
  const [verb = 'start', run, ...more] = positionals;
  if (values.help) return { do: 'help' };
  if (more.length > 0) throw new UsageError(`"${more[0]}" is one word too many. A task of several words goes in quotes: --task "..."`);
  if (values.approve && values.reject !== undefined) throw new UsageError('--approve and --reject exclude each other.');
  if (values.faults !== undefined && !faults) throw new UsageError(`Unknown option '--faults'.\n${usage}`);
  const decide: Decide = values.approve
    ? { type: 'approve' }
    : values.reject !== undefined
      ? { type: 'reject', reason: values.reject || 'no reason given' }
      : { type: 'ask' };
  const shared = { ...(values.faults !== undefined && { faults: values.faults }), decide };
  const allow = (...names: string[]) => {
    const other = Object.keys(values).find((name) => !names.includes(name));
    if (other) throw new UsageError(`"${verb}" does not take --${other}.\n${usage}`);
  };
  switch (verb) {
    case 'start':
      allow('task', 'faults', 'approve', 'reject');
      if (run !== undefined) throw new UsageError(`"start" takes no "${run}". A task goes in --task "..."`);
      if (values.task === '') throw new UsageError('--task is empty.');
      return { do: 'start', ...(values.task !== undefined && { task: values.task }), ...shared };
    case 'runs':
      allow();
      if (run !== undefined) throw new UsageError(`"runs" takes no "${run}". ${command} -- show ${run} shows a run.`);
      return { do: 'runs' };
    case 'show':
    case 'resume':
      if (!run) throw new UsageError(`Which run? ${command} -- ${verb} <run>; ${command} -- runs lists them.`);
      allow(...(verb === 'resume' ? ['faults', 'approve', 'reject'] : []));
      return verb === 'show' ? { do: 'show', run } : { do: 'resume', run, ...shared };
    default:
      throw new UsageError(`There is no command "${verb}".\n${usage}`);
  }
}

const parsed = (args: readonly string[], usage: string) =>
  flags(
    {
      args: [...args],
      allowPositionals: true,
      options: {
        task: { type: 'string' },
        faults: { type: 'string' },
        approve: { type: 'boolean' },
        reject: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    },
    usage,
  );

/** The arguments of a program. @throws UsageError for an unknown one. */
export function flags<const C extends ParseArgsConfig>(config: C, usage: string) {
  try {
    return parseArgs(config);
  } catch (error) {
    throw new UsageError(`${(error as Error).message.split('.')[0]}.\n${usage}`);
  }
}

const refuse = (error: UsageError) => void process.stderr.write(`${safeLines(error.message).join('\n')}\n`);

/** What a program begins with. Wrong usage ends the process with 2, before anything else was started. */
export async function begin<T>(make: () => T | Promise<T>): Promise<T> {
  try {
    return await make();
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    refuse(error);
    process.exit(2);
  }
}

/** Ends the process with the exit code of `main`; 2 for wrong usage, 1 for a failure. */
export async function exitWith(screen: Screen, main: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await main();
  } catch (error) {
    screen.status(undefined);
    if (error instanceof UsageError) {
      refuse(error);
      process.exitCode = 2;
      return;
    }
    const { code = 'ERROR', message } = error as { code?: string; message: string };
    process.stderr.write(`${code}: ${safeLines(message).join('\n')}\n`);
    if (!RondoError.is(error) && (error as Error).name !== 'ToolError') process.stderr.write(`${(error as Error).stack}\n`);
    process.exitCode = 1;
  }
}
