/** Loads what a command is given: a benchmark, or a report. */
import { readFileSync, statSync } from 'node:fs';
import { extname, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Benchmark, Report } from '../../bench/index.ts';
import { Unusable } from '../io.ts';

const EXAMPLE = "import type { Benchmark } from 'rondo/bench'; export default { agent, scenarios } satisfies Benchmark";
const CODE = ['.ts', '.mts', '.js', '.mjs'];

/**
 * The default export of a file: a benchmark, a promise of one, or a function that returns one.
 * @throws Unusable if there is none. RondoError of the file itself is thrown as it is.
 */
export async function loadBenchmark(file: string, cwd: string): Promise<Benchmark> {
  const path = resolve(cwd, file);
  if (extname(path) === '.json')
    throw new Unusable(
      `${file} is data. A benchmark is a .ts, .js or .mjs file; two reports are compared by: rondo bench compare a.json b.json`,
    );
  if (!CODE.includes(extname(path))) throw new Unusable(`${file}: a benchmark is a .ts, .js or .mjs file.`);
  if (!statSync(path, { throwIfNoEntry: false })?.isFile()) throw new Unusable(`There is no file ${file} in ${cwd}.`);
  const loaded = await importOf(file, path);
  if (loaded.default === undefined) {
    const others = Object.keys(loaded).filter((name) => name !== 'default');
    const has = others.length > 0 ? `It exports ${others.join(', ')}. ` : '';
    throw new Unusable(`${file} has no default export. ${has}One file is one benchmark: ${EXAMPLE}.`);
  }
  let declared: unknown;
  try {
    declared = await (typeof loaded.default === 'function' ? loaded.default() : loaded.default);
  } catch (error) {
    throw unloadable(file, path, error);
  }
  if (typeof declared !== 'object' || declared === null || Array.isArray(declared))
    throw new Unusable(`The default export of ${file} is not a benchmark: ${EXAMPLE}.`);
  return declared as Benchmark;
}

async function importOf(file: string, path: string): Promise<{ default?: unknown }> {
  try {
    return (await import(pathToFileURL(path).href)) as { default?: unknown };
  } catch (error) {
    throw unloadable(file, path, error);
  }
}

/** What to do about a file that cannot be loaded. */
function unloadable(file: string, path: string, error: unknown): Unusable {
  const { code, message } = error instanceof Error ? (error as NodeJS.ErrnoException) : { code: undefined, message: String(error) };
  const typescript = /\.m?ts$/.test(path);
  if (code === 'ERR_UNKNOWN_FILE_EXTENSION' && typescript && !process.features.typescript)
    return new Unusable(
      `This Node, ${process.version}, does not run TypeScript. Use Node 22.18 or newer, or set NODE_OPTIONS=--experimental-strip-types, ` +
        `or give the JavaScript that ${file} is compiled to.`,
      { cause: error },
    );
  if (code === 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX')
    return new Unusable(
      `${file} cannot be loaded: ${message}\nNode removes types and does not compile: no enums, namespaces or parameter properties.`,
      { cause: error },
    );
  return new Unusable(`${file} cannot be loaded: ${message}${placeOf(error)}`, { cause: error });
}

/** The files of this package, also where it is linked. */
const OWN = fileURLToPath(new URL('../..', import.meta.url));

/** The first place of the user's own code in the stack. */
function placeOf(error: unknown): string {
  const stack = error instanceof Error ? (error.stack ?? '') : '';
  for (const [, url = '', line] of stack.matchAll(/(?<=[\s(])((?:file:\/\/)?\/[^\s()]+?):(\d+):\d+/g)) {
    const path = url.startsWith('file:') ? fileURLToPath(url) : url;
    if (!path.includes('/node_modules/') && !path.startsWith(OWN)) return `\n  at ${path}:${line}`;
  }
  return '';
}

/** @throws Unusable if the file does not hold a report. */
export function loadReport(file: string, cwd: string): Report {
  let text: string;
  try {
    text = readFileSync(resolve(cwd, file), 'utf8');
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new Unusable(missing ? `There is no file ${file} in ${cwd}.` : `${file} cannot be read: ${(error as Error).message}`, {
      cause: error,
    });
  }
  let report: unknown;
  try {
    report = JSON.parse(text);
  } catch (error) {
    throw new Unusable(`${file} is not JSON: ${(error as Error).message}. A report is what rondo bench --json writes.`, { cause: error });
  }
  if (!isReport(report)) {
    const format = (report as { format?: unknown } | null)?.format;
    const newer = typeof format === 'number' && format !== 1 ? ` Its format is ${format}, and this version of rondo reads format 1.` : '';
    throw new Unusable(`${file} is not a report.${newer} A report is what rondo bench --json writes.`);
  }
  return report;
}

function isReport(value: unknown): value is Report {
  const { format, name, at, machine, settings, scenarios, variants, runs } = (value ?? {}) as Partial<Record<keyof Report, unknown>>;
  if (format !== 1 || typeof name !== 'string' || typeof at !== 'number' || !areTexts(scenarios) || !areTexts(variants)) return false;
  if (!isObject(machine) || !isObject(settings) || !Array.isArray(runs)) return false;
  return runs.every((run) => isObject(run) && isRun(run));
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

const are = (type: 'string' | 'number', ...values: readonly unknown[]) => values.every((value) => typeof value === type);
const areTexts = (list: unknown) => Array.isArray(list) && are('string', ...list);

function isRun({ scenario, variant, run, ms, usage, prefix, steps, calls, checks }: Record<string, unknown>): boolean {
  const each = (list: unknown, fits: (item: Record<string, unknown>) => boolean) =>
    Array.isArray(list) && list.every((item) => isObject(item) && fits(item));
  return (
    are('string', scenario, variant) &&
    are('number', run, ms) &&
    isObject(usage) &&
    isObject(prefix) &&
    each(steps, isStep) &&
    each(calls, isCall) &&
    each(checks, ({ name }) => are('string', name))
  );
}

const isStep = ({ agent, model, path, step, at, observeMs, thinkMs, actMs, engineMs }: Record<string, unknown>) =>
  are('string', agent, model) && areTexts(path) && are('number', step, at, observeMs, thinkMs, actMs, engineMs);

const isCall = ({ name, agent, kind, step, at, ms, attempts }: Record<string, unknown>) =>
  are('string', name, agent, kind) && are('number', step, at, ms, attempts);
