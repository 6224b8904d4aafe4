import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

/**
 * One import of a file. `type` is erased, `dynamic` happens when the line is reached, `value` when the file is loaded.
 * With `verbatimModuleSyntax` a statement without `type` stays in the output, whatever it names.
 */
export interface Import {
  specifier: string;
  kind: 'value' | 'type' | 'dynamic';
  line: number;
}

export function importsOf(file: string, text: string): Import[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest);
  const found: Import[] = [];
  const add = (node: ts.Node, literal: ts.Node | undefined, kind: Import['kind']) => {
    if (!literal || !ts.isStringLiteralLike(literal)) return;
    found.push({ specifier: literal.text, kind, line: source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1 });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) {
      const typed = node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword;
      add(node, node.moduleSpecifier, typed ? 'type' : 'value');
    } else if (ts.isExportDeclaration(node)) {
      add(node, node.moduleSpecifier, node.isTypeOnly ? 'type' : 'value');
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      add(node, node.argument.literal, 'type');
    } else if (ts.isCallExpression(node)) {
      const required = ts.isIdentifier(node.expression) && node.expression.text === 'require';
      if (required || node.expression.kind === ts.SyntaxKind.ImportKeyword) add(node, node.arguments[0], 'dynamic');
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

/** The files of the repository that a file loads, itself included; with `later`, those too that it imports when a line is reached. */
export function loadedBy(file: string, { later = false } = {}, seen = new Set<string>()): Set<string> {
  if (seen.has(file)) return seen;
  seen.add(file);
  for (const { specifier, kind } of importsOf(file, readFileSync(file, 'utf8')))
    if ((kind === 'value' || (later && kind === 'dynamic')) && specifier.startsWith('.'))
      loadedBy(join(file, '..', specifier), { later }, seen);
  return seen;
}
