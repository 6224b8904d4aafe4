/**
 * Compiles every TypeScript block of the docs as a user's strict project would, and runs those that say so.
 *
 *     ```ts            compiled: names that a block does not declare are those of rondo, or of scripts/docs-world.d.ts
 *     ```ts run        a whole program: compiled without that world, then run; it ends with exit code 0
 *     ```ts ignore: why   neither; the reason is in the page
 */
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ts from 'typescript';
import { doors, root } from './doors.ts';
import { run } from './run.ts';

interface Block {
  page: string;
  /** Of its first line of code, from 1. */
  line: number;
  kind: 'part' | 'program';
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
      if (what === '' || what === 'run')
        blocks.push({ page, line: first, kind: what === 'run' ? 'program' : 'part', code: code.join('\n') });
      else problems.push(`${page}:${first - 1}: a block is \`\`\`ts, \`\`\`ts run or \`\`\`ts ignore: why, not "${what}"`);
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
  return `${head}export {}; export async function block(): Promise<unknown> {${body.replace(/^export /gm, '')}\nreturn; }`;
}

/** Names that every block may use: what rondo and its doors export. */
function exportsOf(): string {
  const taken = new Set<string>();
  const first = (name: string) => !taken.has(name) && taken.add(name);
  return doors()
    .filter(({ name }) => name !== 'rondo/testing')
    .map(({ name, source }) => {
      const file = ts.createSourceFile(source, readFileSync(join(root, source), 'utf8'), ts.ScriptTarget.Latest);
      const values: string[] = [];
      const types: string[] = [];
      for (const s of file.statements) {
        if (ts.isExportDeclaration(s) && s.exportClause && ts.isNamedExports(s.exportClause))
          for (const e of s.exportClause.elements) (s.isTypeOnly || e.isTypeOnly ? types : values).push(e.name.text);
        else if (ts.canHaveModifiers(s) && ts.getModifiers(s)?.some((m) => m.kind === ts.SyntaxKind.ExportKeyword)) {
          if (ts.isFunctionDeclaration(s) && s.name) values.push(s.name.text);
          else if (ts.isClassDeclaration(s) && s.name) values.push(s.name.text);
          else if (ts.isVariableStatement(s)) values.push(...s.declarationList.declarations.map((d) => d.name.getText(file)));
          else if ((ts.isInterfaceDeclaration(s) || ts.isTypeAliasDeclaration(s)) && !s.typeParameters) types.push(s.name.text);
        }
      }
      return [
        ...values.filter(first).map((v) => `const ${v}: typeof import('${name}').${v};`),
        ...types.filter((t) => first(`type ${t}`)).map((t) => `type ${t} = import('${name}').${t};`),
      ].join('\n');
    })
    .join('\n');
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
  // not a declaration file, which would not be checked
  const names = join(folder, 'names.ts');
  writeFileSync(names, `export {};\ndeclare global {\n${exportsOf()}\n}\n`);
  problems.push(...compiled(files, 'part', [names, join(root, 'scripts', 'docs-world.d.ts')], names), ...compiled(files, 'program', []));
  const programs = problems.length > 0 ? [] : [...files].filter(([, { kind }]) => kind === 'program');
  for (const [file, { page, line }] of programs) {
    const cwd = mkdtempSync(join(tmpdir(), 'rondo-docs-'));
    const { ok, output } = await run('node', ['--import', join(root, 'scripts', 'source.ts'), file], { cwd, timeout: 60_000 });
    rmSync(cwd, { recursive: true, force: true });
    if (!ok) problems.push(`${page}:${line}: does not run:\n${output.trimEnd().split('\n').slice(-15).join('\n')}`);
  }
  return { compiled: blocks.length, ran: programs.length, problems };
}

/** Type `X` requires type arguments. */
const GENERIC = [2314, 2707];

/** @param names the file of the names that every block may use. */
function compiled(files: ReadonlyMap<string, Block>, kind: Block['kind'], more: readonly string[], names?: string): string[] {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile);
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, root);
  const own = [...files].filter(([, block]) => block.kind === kind).map(([file]) => file);
  const program = ts.createProgram([...own, ...more], {
    ...options,
    incremental: false,
    tsBuildInfoFile: undefined,
    // a block may end where the reader goes on
    noUnusedLocals: false,
  });
  const told = (file: string) => {
    const { page, line: first } = files.get(file) as Block;
    return ({ line, text }: { line: number; text: string }) => `${page}:${first + line}: ${text}`;
  };
  const wrong = (file: string) => {
    const source = program.getSourceFile(file);
    return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)].map((d) => ({
      line: source && d.start !== undefined ? source.getLineAndCharacterOfPosition(d.start).line : 0,
      code: d.code,
      text: ts.flattenDiagnosticMessageText(d.messageText, ' ').slice(0, 400),
    }));
  };
  if (names === undefined) return own.flatMap((file) => wrong(file).map(told(file)));
  // a type that needs arguments would be `any` in a block that takes it from here without them
  const lines = readFileSync(names, 'utf8').split('\n');
  const generic = new Set<string>();
  const problems: string[] = [];
  for (const { line, code, text } of wrong(names)) {
    const [, type] = /type (\w+) =/.exec(lines[line] ?? '') ?? [];
    if (type && GENERIC.includes(code)) generic.add(type);
    else problems.push(`the names of the doors: ${lines[line]}: ${text}`);
  }
  const checker = program.getTypeChecker();
  const ofNames = (name: ts.Identifier) =>
    generic.has(name.text) && checker.getSymbolAtLocation(name)?.declarations?.some((d) => d.getSourceFile().fileName === names) === true;
  const bare = (file: string) => {
    const found: { line: number; text: string }[] = [];
    const source = program.getSourceFile(file) as ts.SourceFile;
    const visit = (node: ts.Node): void => {
      if (ts.isTypeReferenceNode(node) && ts.isIdentifier(node.typeName) && ofNames(node.typeName))
        found.push({
          line: source.getLineAndCharacterOfPosition(node.getStart()).line,
          text: `import ${node.typeName.text}: it takes type arguments`,
        });
      ts.forEachChild(node, visit);
    };
    visit(source);
    return found;
  };
  return [...problems, ...own.flatMap((file) => [...wrong(file), ...bare(file)].map(told(file)))];
}
