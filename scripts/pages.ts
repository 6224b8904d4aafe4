/** Whether a reader finds the way: links lead somewhere, the index has every page, a long page says what is on it, and no list of all things lacks one. */
import { posix } from 'node:path';
import { ERRORS } from './codes.ts';

/** A page of more lines begins with its contents. */
const LONG = 300;
export const INDEX = 'docs/README.md';

/** What the pages must name. */
export interface Named {
  /** `rondo` and its doors. */
  readonly doors: readonly string[];
  /** The codes of `RondoError`, with their HTTP status. */
  readonly codes: Readonly<Record<string, number>>;
  /** Whether the repository has a file that is not among the pages. */
  readonly exists: (path: string) => boolean;
}

/** Where the doors are listed, and where the codes. */
const INSTALL = 'docs/install.md';

interface Heading {
  readonly level: number;
  readonly text: string;
  readonly anchor: string;
}

/** The text of a page with the lines of its code blocks left empty. */
function withoutBlocks(text: string): string {
  return text.replace(/^( *)```[\s\S]*?^ *```$/gm, (block) => block.replace(/[^\n]/g, ''));
}

/** The headings of a page, with the anchors that GitHub gives them. */
export function headingsOf(text: string): Heading[] {
  const seen = new Map<string, number>();
  return [...withoutBlocks(text).matchAll(/^(#{1,6}) (.+)$/gm)].map(([, marks = '', title = '']) => {
    const shown = title.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').replace(/[`*]/g, '');
    const slug = shown
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\p{M}_\- ]/gu, '')
      .replaceAll(' ', '-');
    const before = seen.get(slug) ?? 0;
    seen.set(slug, before + 1);
    return { level: marks.length, text: shown, anchor: before === 0 ? slug : `${slug}-${before}` };
  });
}

/** The targets of the links of a page, with their lines. Code is not looked at. */
function linksOf(text: string): { target: string; line: number }[] {
  return withoutBlocks(text)
    .split('\n')
    .flatMap((line, i) =>
      [...line.replace(/(`+)[^`]+\1(?!`)/g, '').matchAll(/\]\(([^()\s]+(?:\([^()\s]*\))?)\)/g)].map(([, target = '']) => ({
        target,
        line: i + 1,
      })),
    );
}

const isOutside = (target: string) => /^[a-z][a-z+.-]*:/i.test(target);

function linkProblems(page: string, text: string, pages: ReadonlyMap<string, string>, { exists }: Named): string[] {
  return linksOf(text).flatMap(({ target, line }) => {
    if (isOutside(target)) return [];
    const [path = '', anchor] = target.split('#');
    const file = path === '' ? page : posix.normalize(posix.join(posix.dirname(page), path));
    const there = pages.get(file);
    if (there === undefined) return exists(file) ? [] : [`${page}:${line}: ${target}: there is no ${file}`];
    if (anchor === undefined || headingsOf(there).some((h) => h.anchor === anchor)) return [];
    return [`${page}:${line}: ${target}: ${file} has no heading with that anchor`];
  });
}

/** A long page has a section `Contents` before the others, with a link to each of them, in their order. */
function contentsProblems(page: string, text: string): string[] {
  const lines = text.split('\n').length - (text.endsWith('\n') ? 1 : 0);
  if (lines <= LONG) return [];
  const [first, ...sections] = headingsOf(text).filter(({ level }) => level === 2);
  if (first?.text !== 'Contents') return [`${page}: ${lines} lines, more than ${LONG}: begin with a section "Contents", or split it`];
  const [, rest = ''] = text.split(/^## Contents$/m);
  const listed = linksOf(rest.split(/^## /m)[0] as string).map(({ target }) => target);
  const wanted = sections.map(({ anchor }) => `#${anchor}`);
  const missing = wanted.filter((w) => !listed.includes(w));
  if (missing.length > 0) return missing.map((w) => `${page}: its contents do not have ${w}`);
  const ordered = listed.filter((l) => wanted.includes(l)).join() === wanted.join();
  return ordered ? [] : [`${page}: its contents are not in the order of its sections`];
}

/** @returns one problem per thing that a reader would not find. */
export function pageProblems(pages: ReadonlyMap<string, string>, named: Named): string[] {
  const problems = [...pages].flatMap(([page, text]) => [...linkProblems(page, text, pages, named), ...contentsProblems(page, text)]);
  const index = linksOf(pages.get(INDEX) ?? '').map(({ target }) => posix.normalize(posix.join('docs', target.split('#')[0] as string)));
  for (const page of pages.keys())
    if (page.startsWith('docs/') && page !== INDEX && !index.includes(page)) problems.push(`${page}: not in ${INDEX}`);
  const lists = (page: string, text: string) => {
    if (!pages.get(page)?.includes(text)) problems.push(`${page}: "${text.trim()}" is missing`);
  };
  for (const door of named.doors) lists(INSTALL, `\`${door}\``);
  for (const [code, status] of Object.entries(named.codes)) lists(ERRORS, `\n| \`${code}\` | ${status} |`);
  // a code or a door that was removed must not stay behind
  for (const [, code = ''] of pages.get(ERRORS)?.matchAll(/^\| `(\w+)` \| \d+ \|/gm) ?? [])
    if (!Object.hasOwn(named.codes, code)) problems.push(`${ERRORS}: there is no code ${code}`);
  for (const [row] of pages.get(INSTALL)?.matchAll(/^\| `rondo.*? \|/gm) ?? [])
    for (const [, door = ''] of row.matchAll(/`(rondo[\w/-]*)`/g))
      if (!named.doors.includes(door)) problems.push(`${INSTALL}: there is no entry point ${door}`);
  return problems;
}
