import { type ParseArgsConfig, parseArgs } from 'node:util';

/** What the command line of a script says. What it does not know ends the process with 2, and with how it is used. */
export function flags<T extends ParseArgsConfig>(usage: string, config: T): ReturnType<typeof parseArgs<T>> {
  try {
    return parseArgs(config);
  } catch (error) {
    return wrong(`${(error as Error).message.split('. ')[0]}. Use it like this:\n  ${usage}`);
  }
}

/** Ends the process for what its user can correct, without a stack. */
export function wrong(message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(2);
}
