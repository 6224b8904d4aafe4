/** Compares the events that the types declare with those that docs/events.md lists. */
import { join } from 'node:path';
import ts from 'typescript';
import { root } from './doors.ts';

export const EVENTS = 'docs/events.md';
const SOURCE = 'src/engine/read/run-event.ts';

/** By type: its fields as the page writes them, `name` or `name?`, and the values of those that are one of several texts. */
export type Declared = ReadonlyMap<string, { readonly fields: readonly string[]; readonly values: readonly string[] }>;

/** Those that the page describes once for all events. */
const COMMON = ['runId', 'path', 'frame', 'step', 'at', 'seq', 'verdicts'];

/** The members of `RunEvent`, which the page calls events. */
export function declaredEvents(): Declared {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile);
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, root);
  const program = ts.createProgram([join(root, SOURCE)], { ...options, incremental: false, tsBuildInfoFile: undefined });
  const checker = program.getTypeChecker();
  const source = program.getSourceFile(join(root, SOURCE)) as ts.SourceFile;
  const alias = source.statements.find((s): s is ts.TypeAliasDeclaration => ts.isTypeAliasDeclaration(s) && s.name.text === 'RunEvent');
  if (!alias) throw new Error(`${SOURCE} declares no type RunEvent`);
  const event = checker.getTypeAtLocation(alias);
  const textsOf = (property: ts.Symbol): string[] => {
    const type = checker.getTypeOfSymbol(property);
    return (type.isUnion() ? type.types : [type]).flatMap((t) => (t.isStringLiteral() ? [t.value] : []));
  };
  const declared = new Map<string, { fields: string[]; values: string[] }>();
  for (const member of event.isUnion() ? event.types : [event]) {
    const properties = member.getProperties();
    const own = properties.filter(({ name }) => name !== 'type' && !COMMON.includes(name));
    const fields = own.map((p) => (p.flags & ts.SymbolFlags.Optional ? `${p.name}?` : p.name));
    const values = own.flatMap(textsOf);
    for (const type of properties.filter(({ name }) => name === 'type').flatMap(textsOf)) declared.set(type, { fields, values });
  }
  return declared;
}

const codeOf = (cell: string) => [...cell.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code);

/** @returns one problem per event, field or value that the page lacks, or has and the types do not. */
export function eventProblems(text: string, declared: Declared): string[] {
  const [, section = ''] = text.split(/^## The events$/m);
  const rows = (section.split(/^## /m)[0] as string).split('\n').filter((line) => /^\| `/.test(line));
  const problems: string[] = [];
  const listed = new Set<string>();
  for (const row of rows) {
    const [, types = '', fields = '', told = ''] = row.split(/(?<!\\)\|/);
    for (const type of codeOf(types)) {
      listed.add(type);
      const wanted = declared.get(type);
      if (!wanted) {
        problems.push(`${EVENTS}: there is no event ${type}`);
        continue;
      }
      const shown = codeOf(fields);
      for (const field of wanted.fields) if (!shown.includes(field)) problems.push(`${EVENTS}: ${type} has a field \`${field}\``);
      for (const field of shown) if (!wanted.fields.includes(field)) problems.push(`${EVENTS}: ${type} has no field \`${field}\``);
      for (const value of wanted.values)
        if (!codeOf(told).includes(value)) problems.push(`${EVENTS}: a field of ${type} may be \`${value}\`, which its row does not say`);
    }
  }
  for (const type of declared.keys()) if (!listed.has(type)) problems.push(`${EVENTS}: the event ${type} is missing`);
  return problems;
}
