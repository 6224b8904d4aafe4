/** One JSON holds what was measured; docs/benchmarks.md is written from it, between marks. A part that was not measured stays as it is. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../../scripts/doors.ts';
import { type Machine, machineText } from '../machine.ts';
import { tableText } from '../report.ts';
import type { Table } from '../result.ts';
import { type Behaviour, behaviourText } from './behaviour.ts';

export interface Results {
  peers?: PeerResults;
  behaviour?: readonly Behaviour[];
}

export interface PeerResults {
  machine: Machine;
  /** By framework: versions, and settings on disk; or why it is missing. */
  about: Readonly<Record<string, string>>;
  tables: readonly Table[];
}

export const peersText = ({ machine, about, tables }: PeerResults) =>
  [
    machineText(machine),
    ...Object.entries(about).map(([name, text]) => `${name}: ${text}`),
    ...tables.map((table) => `\n${tableText(table)}`),
  ].join('\n');

const FILE = join(root, 'bench', 'results.json');
const DOCS = join(root, 'docs', 'benchmarks.md');

/** Puts what was measured into both files; of the frameworks, those that were run. */
export function merged(measured: Results): void {
  const before = existsSync(FILE) ? (JSON.parse(readFileSync(FILE, 'utf8')) as Results) : {};
  const others = (before.behaviour ?? []).filter(({ name }) => !measured.behaviour?.some((one) => one.name === name));
  const behaviour = [...(measured.behaviour ?? []), ...others];
  const results: Results = { ...before, ...measured, ...(behaviour.length && { behaviour }) };
  writeFileSync(FILE, `${JSON.stringify(results, null, 2)}\n`);
  if (results.peers) writeBetween(DOCS, 'peers', peersText(results.peers));
  if (results.behaviour?.length) writeBetween(DOCS, 'behaviour', behaviourText(results.behaviour));
}

/** Replaces what stands between `<!-- name -->` and `<!-- /name -->`. */
export function writeBetween(file: string, name: string, text: string): void {
  const before = readFileSync(file, 'utf8');
  const [open, close] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const [from, to] = [before.indexOf(open), before.indexOf(close)];
  if (from < 0 || to < from) throw new Error(`${file} has no ${open} ... ${close} to write between.`);
  writeFileSync(file, `${before.slice(0, from + open.length)}\n\`\`\`text\n${text}\n\`\`\`\n${before.slice(to)}`);
}
