/** Where and when numbers were measured: what a report of `rondo/bench` says of the machine, and what a comparison of days needs beside it. */
import { freemem, loadavg } from 'node:os';
import { type Machine, machine } from '../src/bench/machine.ts';

export interface Here extends Machine {
  freeGb: number;
  v8: string;
  sqlite: string | undefined;
  /** Over the last minute before the benchmark: mainly load of other processes. */
  load: number;
  /** ISO 8601. */
  at: string;
}

export const here = (): Here => ({
  ...machine(),
  freeGb: Math.round(freemem() / 2 ** 30),
  v8: process.versions.v8,
  sqlite: process.versions.sqlite,
  load: load(),
  at: new Date().toISOString(),
});

export const load = () => Math.round((loadavg()[0] ?? 0) * 10) / 10;

export const hereText = (h: Here) =>
  [
    `${h.cpu}, ${h.cores} cores, ${h.memoryGb} GB (${h.freeGb} free), ${h.platform}`,
    `Node ${h.node.replace('v', '')}, V8 ${h.v8}, SQLite ${h.sqlite ?? '-'}, load ${h.load} before the start, ${h.at}`,
  ].join('\n');
