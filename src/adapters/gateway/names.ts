/** The names of a gateway's tools: `target___tool`, shortened where models would refuse it. */
import { invalid } from '../../errors.ts';
import { sha256 } from '../../journal/canonical.ts';
import { RESERVED_NAME } from '../../loop/tools/tool.ts';

export const SEPARATOR = '___';
/** The longest name that models accept, and where a longer one is cut: 10 characters of its hash follow. */
const MOST = 64;
const CUT = 53;
const HASH = 10;

/** AgentCore's limit of a target's name. */
const LONGEST_TARGET = 100;
// no underscore at the ends, and never three in a row: so that a name has one target
const TARGET = /^(?!.*___)[a-zA-Z0-9]([a-zA-Z0-9_-]*[a-zA-Z0-9-])?$/;

/** @throws RondoError `CONFIG_INVALID` for a target name that could not be told apart in the names of tools. */
export function checkTargetName(name: string, where: string): void {
  if (RESERVED_NAME.test(fullName(name, 'x')))
    throw invalid(`${where} has a target "${name}", whose tools would have names that are reserved for the engine. Rename it.`);
  if (TARGET.test(name) && name.length <= LONGEST_TARGET) return;
  const near = name
    .replace(/[^a-zA-Z0-9_-]+/g, '-')
    .replace(/_{3,}/g, '__')
    .replace(/^[_-]+|_+$/g, '')
    .slice(0, LONGEST_TARGET);
  throw invalid(
    `${where} has a target "${name}": a target's name is 1 to ${LONGEST_TARGET} letters, digits, "-" and "_", without "___", beginning with a letter or digit and not ending with "_".${near ? ` Write ${JSON.stringify(near)}.` : ''}`,
  );
}

/** `target___tool`, of any length. */
export const fullName = (target: string, tool: string): string => `${target}${SEPARATOR}${tool}`;

/**
 * The name for a model: the full name, or its beginning with a hash of all of it. A name with a slash is of a tool that reads resources or prompts: no
 * model gets it, and servers know it by the slash.
 */
export const shortName = (full: string): string =>
  full.length <= MOST || full.includes('/') ? full : `${full.slice(0, CUT)}_${sha256(full).slice(0, HASH)}`;

/** The tool's name within the target; undefined if the name is not one of the target, or is shortened. */
export function nameIn(target: string, name: string): string | undefined {
  const start = target + SEPARATOR;
  return name.length > start.length && name.startsWith(start) ? name.slice(start.length) : undefined;
}

/** What a shortened name still has of the tool's name in the target; undefined if it cannot be a shortened name of the target. */
export function beginningIn(target: string, name: string): string | undefined {
  const start = (target + SEPARATOR).slice(0, CUT);
  return name.length === MOST && name.startsWith(start) ? name.slice(start.length, CUT) : undefined;
}
