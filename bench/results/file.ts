/** bench/results.json holds what was measured last, and docs/benchmarks.md is written from it, between marks. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../../scripts/doors.ts';
import { benchText, peersText } from '../report.ts';
import { foundTable } from '../tools/found.ts';
import { behaviourText } from './behaviour.ts';
import { merged, RESULTS_FORMAT, type Results } from './results.ts';
import { summaryTable } from './summary.ts';

const FILE = join(root, 'bench', 'results.json');
export const DOCS = join(root, 'docs', 'benchmarks.md');

/** What the file holds. @throws if it is of another format. */
export function kept(): Results {
  if (!existsSync(FILE)) return { format: RESULTS_FORMAT };
  const results = JSON.parse(readFileSync(FILE, 'utf8')) as Results;
  if (results.format !== RESULTS_FORMAT)
    throw new Error(`${FILE} has format ${results.format}, not ${RESULTS_FORMAT}. Remove it and measure all of it again.`);
  return results;
}

/** Puts what was measured into both files; what was not measured stays. */
export function write(measured: Results): void {
  const json = resultsJson(merged(kept(), measured));
  // from the rounded numbers of the file, so that both say the same
  const page = documented(readFileSync(DOCS, 'utf8'), JSON.parse(json) as Results);
  writeFileSync(FILE, `${json}\n`);
  writeFileSync(DOCS, page);
}

/** Six digits are more than a clock gives. */
export const resultsJson = (results: Results) =>
  JSON.stringify(
    results,
    (_key, value) => (typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(6)) : value),
    1,
  );

/** The page with the results in it. */
export function documented(page: string, { scenarios, peers, behaviour, found }: Results): string {
  const parts: [name: string, text: string | undefined][] = [
    ['summary', summaryTable({ scenarios, peers, behaviour })],
    ['bench', scenarios && fenced(benchText(scenarios))],
    ['peers', peers && fenced(peersText(peers))],
    ['behaviour', behaviour?.length ? fenced(behaviourText(behaviour)) : undefined],
    ['found', found && foundTable(found)],
  ];
  return parts.reduce((text, [name, part]) => (part === undefined ? text : between(text, name, part)), page);
}

const fenced = (text: string) => `\`\`\`text\n${text}\n\`\`\``;

/** Replaces what stands between `<!-- name -->` and `<!-- /name -->`. */
function between(page: string, name: string, text: string): string {
  const [open, close] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const [from, to] = [page.indexOf(open), page.indexOf(close)];
  if (from < 0 || to < from) throw new Error(`The page has no ${open} ... ${close} to write between.`);
  return `${page.slice(0, from + open.length)}\n${text}\n${page.slice(to)}`;
}
