/** What to write instead, where the engine's own words do not say it. */
import type { DetailedError } from '@cedar-policy/cedar-wasm/nodejs';
import { nearest } from '../../options.ts';

const DECIMAL = 'a number with digits after the point is a decimal, compared by a method, such as lessThan(decimal("10.5"))';

/** Tools by name. */
type Named = ReadonlyMap<string, { readonly input: ReadonlyMap<string, unknown> }>;

/** @param actions of the schema: tools, and groups of them. @param named the tools. */
export function helped(error: DetailedError, actions: readonly string[], named: Named): DetailedError {
  const help = actionHelp(error, actions) ?? argumentHelp(error, named) ?? tagHelp(error) ?? typeHelp(error);
  return help === undefined ? error : { ...error, help };
}

/** @param before what the text has in front of the fault. */
export const parseHelp = (error: DetailedError, before: string): DetailedError =>
  /\d\.$/.test(before) && /^unexpected token `\d/.test(error.message.split(': ').at(-1) as string) ? { ...error, help: DECIMAL } : error;

/** The engine may suggest a group. */
function actionHelp({ message }: DetailedError, actions: readonly string[]): string | undefined {
  const [, name] = /unrecognized action `AgentCore::Action::"(.*)"`$/.exec(message) ?? [];
  const meant = name === undefined ? undefined : nearest(name, actions);
  return meant && `did you mean \`AgentCore::Action::"${meant}"\`?`;
}

function argumentHelp({ message }: DetailedError, named: Named): string | undefined {
  const [, name, action] = /attribute `(\w+)` in context for AgentCore::Action::"(.*)" not found/.exec(message) ?? [];
  const isArgument = name !== undefined && named.get(action as string)?.input.has(name);
  return isArgument ? `did you mean \`context.input.${name}\`?` : undefined;
}

/** What a token says of a user are tags, which the other kind of principal has not. */
function tagHelp({ message }: DetailedError): string | undefined {
  const [, name, type] = /attribute `(\w+).*?` on entity type `AgentCore::(OAuthUser|IamEntity)` not found/.exec(message) ?? [];
  if (name === undefined) return undefined;
  if (type === 'IamEntity') return 'it has the attribute id, and no tags: a policy about users has `principal is AgentCore::OAuthUser`';
  const tag = /^roles?$/.test(name) ? 'hasTag("role:lead")' : `hasTag("${name}") && principal.getTag("${name}") == "..."`;
  return `a user has the attribute id, and tags: \`principal.${tag}\``;
}

const typeHelp = ({ message }: DetailedError): string | undefined => (/expected Long but saw decimal$/.test(message) ? DECIMAL : undefined);
