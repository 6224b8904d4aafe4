/** Where a report goes: the terminal, JSON, Markdown, a page. */
import { accessSync, appendFileSync, constants, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { type Io, Unusable } from '../io.ts';
import { comparisonTables, conditionTable, type Findings } from './compared.ts';
import { tablesOf } from './tables.ts';
import { paint, plainText, terminalTables } from './terminal.ts';
import { factsOf, titleOf } from './words.ts';

export interface Outputs {
  json?: string | true;
  html?: string;
  markdown?: string | true;
  quiet?: boolean;
}

/**
 * Before anything is spent.
 * @throws Unusable if a file cannot be written, or if two outputs go to the standard output.
 */
export function checkOutputs({ json, html, markdown }: Outputs, io: Io): void {
  for (const [option, file] of Object.entries({ json, html, markdown })) {
    if (typeof file !== 'string') continue;
    if (/\.([mc]?[jt]s)$/.test(file))
      throw new Unusable(
        `--${option} takes the next word as its file, and ${file} is code. Write the benchmark first: rondo bench ${file} --${option}`,
      );
    const path = resolve(io.cwd, file);
    try {
      mkdirSync(dirname(path), { recursive: true });
      accessSync(dirname(path), constants.W_OK);
    } catch (error) {
      throw new Unusable(`--${option} ${file} cannot be written: ${(error as Error).message}`, { cause: error });
    }
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) throw new Unusable(`--${option} ${file} is a folder. Name a file.`);
  }
  if (json === true && markdown === true && !io.env.GITHUB_STEP_SUMMARY)
    throw new Unusable('--json and --markdown both write to the standard output. Give one of them a file.');
}

/**
 * Writes what was asked for, `data` as the JSON. It may have cost money: a file that cannot be written keeps nothing else from being written, and a
 * JSON goes to the standard output then. @throws Unusable, after all of it.
 */
export async function writeOutputs(findings: Findings, data: unknown, o: Outputs, io: Io): Promise<void> {
  const { json, html, markdown, quiet } = o;
  const { report, comparisons, outcomes } = findings;
  const lost: string[] = [];
  const write = (file: string, text: string, put: (path: string, text: string) => void = writeFileSync): boolean => {
    try {
      put(resolve(io.cwd, file), text);
    } catch (error) {
      lost.push(`${file} cannot be written: ${(error as Error).message}`);
      return false;
    }
    if (!quiet && put === writeFileSync) io.err(`Wrote ${file}\n`);
    return true;
  };
  const asked = outcomes.length > 0 ? [conditionTable(outcomes)] : [];
  const compared = comparisonTables(comparisons);
  // only what was asked for is on the standard output, so that it can be read by a program
  let alone = quiet === true;
  if (json !== undefined) {
    const text = `${JSON.stringify(data)}\n`;
    if (json === true || !write(json, text)) {
      io.out(text);
      alone = true;
    }
  }
  if (html !== undefined) {
    const { page } = await import('./html.ts');
    write(html, await page(findings));
  }
  if (markdown !== undefined) {
    const { markdown: made } = await import('./markdown.ts');
    const text = made(titleOf(report), factsOf(report), [...asked, ...compared, ...tablesOf(report)]);
    const { GITHUB_STEP_SUMMARY: summary } = io.env;
    if (typeof markdown === 'string') write(markdown, text);
    else if (summary) write(summary, `${text}\n`, appendFileSync);
    else {
      io.out(text);
      alone = true;
    }
  }
  if (!alone) {
    // what matters most is where the prompt comes back
    const tables = terminalTables([...tablesOf(report), ...compared, ...asked], io);
    io.out(`${paint('bold', io.colors)(plainText(titleOf(report)))}\n${plainText(factsOf(report))}\n\n${tables}`);
  }
  if (lost.length > 0) throw new Unusable(lost.join('\n'));
}
