/** Cedar's schema of the calls: an action for each tool, with the types of its arguments. */
import type { ActionType, EntityJson, SchemaJson, Type } from '@cedar-policy/cedar-wasm/nodejs';
import { invalid } from '../../errors.ts';
import { UNIT } from '../../journal/fold/amounts.ts';
import { put } from '../../json.ts';
import { type Attributes, attributesOf, decimalOf, recordType } from './attributes.ts';
import { isAbout } from './mentions.ts';
import type { Parsed } from './parsed.ts';
import { BUILT_IN, type DescribedTool } from './tools.ts';

const NAMESPACE = 'AgentCore';
const ACTION = `${NAMESPACE}::Action`;
export const GATEWAY = `${NAMESPACE}::Gateway`;
/** The action that all calls are in. */
const ALL = 'CallTool';

/** A tool as an action. */
export interface Action {
  readonly id: string;
  /** The actions that it is in: its target, and `CallTool`. */
  readonly groups: readonly string[];
  readonly input: Attributes;
  /** The amounts by unit. */
  readonly amount: Attributes;
  readonly entity: EntityJson;
}

export interface Actions {
  /** By the name in calls; a tool with a short name has two. */
  readonly named: ReadonlyMap<string, Action>;
  readonly schema: SchemaJson<string>;
  /** What of the tools a policy cannot ask for, and why. */
  readonly notes: readonly string[];
}

const STRING: Type<string> = { type: 'String' };
const uid = (id: string) => ({ type: ACTION, id });

/**
 * @param policies the amounts of a tool that does not say its units have those that the policies mention. The schema has the engine's own tools
 * if a policy names them: a policy about all tools need not fit them.
 * @throws RondoError `CONFIG_INVALID` for a tool with the name of a group.
 */
export function actionsOf(
  given: ReadonlyMap<string, DescribedTool>,
  policies: readonly Pick<Parsed, 'json' | 'mentions'>[],
  where: string,
): Actions {
  const notes: string[] = [];
  const units = policies.flatMap(({ mentions }) => [...mentions.amount.names]).filter((unit) => UNIT.test(unit));
  const own = BUILT_IN.filter(({ name }) => !given.has(name));
  const quiet = new Set(own.filter(({ name }) => !policies.some(({ json }) => names(json, name))));
  const tools = new Map([...given, ...own.map((tool) => [tool.name, tool] as const)]);
  const targets = new Set([...tools.keys()].flatMap((name) => targetOf(name) ?? []));
  const taken = [...tools.keys()].find((name) => name === ALL || targets.has(name));
  if (taken !== undefined)
    throw invalid(`${where}: a tool is named "${taken}", like the group of actions of that name. Rename the tool, or its target.`);
  const named = new Map<string, Action>();
  const actions: Record<string, ActionType<string>> = { [ALL]: {} };
  for (const target of targets) put(actions, target, { memberOf: [{ id: ALL }] });
  for (const [id, tool] of tools) {
    const target = targetOf(id);
    const left: string[] = [];
    const input = attributesOf(tool.input, left);
    notes.push(...left.map((note) => `${id}: ${note}`));
    const amount: Attributes = new Map((tool.units ?? units).map((unit) => [unit, AMOUNT]));
    const groups = target === undefined ? [ALL] : [target, ALL];
    const action: Action = { id, groups, input, amount, entity: { uid: uid(id), attrs: {}, parents: groups.map(uid) } };
    for (const name of tool.short === undefined ? [id] : [id, tool.short]) named.set(name, action);
    if (quiet.has(tool)) continue;
    put(actions, id, {
      memberOf: [{ id: target ?? ALL }],
      appliesTo: { principalTypes: ['OAuthUser', 'IamEntity'], resourceTypes: ['Gateway'], context: contextType(action) },
    });
  }
  return { named, notes, schema: { [NAMESPACE]: { entityTypes: ENTITIES, actions } } };
}

const names = (json: Parsed['json'], action: string) => json.action.op !== 'All' && isAbout(json, new Set([action]));

const AMOUNT = { type: { type: 'Extension', name: 'decimal' }, of: decimalOf, required: false } as const;

const ENTITIES = {
  OAuthUser: { shape: { type: 'Record', attributes: { id: STRING } }, tags: STRING },
  IamEntity: { shape: { type: 'Record', attributes: { id: STRING } } },
  Gateway: {},
} as const;

const contextType = ({ input, amount }: Pick<Action, 'input' | 'amount'>): Type<string> => ({
  type: 'Record',
  attributes: {
    input: recordType(input),
    system: { type: 'Record', attributes: { now: { type: 'Extension', name: 'datetime' } } },
    agent: STRING,
    session: STRING,
    effect: STRING,
    amount: recordType(amount),
    intent: STRING,
    key: STRING,
  },
});

/** The parts of the context. */
export const CONTEXT = ['input', 'system', 'agent', 'session', 'effect', 'amount', 'intent', 'key'];

/** `shop` for `shop___refund`; undefined for a tool that is of no target. */
function targetOf(name: string): string | undefined {
  const end = name.indexOf('___');
  return end <= 0 || end + 3 >= name.length ? undefined : name.slice(0, end);
}
