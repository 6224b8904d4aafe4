import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Io } from '../../src/cli/io.ts';
import { rondo } from '../../src/cli/program.ts';
import { folder } from '../kit/folder.ts';

export interface Ran {
  code: number;
  out: string;
  err: string;
}

/** Runs a command line in a folder, with the files given by name. */
export async function ran(
  args: readonly string[],
  files: Record<string, string> = {},
  o: Partial<Io> = {},
): Promise<Ran & { cwd: string }> {
  const cwd = o.cwd ?? folder('cli');
  for (const [name, text] of Object.entries(files)) writeFileSync(join(cwd, name), text);
  let [out, err] = ['', ''];
  const io: Io = {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    columns: undefined,
    colors: false,
    env: {},
    signal: new AbortController().signal,
    ...o,
    cwd,
  };
  return { code: await rondo(args, io), out, err, cwd };
}

/** A file with a benchmark. `more` are fields of it, as code. */
export const benchmarkFile = (more = '', before = '') => `
import { agent, Engine, tool } from 'rondo';
import { scripted } from 'rondo/testing';
const PRICE = { input: 1, output: 5, source: 'test', date: '2026-01-01' };
${before}
export default {
  name: 'support',
  agent: (model) => agent({ name: 'support', instructions: '', model }),
  model: () => scripted(['done'], { provider: 'test', id: 'm' }),
  engine: (o) => new Engine({ ...o, prices: { 'test/m': PRICE, 'test/big': { ...PRICE, input: 100, output: 500 } } }),
  scenarios: [{ name: 'one', input: 'go' }, { name: 'two', input: 'go' }],
  runs: 2,
  ${more}
};`;

/** Two variants, the second of which costs more. */
export const TWO = "variants: { small: {}, big: { model: () => scripted(['done'], { provider: 'test', id: 'big' }) } },";
