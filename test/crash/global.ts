import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { TestProject } from 'vitest/node';
import { root } from '../../scripts/doors.ts';

const PROGRAMS = ['child', 'owner', 'asker', 'hired', 'tree/child', 'waiting/child'] as const;
export type Program = (typeof PROGRAMS)[number];

/**
 * Puts each program of the suite, and what it imports, into a few files. A process begins with them in half of the time that it needs to
 * read 300 sources, and the suite begins thousands of processes.
 */
export default async function setup(project: TestProject): Promise<() => void> {
  // below node_modules, so that they find the packages
  const cache = join(root, 'node_modules', '.cache');
  mkdirSync(cache, { recursive: true });
  const outdir = mkdtempSync(join(cache, 'crash-'));
  await build({
    entryPoints: PROGRAMS.map((name) => ({ in: fileURLToPath(new URL(`${name}.ts`, import.meta.url)), out: name })),
    outdir,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    // what is imported when it is needed stays apart: on SQLite the clients of the other stores are not loaded
    splitting: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    logLevel: 'silent',
  });
  project.provide('programs', outdir);
  return () => rmSync(outdir, { recursive: true, force: true });
}

declare module 'vitest' {
  export interface ProvidedContext {
    /** The folder of the programs that tests start. */
    programs: string;
  }
}
