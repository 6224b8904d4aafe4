/**
 * What Rondo and the peers do when something goes wrong, by script: `npm run bench:behaviour`, with
 *   --only a,b    some frameworks, by name,
 *   --write       puts it into bench/results.json and docs/benchmarks.md.
 * Each scene runs in processes of its own; effects are lines of a file outside of the framework.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { flags, wrong } from '../../scripts/flags.ts';
import { environment, frameworks, installed, preload } from '../peers/install.ts';
import { type Behaviour, behaviourText, SCENES } from '../results/behaviour.ts';
import { write } from '../results/file.ts';
import { RESULTS_FORMAT } from '../results/results.ts';

const { values } = flags('npm run bench:behaviour -- [--only a,b] [--write]', {
  options: { only: { type: 'string' }, write: { type: 'boolean', default: false } },
});

/** Milliseconds after which a scene counts as one that does not end. */
const LONGEST = 20_000;
const PLAY = join(import.meta.dirname, '..', 'peers', 'play.ts');

/** What one process said; undefined if it was killed by its own script. */
function played(name: string, scene: string, folder: string, phase: string, at = 0): Promise<string | undefined> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [...process.execArgv, ...preload, PLAY, name, scene, folder, phase], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...environment, BENCH_AT: String(at) },
    });
    let [out, problem, late] = ['', '', false];
    child.stdout.on('data', (chunk) => {
      out += chunk;
    });
    child.stderr.on('data', (chunk) => {
      problem += chunk;
    });
    const timer = setTimeout(() => {
      late = true;
      child.kill('SIGKILL');
    }, LONGEST);
    child.on('close', (_code, signal) => {
      clearTimeout(timer);
      if (late) return resolve('does not end');
      if (signal === 'SIGKILL') return resolve(undefined);
      const line = out.trim().split('\n').at(-1) ?? '';
      if (line.startsWith('{"result"')) return resolve((JSON.parse(line) as { result: string }).result);
      resolve(`ended without a word: ${problem.trim().split('\n').at(-1) ?? ''}`);
    });
  });
}

async function scene(name: string, of: (typeof SCENES)[number]['key']): Promise<Behaviour['cells'][number]> {
  const folder = mkdtempSync(join(tmpdir(), 'rondo-behaviour-'));
  try {
    const said: (string | undefined)[] = [];
    if (of === 'killed' || of === 'resumers') {
      const first = await played(name, 'killed', folder, 'start');
      if (first !== undefined) throw new Error(`${name}: the process was to be killed, and said: ${first}`);
      const at = Date.now() + (of === 'resumers' ? 5_000 : 0);
      const resumers = of === 'resumers' ? 2 : 1;
      said.push(...(await Promise.all(Array.from({ length: resumers }, () => played(name, 'killed', folder, 'resume', at)))));
    } else said.push(await played(name, of, folder, 'start'));
    const file = join(folder, 'effects');
    const lines = existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
    const effects: Record<string, number> = {};
    for (const line of lines) effects[line.split(' ')[0] ?? ''] = (effects[line.split(' ')[0] ?? ''] ?? 0) + 1;
    return { scene: of, effects, said: said.map((one) => one ?? 'killed') };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const all: readonly string[] = ['rondo', ...frameworks];
const wanted = values.only?.split(',') ?? all;
const unknown = wanted.filter((name) => !all.includes(name));
if (unknown.length) wrong(`No such framework: ${unknown.join(', ')}. There are: ${all.join(', ')}.`);
const names = all.filter((name) => wanted.includes(name));
const found: Awaited<ReturnType<typeof installed>> | undefined = names.some((name) => name !== 'rondo') ? await installed() : undefined;
const behaviours: Behaviour[] = [];
for (const name of names) {
  const peer = found?.[name as keyof typeof found] as { versions?: string; missing?: string } | undefined;
  const about = { name, versions: peer?.versions ?? (name === 'rondo' ? 'this checkout' : '') };
  if (peer?.missing) {
    behaviours.push({ ...about, missing: peer.missing, cells: [] });
    continue;
  }
  const cells: Behaviour['cells'][number][] = [];
  for (const { key } of SCENES) cells.push(await scene(name, key));
  behaviours.push({ ...about, cells });
  console.log(behaviourText([behaviours.at(-1) as Behaviour]));
}
if (values.write) write({ format: RESULTS_FORMAT, behaviour: behaviours });
