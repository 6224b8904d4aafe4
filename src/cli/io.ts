/** What a command may use of the process, so that a test can stand in for it. */
export interface Io {
  /** Writes to the standard output, which has only what the command is asked for. */
  out(text: string): void;
  /** Writes to the standard error: progress, hints and problems. */
  err(text: string): void;
  /** The terminal for a progress bar. Absent: no terminal, so no bar. */
  terminal?: NodeJS.WriteStream;
  /** Columns of the standard output; undefined if it is not a terminal. */
  columns: number | undefined;
  colors: boolean;
  env: { readonly [name: string]: string | undefined };
  cwd: string;
  /** Aborted by Ctrl-C. */
  signal: AbortSignal;
}

/** The exit codes of all commands, as documented. */
export const EXIT = { ok: 0, failed: 1, unusable: 2, incomplete: 3, interrupted: 130 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** A command cannot do what it is told: its message says what to change, `cause` is for `--verbose`. */
export class Unusable extends Error {
  override readonly name = 'Unusable';
}
