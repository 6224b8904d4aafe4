/**
 * Compiles every TypeScript block of the docs as a user's strict project would, and runs those that say so.
 *
 *     ```ts            compiled: names that a block neither declares nor imports are those of scripts/docs-world.ts
 *     ```ts run        a whole program: compiled without that world, then run; it ends with exit code 0
 *     ```ts run part   compiled as the first, and run in that world, after the parts before it on the page
 *     ```ts ignore: why   neither; the reason is in the page
 */
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ts from 'typescript';
import { root } from './doors.ts';
import { type Ran, run } from './run.ts';

interface Block {
  page: string;
  /** Of its first line of code, from 1. */
  line: number;
  kind: 'part' | 'program';
  runs: boolean;
  code: string;
}

const FENCE = /^( *)```(.*)$/;

export function blocksOf(page: string, text: string): { blocks: Block[]; problems: string[] } {
  const blocks: Block[] = [];
  const problems: string[] = [];
  let open: { indent: number; line: number; info: string; code: string[] } | undefined;
  for (const [i, line] of text.split('\n').entries()) {
    const fence = FENCE.exec(line);
    if (!fence) open?.code.push(line.slice(open.indent));
    else if (!open) open = { indent: (fence[1] as string).length, line: i + 2, info: (fence[2] as string).trim(), code: [] };
    else {
      const [language, ...words] = open.info.split(' ');
      const what = words.join(' ');
      const { line: first, code } = open;
      open = undefined;
      if ((language !== 'ts' && language !== 'typescript') || /^ignore: \S/.test(what)) continue;
      if (what === '' || what === 'run' || what === 'run part')
        blocks.push({ page, line: first, kind: what === 'run' ? 'program' : 'part', runs: what !== '', code: code.join('\n') });
      else
        problems.push(`${page}:${first - 1}: a block is \`\`\`ts, \`\`\`ts run, \`\`\`ts run part or \`\`\`ts ignore: why, not "${what}"`);
    }
  }
  if (open) problems.push(`${page}: a block is not closed`);
  return { blocks, problems };
}

/** A block as a module of as many lines: what it does is in a function, so that it may await, return, and name things as others do. */
function moduleOf({ kind, code }: Block): string {
  if (kind === 'program') return code;
  const source = ts.createSourceFile('block.ts', code, ts.ScriptTarget.Latest, true);
  const imports = source.statements.filter(ts.isImportDeclaration);
  let body = code;
  let head = '';
  for (const statement of imports) {
    const text = statement.getText(source);
    head += `${text.replace(/\s*\n\s*/g, ' ')} `;
    body = body.replace(text, text.replace(/[^\n]/g, ''));
  }
  return `${head}export {}; export async function block(): Promise<unknown> {${body.replace(/^export /gm, '')}\nreturn 'end'; }`;
}

/** @returns what was compiled and run, and what does not hold, by page and line. */
export async function checkDocs(pages = ['README.md', 'docs/**/*.md']): Promise<{ compiled: number; ran: number; problems: string[] }> {
  const found = globSync(pages, { cwd: root }).map((page) => blocksOf(page, readFileSync(join(root, page), 'utf8')));
  const problems = found.flatMap((f) => f.problems);
  const blocks = found.flatMap((f) => f.blocks);
  const folder = join(root, '.cache', 'docs');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const files = new Map(blocks.map((block, i) => [join(folder, `${i}.ts`), block]));
  for (const [file, block] of files) writeFileSync(file, moduleOf(block));
  problems.push(...compiled(files, 'part', [join(root, 'scripts', 'docs-world.ts')]), ...compiled(files, 'program', []));
  const ran = problems.length > 0 ? [] : [...files].filter(([, { runs }]) => runs);
  for (const [file, { page, line }] of ran.filter(([, { kind }]) => kind === 'program')) {
    const { ok, output } = await runIn([file]);
    if (!ok) problems.push(`${page}:${line}: does not run:\n${tail(output)}`);
  }
  const parts = ran.filter(([, { kind }]) => kind === 'part');
  for (const page of new Set(parts.map(([, block]) => block.page))) {
    const ofPage = parts.filter(([, block]) => block.page === page);
    const { ok, output } = await runIn([join(root, 'scripts', 'docs-part.ts'), ...ofPage.map(([file]) => file)]);
    const failed = ofPage.find(([file]) => output.includes(`${file}\n`));
    if (!ok) problems.push(`${page}:${failed?.[1].line ?? '?'}: does not run:\n${tail(output)}`);
  }
  return { compiled: blocks.length, ran: ran.length, problems };
}

const tail = (output: string) => output.trimEnd().split('\n').slice(-15).join('\n');

async function runIn(args: readonly string[]): Promise<Ran> {
  const cwd = mkdtempSync(join(tmpdir(), 'rondo-docs-'));
  const ran = await run('node', ['--import', join(root, 'scripts', 'source.ts'), ...args], {
    cwd,
    env: { TMPDIR: cwd, LOCAL_DEV: '1' },
  });
  rmSync(cwd, { recursive: true, force: true });
  return ran;
}

/** @param more files of names that every such block may use. */
function compiled(files: ReadonlyMap<string, Block>, kind: Block['kind'], more: readonly string[]): string[] {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile);
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, root);
  const own = [...files].filter(([, block]) => block.kind === kind);
  const program = ts.createProgram([...own.map(([file]) => file), ...more], {
    ...options,
    incremental: false,
    tsBuildInfoFile: undefined,
    // a block may end where the reader goes on
    noUnusedLocals: false,
  });
  return own.flatMap(([file, { page, line }]) => {
    const source = program.getSourceFile(file);
    return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)].map((d) => {
      const at = source && d.start !== undefined ? source.getLineAndCharacterOfPosition(d.start).line : 0;
      return `${page}:${line + at}: ${ts.flattenDiagnosticMessageText(d.messageText, ' ').slice(0, 400)}`;
    });
  });
}
