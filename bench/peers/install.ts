/** The frameworks that Rondo is compared with, in a folder of their own, which the next run finds again. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { folderOf, installFrom } from '../installed.ts';

const here = import.meta.dirname;
const NAME = 'bench-peers';
const folder = folderOf(NAME);

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
  const problem = (await installFrom(here, NAME)) ?? 'it is not in the lock file';
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
