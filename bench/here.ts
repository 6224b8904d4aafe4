import { cpus, freemem, loadavg, totalmem } from 'node:os';

export interface Machine {
  cpu: string;
  cores: number;
  memoryGb: number;
  freeGb: number;
  node: string;
  v8: string;
  sqlite: string | undefined;
  platform: string;
  /** Over the last minute before the benchmark: mainly load of other processes. */
  load: number;
  /** ISO 8601. */
  at: string;
}

export function machine(): Machine {
  const found = cpus();
  return {
    cpu: found[0]?.model.trim() ?? 'unknown',
    cores: found.length,
    memoryGb: Math.round(totalmem() / 1e8) / 10,
    freeGb: Math.round(freemem() / 1e8) / 10,
    node: process.versions.node,
    v8: process.versions.v8,
    sqlite: process.versions.sqlite,
    platform: `${process.platform} ${process.arch}`,
    load: Math.round((loadavg()[0] ?? 0) * 10) / 10,
    at: new Date().toISOString(),
  };
}

export const machineText = (m: Machine) =>
  [
    `${m.cpu}, ${m.cores} cores, ${m.memoryGb} GB (${m.freeGb} free), ${m.platform}`,
    `Node ${m.node}, V8 ${m.v8}, SQLite ${m.sqlite ?? '-'}, load ${m.load} before the start, ${m.at}`,
  ].join('\n');
