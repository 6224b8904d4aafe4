/** The time of `import 'rondo'` in a fresh process, and of the first run in it, as in a cold start. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { found, imported, SOURCES } from '../built.ts';
import { scratch } from '../contenders.ts';
import { type Contender, interleave, type Spread, spread, timesOf } from '../harness.ts';
import type { Scenario, Table } from '../result.ts';
import { IMPORT_MS } from '../targets.ts';

const BARE = 'bare node';

export const importing: Scenario = async ({ quick }) => {
  const { from, file } = found();
  const files = scratch();
  const rows = [
    { name: BARE, code: '' },
    { name: 'the core', code: imported(file('index')) },
    { name: 'the core and the SQLite journal', code: imported(file('index')) + imported(file('adapters/journal/sqlite')) },
    { name: 'the core, and a first run of one turn in memory', code: firstRun(imported(file('index'))) },
    {
      name: 'both, and a first run of one turn on SQLite',
      code: firstRun(imported(file('index')), imported(file('adapters/journal/sqlite'))),
    },
    { name: 'zod, for comparison', code: imported(fileURLToPath(import.meta.resolve('zod'))) },
  ];
  const cpu = new Map<string, number[]>();
  const scripts = rows.map(({ name, code }, i) => {
    const path = files.path(`${i}.mjs`);
    writeFileSync(path, code + SAY_CPU);
    const used: number[] = [];
    cpu.set(name, used);
    return starting(name, path, used);
  });
  const times = await interleave(scripts, quick ? { rounds: 2, warmUp: 0 } : { rounds: 31, warmUp: 3 });
  files.remove();
  /** Of one contender, ms: elapsed time and processor time, in the rounds that count. */
  const wall = (name: string) => timesOf(times, name).map((us) => us / 1_000);
  const busy = (name: string) => (cpu.get(name) ?? []).slice(-wall(name).length);
  const more = (of: (name: string) => number[], name: string): Spread => {
    const bare = of(BARE);
    return spread(of(name).map((ms, round) => ms - (bare[round] as number)));
  };
  const table: Table = {
    title: `Import, from ${from}`,
    unit: 'ms',
    columns: ['whole process', 'more than bare node', 'in processor time'],
    rows: rows.map(({ name }) => ({
      name,
      cells: [spread(wall(name)), ...(name === BARE ? [undefined, undefined] : [more(wall, name), more(busy, name)])],
    })),
    notes: [
      'From the start of a process to its end, less bare node of the same round. Processor time, of all threads, is the steadier one on a busy machine.',
    ],
  };
  return {
    tables: [table],
    targets: [
      {
        name: 'import of the core',
        measured: more(wall, 'the core'),
        unit: 'ms',
        limit: IMPORT_MS,
        basis: `more than bare node, from ${from}`,
        ...(from === SOURCES.from && {
          why: 'sources are stripped of their types as they load; what a user gets is built: `npm run build` first',
        }),
      },
    ],
  };
};

/** An engine, an agent and a tool of JSON Schema are made, and run with a model that answers at once. */
function firstRun(core: string, sqlite?: string): string {
  const names = (code: string, of: string) => code.replace('import ', `import { ${of} } from `);
  return `${names(core, 'agent, Engine, tool')}${sqlite ? names(sqlite, 'sqliteJournal') : ''}
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
const folder = mkdtempSync(tmpdir() + '/rondo-bench-');
const usage = { input: 10, output: 5 };
const model = { provider: 'bench', id: 'instant', generate: async ({ messages }) => messages.length > 1
  ? { content: [{ type: 'text', text: 'Done.' }], stop: 'end', usage }
  : { content: [{ type: 'toolCall', id: 'c', name: 'lookup', input: { id: 1 } }], stop: 'tools', usage } };
const input = { type: 'object', properties: { id: { type: 'number' } }, required: ['id'] };
const lookup = tool({ name: 'lookup', description: 'Looks something up', input, effect: 'read', execute: async ({ id }) => id });
const engine = new Engine({ ${sqlite ? "journal: sqliteJournal(folder + '/runs.db'), " : ''}prices: {} });
const { status } = await engine.run(agent({ name: 'bench', instructions: '', model, tools: [lookup] }), 'go');
if (status !== 'completed') throw new Error(status);
await engine.close();
rmSync(folder, { recursive: true });
`;
}

/** The last line of each script: microseconds of processor time so far. */
const SAY_CPU =
  "import { writeSync } from 'node:fs';\nconst { user, system } = process.cpuUsage();\nwriteSync(1, String(user + system));\n";

const starting = (name: string, path: string, cpu: number[]): Contender => ({
  name,
  prepare: () => ({
    units: 1,
    run() {
      cpu.push(Number(execFileSync(process.execPath, [path], { stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8' })) / 1_000);
    },
  }),
});
