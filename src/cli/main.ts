#!/usr/bin/env node
import type { Io } from './io.ts';
import { EXIT } from './io.ts';
import { rondo } from './program.ts';

const { stdout, stderr } = process;
const write = stdout.write.bind(stdout);
// what a program prints while it is measured must not come between the lines of a report
stdout.write = stderr.write.bind(stderr);
// a reader such as `head` may close early
stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') return;
  stderr.write(`error: the standard output cannot be written: ${error.message}. Write to a file, or free space.\n`);
  end(EXIT.unusable);
});

const stop = new AbortController();
let ended = false;
const end = (code: number) => {
  ended = true;
  process.exit(code);
};
// a program that is measured may end the process, fail outside of a run, or wait for nothing that comes: none of it may count as measured
process.on('exit', () => {
  if (ended) return;
  stderr.write('\nerror: the program ended the process before the command had its result. Nothing of it was written.\n');
  process.exitCode = EXIT.unusable;
});
const interrupted = () => {
  if (stop.signal.aborted) end(EXIT.interrupted);
  const kept = process.argv[2] === 'agentcore' ? '' : ' What was measured is kept.';
  stderr.write(`\nStopping.${kept} Ctrl-C again ends at once.\n`);
  stop.abort();
};
process.on('SIGINT', interrupted).on('SIGTERM', interrupted);

const io: Io = {
  out: (text) => void write(text),
  err: (text) => void stderr.write(text),
  ...(stderr.isTTY && { terminal: stderr }),
  columns: stdout.isTTY ? stdout.columns : undefined,
  colors: stdout.isTTY && stdout.hasColors(),
  env: process.env,
  cwd: process.cwd(),
  signal: stop.signal,
};
const code = await rondo(process.argv.slice(2), io);
// what a measured program has left open, such as a connection, would keep the process alive
await new Promise<void>((resolve) => write('', () => resolve()));
end(code);
