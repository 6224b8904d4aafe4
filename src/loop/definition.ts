import { invalid } from '../errors.ts';
import type { Limits } from '../journal/entries/entries.ts';
import { isNearAmount, UNIT } from '../journal/fold/amounts.ts';
import { checkOptions, hint } from '../options.ts';
import { isTool, TOOL_NAME } from './tools/tool.ts';
import type { Agent, AgentDefinition, Grants, LoopDefinition } from './types.ts';

export const isLoop = (agent: AgentDefinition): agent is LoopDefinition => agent.kind === 'loop';

const MADE = Symbol.for('rondo.agent');

/** Marks a definition as an agent. */
export function made<D extends AgentDefinition>(definition: Omit<D, symbol>): D {
  return { [MADE]: true, ...definition } as unknown as D;
}

/** Whether `agent()`, `graph()` or `foreignAgent()` made the value, also those of another copy of the package. */
export const isAgent = (value: unknown): value is AgentDefinition => typeof value === 'object' && value !== null && MADE in value;

/** The agent of a value, which is an agent or a tool made by `delegate()` or `handoff()`; undefined for anything else. */
export function agentIn(value: unknown): AgentDefinition | undefined {
  return isAgent(value) ? value : isTool(value) ? value.delegate?.agent : undefined;
}

/** @throws RondoError `CONFIG_INVALID` if the value was not made by `agent()`, `graph()` or `foreignAgent()`. */
export function agentDefinition(value: Agent): AgentDefinition {
  const agent = agentIn(value);
  if (agent) return agent;
  throw invalid('this is not an agent. Write agent({ name, instructions, model, tools }).');
}

/** @throws RondoError `CONFIG_INVALID` for a name that an agent may not have. */
export function checkName(name: unknown, what: string, example: string): asserts name is string {
  if (typeof name !== 'string' || name === '') throw invalid(`${what === 'agent' ? 'an' : 'a'} ${what} needs a name: ${example}.`);
  // the name is also that of a tool, and part of paths and URLs
  if (TOOL_NAME.test(name)) return;
  const near = name.replace(/[^a-zA-Z0-9_-]+/g, '_').slice(0, 64);
  throw invalid(`"${name}" is not a name of an agent: 1 to 64 letters, digits, "_" and "-". Write ${JSON.stringify(near)}.`);
}

const LIMITS: readonly (keyof Limits)[] = ['steps', 'toolCalls', 'tokens', 'costUsd', 'amounts', 'time', 'repeats', 'depth', 'deadline'];

/** @throws RondoError `CONFIG_INVALID` for an unknown limit, or one that is not a number of 0 or more. */
export function checkLimits(limits: Limits | undefined, where: string): void {
  checkOptions({ limits }, { limits: 'limits: { steps: 20 }' }, where, { limits: 'object' });
  for (const [name, value] of Object.entries(limits ?? {})) {
    if (!LIMITS.includes(name as keyof Limits)) throw invalid(`${where}: there is no limit "${name}". ${hint(name, LIMITS)}`);
    if (name === 'amounts') {
      if (value !== undefined) checkAmounts(value, where);
      continue;
    }
    if (value === Number.POSITIVE_INFINITY)
      throw invalid(
        `${where}: the limit ${name} is Infinity, which a journal cannot hold. To lift a limit, write Number.MAX_SAFE_INTEGER.`,
      );
    if (name === 'repeats' && value !== undefined && !(Number.isInteger(value) && (value as number) >= 2))
      throw invalid(`${where}: the limit repeats is ${value}; it must be a whole number of 2 or more.`);
    if (value !== undefined && !(typeof value === 'number' && value >= 0))
      throw invalid(`${where}: the limit ${name} is ${value}; it must be a number of 0 or more.`);
  }
}

function checkAmounts(amounts: unknown, where: string): void {
  if (typeof amounts !== 'object' || amounts === null || Array.isArray(amounts))
    throw invalid(`${where}: the limit amounts is an object of units, such as { usd: 500 }.`);
  for (const [unit, max] of Object.entries(amounts))
    if (!UNIT.test(unit) || !isNearAmount(max))
      throw invalid(
        `${where}: the limit amounts.${unit} is ${max}. A unit is a-z, 0-9, "_" and "-"; a limit is 0 or more and below 9 billion, with at most 6 decimals: Math.round(n * 1e6) / 1e6.`,
      );
}

/** @throws RondoError `CONFIG_INVALID` for malformed grants, which would restrict nothing. */
export function checkGrants(grants: Grants | undefined, where: string): void {
  if (grants === undefined) return;
  const texts = (list: unknown) => Array.isArray(list) && list.every((item) => typeof item === 'string');
  const isObject = (value: unknown) => typeof value === 'object' && value !== null && !Array.isArray(value);
  const odd = isObject(grants) ? Object.keys(grants).find((key) => key !== 'tools' && key !== 'credentials') : '';
  if (odd !== undefined)
    throw invalid(`${where}: grants are { tools: [names], credentials: { provider: [scopes] } }${odd && `, and have no "${odd}"`}.`);
  if (grants.tools !== undefined && !texts(grants.tools)) throw invalid(`${where}: grants.tools is a list of names.`);
  const { credentials } = grants;
  if (credentials !== undefined && !(isObject(credentials) && Object.values(credentials).every(texts)))
    throw invalid(`${where}: grants.credentials has a list of scopes for each provider: { github: ['repo'] }.`);
}
