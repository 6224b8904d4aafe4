import type { TestProject } from 'vitest/node';
import { makeServer } from './server.ts';

/** One server for all tests; each has a schema of its own. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await makeServer();
  await server.start();
  project.provide('postgres', server.url);
  return () => server.remove();
}

declare module 'vitest' {
  export interface ProvidedContext {
    postgres: string;
  }
}
