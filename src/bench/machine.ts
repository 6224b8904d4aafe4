/** Where a report was measured. */
import { arch, cpus, platform, totalmem } from 'node:os';

export interface Machine {
  node: string;
  platform: string;
  cpu: string;
  cores: number;
  /** In units of 2^30 bytes, rounded. */
  memoryGb: number;
}

export const machine = (): Machine => ({
  node: process.version,
  platform: `${platform()} ${arch()}`,
  cpu: cpus()[0]?.model.trim() ?? 'unknown',
  cores: cpus().length,
  memoryGb: Math.round(totalmem() / 2 ** 30),
});
