import { basename } from 'node:path';

/**
 * What is wrong with the numbered invariants. A source states them in the comment at its top, ` * I1. One sentence.`, numbered from 1; a test
 * that holds one says so by the name of that file, `holds log.I1`, in its own name or in a comment.
 * `sources` and `tests` map paths to texts.
 */
export function invariantProblems(sources: ReadonlyMap<string, string>, tests: ReadonlyMap<string, string>): string[] {
  const problems: string[] = [];
  const stated = new Map<string, string>();
  const files = new Map<string, string>();
  for (const [file, text] of sources) {
    const numbers = numbersOf(text);
    if (numbers.length === 0) continue;
    const name = basename(file, '.ts');
    const other = files.get(name);
    if (other) problems.push(`${file}: has invariants under the same name as ${other}: rename one of the files`);
    files.set(name, file);
    numbers.forEach((number, i) => {
      if (number !== i + 1) problems.push(`${file}: I${number} stands where I${i + 1} is due`);
      stated.set(`${name}.I${number}`, file);
    });
  }
  const held = new Set<string>();
  for (const [file, text] of tests) {
    // a test that is put in between takes the name away from the one that it is about
    for (const [, names, next = ''] of text.matchAll(/^ *\/\/ holds ([^\n]*)\n([^\n]*)/gm))
      if (!/^ *(test|it|describe)\b/.test(next)) problems.push(`${file}: "holds ${names}" does not stand directly above a test`);
    for (const [, list = ''] of text.matchAll(/\bholds (\w[\w-]*\.I\d+(?:, \w[\w-]*\.I\d+)*)/g))
      for (const name of list.split(', ')) {
        held.add(name);
        if (!stated.has(name)) problems.push(`${file}: claims to hold ${name}, which no source states`);
      }
  }
  for (const [name, file] of stated) if (!held.has(name)) problems.push(`${file}: no test claims to hold ${name}`);
  return problems;
}

/** Of the comment that a file begins with, and no other. */
function numbersOf(text: string): number[] {
  const [top = ''] = /^\/\*\*.*?\*\//s.exec(text) ?? [];
  return [...top.matchAll(/^ \* I(\d+)\. /gm)].map(([, number]) => Number(number));
}
