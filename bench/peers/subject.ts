/** What every framework is asked to do, in the words of none of them. */
import { fileURLToPath } from 'node:url';
import type { z } from 'zod';

/** What the model says next, by the number of tool results that it sees. */
export type Script = (done: number) => Said | Promise<Said>;
export type Said = string | { name: string; input: unknown };

export interface SubjectTool {
  name: string;
  description: string;
  input: z.ZodType;
  execute(input: { id: number }): Promise<unknown>;
  /** A person is asked before each call. */
  approve?: boolean;
  /** It has no effect. */
  read?: boolean;
}

export interface Setup {
  instructions: string;
  model: Script;
  tools: readonly SubjectTool[];
  /** An agent that is given as a tool. */
  sub?: { name: string; description: string; input: z.ZodType; model: Script; tools: readonly SubjectTool[] };
  /** Milliseconds, by the framework's own means. */
  timeout?: number;
  /** A folder: what the framework can keep, it keeps there. */
  file?: string;
  /** Without a folder: `false` keeps nothing. */
  keep?: boolean;
}

export interface Told {
  status: string;
  text?: string;
}

export interface Subject {
  start(thread: string, question: string): Promise<Told>;
  answer(thread: string, paused: Told, approved: boolean): Promise<Told>;
  /** Goes on with what another process began. */
  resume?: ((thread: string) => Promise<Told>) | undefined;
  /** Drops what it keeps of a run in memory. */
  forget(thread: string): unknown;
  close?(): unknown;
}

export interface Program {
  make(setup: Setup): Subject;
  /** Its own means to keep runs on disk. */
  durable: string | undefined;
  /** Why there is none, with the name of the page that says so. */
  none: { resume?: string };
}

/** The program of a framework, or Rondo's. */
export async function programOf(name: string): Promise<Program> {
  if (name === 'rondo') return import('./rondo.ts');
  if (name.startsWith('langgraph')) {
    const { langgraph } = await import(fileURLToPath(new URL('./frameworks/langgraph.mjs', import.meta.url)));
    const found = langgraph(name === 'langgraph' ? '@langchain/langgraph' : name);
    return { ...found, make: await found.load() };
  }
  return import(fileURLToPath(new URL(`./frameworks/${name}.mjs`, import.meta.url)));
}
