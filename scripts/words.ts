/** Refuses archaic words in the project's prose. Code blocks and inline code of a page are not prose. */

/** Files that must be free of them. */
export const CHECKED = [
  'README.md',
  'CONTRIBUTING.md',
  'docs/**/*.md',
  'bench/**/*.{md,ts}',
  'examples/**/*.{md,ts}',
  'scripts/!(words).ts',
  'src/**/*.ts',
  'test/**/!(words.test).{ts,md}',
];

const FORBIDDEN: readonly { word: string; pattern: RegExp; instead: string }[] = [
  { word: 'nobody', pattern: /\bnobody\b/gi, instead: 'no one, or the part that does not do it' },
  { word: 'whoever', pattern: /\bwhoever\b/gi, instead: 'the person who, or the process that' },
  { word: 'anew', pattern: /\banew\b/gi, instead: 'again' },
  // "there is no" and "is no longer" are plain English
  { word: 'is no', pattern: /(?<!\bthere\s+)\bis\s+no\s(?!\s*longer\b)/gi, instead: 'is not a' },
];

/** The text of a page with each code block and each inline code blanked, line for line. */
function prose(text: string): string {
  const blank = (code: string) => code.replace(/[^\n]/g, ' ');
  const noBlocks = text.replace(/^( *)```[\s\S]*?^ *```$/gm, blank);
  // a paragraph ends with an empty line; each item of a list and each row of a table is one of its own
  return noBlocks.replace(/(?<!`)(`+)(?!`)(?:(?!\n\s*(?:\n|[-*|#>] ?|\d+\. ))[\s\S])*?(?<!`)\1(?!`)/g, blank);
}

/** @returns one problem per forbidden word, as `file:line: ...`. */
export function wordProblems(files: ReadonlyMap<string, string>): string[] {
  const problems: string[] = [];
  for (const [file, whole] of files) {
    const text = file.endsWith('.md') ? prose(whole) : whole;
    for (const { word, pattern, instead } of FORBIDDEN)
      for (const { index } of text.matchAll(pattern))
        problems.push(`${file}:${text.slice(0, index).split('\n').length}: "${word}": write ${instead}`);
  }
  return problems;
}
