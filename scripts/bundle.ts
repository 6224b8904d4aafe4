// An application that uses the packed package still starts after a bundler made one file of it, and every door can be bundled.
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { doors, root } from './doors.ts';
import { Failed, must, pack } from './package.ts';

/** Uses what loads something: a breaker, a journal in a file, and a JSON Schema. */
const APPLICATION = `
import { agent, Engine, jsonSchema, tool } from 'rondo';
import { sqliteJournal } from 'rondo/journal/sqlite';
import { scripted } from 'rondo/testing';

async function main() {
  const double = tool({
    name: 'double',
    description: 'Doubles a number.',
    input: jsonSchema({ type: 'object', properties: { n: { type: 'number' } }, required: ['n'] }),
    effect: 'read',
    breaker: { failures: 1, recovery: 1000 },
    execute: ({ n }) => 2 * n,
  });
  const model = scripted([{ toolCalls: [{ name: 'double', input: { n: 21 } }] }, 'done']);
  const bundled = agent({ name: 'bundled', instructions: '', model, tools: [double] });
  const engine = new Engine({ journal: sqliteJournal(process.argv[2]), agents: [bundled] });
  const result = await engine.run(bundled, 'Double 21');
  await engine.close();
  console.log(result.status, result.output);
}
main();
`;

const FORMATS = ['esm', 'cjs'] as const;

/** Bundles an application in the folder of a user, and runs it where no package is installed. Answers the sizes. */
export async function checkBundle(): Promise<string> {
  const { user } = await pack();
  writeFileSync(join(user, 'application.mjs'), APPLICATION);
  const sizes: string[] = [];
  for (const format of FORMATS) {
    const folder = join(user, '..', `bundle-${format}`);
    mkdirSync(folder);
    const file = join(folder, format === 'esm' ? 'application.mjs' : 'application.cjs');
    const how = ['--bundle', '--platform=node', '--target=node22', `--format=${format}`, '--log-level=warning'];
    const warnings = await must('esbuild', ['application.mjs', ...how, `--outfile=${file}`], { cwd: user });
    if (warnings) throw new Failed(`the ${format} bundle: ${warnings}`);
    const said = await must('node', [file, join(folder, 'runs.db')], { cwd: folder });
    if (said !== 'completed done') throw new Failed(`the ${format} bundle does not run:\n${said}`);
    sizes.push(`${format} ${Math.round(statSync(file).size / 1000)} kB`);
  }
  const entries = doors();
  for (const { name } of entries) await bundleDoor(user, name);
  return `${sizes.join(', ')}, ${entries.length} doors`;
}

/** What static imports of a part that a door loads later ask for: no bundler lets those be missing. docs/install.md names them. */
const PARTS: Readonly<Record<string, readonly string[]>> = { 'rondo/agentcore/runtime': ['@ag-ui/core', '@a2a-js/sdk'] };

/** A user has the packages that docs/install.md says the door needs, and no other. */
async function bundleDoor(user: string, door: string): Promise<void> {
  const page = readFileSync(join(root, 'docs', 'install.md'), 'utf8');
  const row = page.split('\n').find((line) => line.startsWith('| `rondo') && line.split(' | ')[0]?.includes(`\`${door}\``));
  // what follows is for some of its functions
  const [needed = ''] = row?.split(' | ')[1]?.split(/[;.:](?: |$)/) ?? [];
  const named = [...needed.matchAll(/`([^`]+)`/g)].map(([, name]) => name as string);
  const external = [...named, ...(PARTS[door] ?? [])].filter((name) => !name.startsWith('rondo'));
  writeFileSync(join(user, 'door.mjs'), `export * from '${door}';`);
  const how = [
    '--bundle',
    '--platform=node',
    '--target=node22',
    '--format=esm',
    '--log-level=warning',
    `--outfile=${join(user, 'door.out.mjs')}`,
  ];
  await must('esbuild', ['door.mjs', ...how, ...external.map((name) => `--external:${name}`)], { cwd: user });
}
