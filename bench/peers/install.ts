/** Installs the peers into a folder of their own, which the next run finds again. Nothing of it is a dependency of the package. */
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../../scripts/doors.ts';
import { run } from '../../scripts/run.ts';

const here = import.meta.dirname;
const folder = join(root, 'node_modules', '.cache', 'bench-peers');
const LOCK = 'package-lock.json';
const DONE = 'installed';

/** The frameworks that are compared, and the packages that each needs. */
export const FRAMEWORKS = {
  ai: ['ai'],
  strands: ['@strands-agents/sdk'],
  openai: ['@openai/agents'],
  mastra: ['@mastra/core', '@mastra/libsql'],
  langgraph: ['@langchain/langgraph', '@langchain/langgraph-checkpoint-sqlite'],
  'langgraph-1.4.17': ['langgraph-1.4.17', '@langchain/langgraph-checkpoint-sqlite'],
} as const;
export type Framework = keyof typeof FRAMEWORKS;
export const frameworks = Object.keys(FRAMEWORKS) as Framework[];

/** Arguments and variables of a process whose imports of peers come from the folder. */
export const preload = ['--import', join(here, 'resolve.mjs')];
export const environment = { ...process.env, RONDO_BENCH_PEERS: join(folder, 'package.json') };

/** Each with its versions, or why it is not there. */
export async function installed(): Promise<Record<Framework, { versions: string } | { missing: string }>> {
  const lock = readFileSync(join(here, LOCK), 'utf8');
  const done = join(folder, DONE);
  let problem = 'it is not in the lock file';
  // natives are built for one version of Node
  const state = `${process.versions.modules}\n${lock}`;
  if (!existsSync(done) || readFileSync(done, 'utf8') !== state) {
    mkdirSync(folder, { recursive: true });
    for (const file of ['package.json', LOCK]) copyFileSync(join(here, file), join(folder, file));
    const result = await run('npm', ['ci', '--no-audit', '--no-fund'], { cwd: folder });
    if (result.ok) writeFileSync(done, state);
    else problem = `npm ci failed: ${result.output.trim().split('\n').at(-1)}`;
  }
  const entries = frameworks.map((name) => {
    const versions = FRAMEWORKS[name].map((it) => versionOf(it));
    const found = versions.every((version) => version !== undefined);
    return [name, found ? { versions: versions.join(', ') } : { missing: problem }] as const;
  });
  return Object.fromEntries(entries) as Record<Framework, { versions: string } | { missing: string }>;
}

function versionOf(name: string): string | undefined {
  const file = join(folder, 'node_modules', name, 'package.json');
  if (!existsSync(file)) return undefined;
  const { name: real, version } = JSON.parse(readFileSync(file, 'utf8')) as { name: string; version: string };
  return `${real} ${version}`;
}
