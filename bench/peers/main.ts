/** What a tool turn costs in Rondo and in the peers: `npm run bench:peers`, with `--write` into bench/results.json and docs/benchmarks.md, `--quick`. */
import { fork } from 'node:child_process';
import { join } from 'node:path';
import { flags } from '../../scripts/flags.ts';
import { here } from '../here.ts';
import { peersText } from '../report.ts';
import type { Table } from '../result.ts';
import { write } from '../results/file.ts';
import { type PeerResults, RESULTS_FORMAT } from '../results/results.ts';
import { environment, frameworks, installed, preload } from './install.ts';

const { values } = flags('npm run bench:peers -- [--quick] [--write]', {
  options: { write: { type: 'boolean', default: false }, quick: { type: 'boolean', default: false } },
});

const machine = here();
const found = await installed();
const present = frameworks.filter((name) => 'versions' in found[name]);

const answer = await new Promise<{ tables: Table[]; durable: Record<string, string> }>((resolve, reject) => {
  const args = [...(values.quick ? ['--quick'] : []), 'rondo', ...present];
  const child = fork(join(import.meta.dirname, 'turns.ts'), args, {
    execArgv: [...process.execArgv, ...preload, '--expose-gc'],
    env: environment,
    stdio: ['ignore', 2, 2, 'ipc'],
  });
  child.on('message', (message) => resolve(message as { tables: Table[]; durable: Record<string, string> }));
  child.on('error', reject);
  child.on('close', (code) => reject(new Error(`the measurement ended with code ${code}`)));
});

const about = Object.fromEntries(
  ['rondo' as const, ...frameworks].map((name) => {
    const peer = name === 'rondo' ? { versions: 'this checkout' } : found[name];
    const text =
      'versions' in peer
        ? `${peer.versions}; on disk: ${answer.durable[name] ?? 'has no checkpoint of a run'}`
        : `not measured: ${peer.missing}`;
    return [name, text];
  }),
);
const peers: PeerResults = { machine, about, tables: answer.tables };
console.log(peersText(peers));
if (values.write) write({ format: RESULTS_FORMAT, peers });
