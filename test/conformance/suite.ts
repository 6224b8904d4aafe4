/** Runs scenarios of the conformance suites of MCP, each by the suite's own command. */
import { execFile } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { folder } from '../kit/folder.ts';

/** The suite for 2025-11-25, and the one for 2026-07-28. */
export type Suite = 'mcp-conformance' | 'mcp-conformance-next';

const root = fileURLToPath(new URL('../../', import.meta.url));
const run = promisify(execFile);
const suiteOf = (suite: Suite) => fileURLToPath(import.meta.resolve(`${suite}/package.json`)).replace('package.json', 'dist/index.js');

export interface Ended {
  passed: number;
  /** The checks that failed, or that the suite warns of: what a client or a server should do. */
  failed: string[];
  output: string;
}

/** All client scenarios of a suite. */
export async function scenariosOf(suite: Suite): Promise<string[]> {
  const { stdout } = await run(process.execPath, [suiteOf(suite), 'list', '--client']);
  const [, clients = ''] = stdout.split('Client scenarios');
  const [own = ''] = clients.split('Authorization server scenarios');
  return [...own.matchAll(/^ {2}- (\S+)/gm)].map(([, name]) => name as string);
}

/** Runs one scenario with our client. */
export function clientScenario(suite: Suite, scenario: string): Promise<Ended> {
  const client = `${process.execPath} --import ${root}scripts/source.ts ${root}test/conformance/client.ts`;
  return ended(suite, scenario, ['client', '--command', client, '--timeout', '120000']);
}

/** The server scenarios of a suite for a revision. */
export async function serverScenariosOf(suite: Suite, revision: string): Promise<string[]> {
  const { stdout } = await run(process.execPath, [suiteOf(suite), 'list', '--server']);
  const lines = [...stdout.matchAll(/^ {2}- (\S+) \[(.*)\]/gm)];
  return lines.filter(([, , revisions]) => revisions?.split(',').includes(revision)).map(([, name]) => name as string);
}

/** Runs one scenario against a server. */
export const serverScenario = (suite: Suite, scenario: string, o: { url: string; revision: string }): Promise<Ended> =>
  ended(suite, scenario, ['server', '--url', o.url, '--spec-version', o.revision]);

async function ended(suite: Suite, scenario: string, args: readonly string[]): Promise<Ended> {
  const results = folder('conformance');
  // a scenario that fails ends with 1
  const { stdout, stderr } = await run(process.execPath, [suiteOf(suite), ...args, '--scenario', scenario, '-o', results], {
    maxBuffer: 64 << 20,
    env: { ...process.env, SUITE: suite },
  }).catch((error: { stdout: string; stderr: string }) => error);
  const [file] = globSync(`${results}/**/checks.json`);
  if (file === undefined) throw new Error(`${scenario} did not run: ${stderr}`);
  const checks = JSON.parse(readFileSync(file, 'utf8')) as { id: string; status: string; errorMessage?: string; description: string }[];
  const failed = checks.filter(({ status }) => status === 'FAILURE' || status === 'WARNING');
  return {
    passed: checks.filter(({ status }) => status === 'SUCCESS').length,
    failed: failed.map(({ id, errorMessage, description }) => `${id}: ${errorMessage ?? description}`),
    output: stdout + stderr,
  };
}
