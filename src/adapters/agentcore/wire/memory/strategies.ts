/** Strategies as set-up code gives them, and as GetMemory tells them. */
import type { World } from '../call.ts';
import { invalidInput, refused } from '../codec/error.ts';
import { isHere, suffix, TAKES } from '../operations/resource.ts';
import type { RecordSchema } from './record-metadata.ts';
import type { Memory, NamespaceKey, Override, Strategy, StrategyConfiguration, StrategyType } from './resources.ts';

interface Templated {
  /** The older name. */
  namespaces?: readonly string[];
  namespaceTemplates?: readonly string[];
}

interface Given extends Templated {
  name: string;
  description?: string;
  memoryRecordSchema?: RecordSchema;
  reflectionConfiguration?: Templated & { memoryRecordSchema?: RecordSchema };
  configuration?: CustomConfiguration;
}

type Steps = Partial<Record<'extraction' | 'consolidation' | 'reflection', Override & Templated>>;
interface CustomConfiguration {
  semanticOverride?: Steps;
  summaryOverride?: Steps;
  userPreferenceOverride?: Steps;
  episodicOverride?: Steps;
  selfManagedConfiguration?: SelfManaged;
}
type SelfManaged = Partial<NonNullable<StrategyConfiguration['selfManagedConfiguration']>> & { invocationConfiguration: object };

/** Exactly one member is set. */
export type StrategyInput = Readonly<Partial<Record<keyof typeof TYPES, Given>>>;

export interface StrategyChange extends Templated {
  memoryStrategyId: string;
  description?: string;
  configuration?: StrategyConfiguration;
  memoryRecordSchema?: RecordSchema;
}

const TYPES = {
  semanticMemoryStrategy: 'SEMANTIC',
  summaryMemoryStrategy: 'SUMMARIZATION',
  userPreferenceMemoryStrategy: 'USER_PREFERENCE',
  episodicMemoryStrategy: 'EPISODIC',
  customMemoryStrategy: 'CUSTOM',
} as const satisfies Record<string, StrategyType>;

/** By the name of the override in a request: its type, and how its steps are named in an answer. */
const OVERRIDES = {
  semanticOverride: ['SEMANTIC_OVERRIDE', 'semantic'],
  summaryOverride: ['SUMMARY_OVERRIDE', 'summary'],
  userPreferenceOverride: ['USER_PREFERENCE_OVERRIDE', 'userPreference'],
  episodicOverride: ['EPISODIC_OVERRIDE', 'episodic'],
} as const;

/** What a strategy does, also a custom one that overrides the prompts of another. */
export type Kind = Exclude<StrategyType, 'CUSTOM'> | 'SELF_MANAGED';

const KINDS: Readonly<Record<string, Kind>> = {
  SEMANTIC_OVERRIDE: 'SEMANTIC',
  SUMMARY_OVERRIDE: 'SUMMARIZATION',
  USER_PREFERENCE_OVERRIDE: 'USER_PREFERENCE',
  EPISODIC_OVERRIDE: 'EPISODIC',
};

export const kindOf = ({ type, configuration }: Pick<Strategy, 'type' | 'configuration'>): Kind =>
  type === 'CUSTOM' ? (KINDS[configuration?.type ?? ''] ?? 'SELF_MANAGED') : type;

const ACTORS = '/strategies/{memoryStrategyId}/actors/{actorId}/';
const SESSIONS = `${ACTORS}sessions/{sessionId}/`;
const DEFAULT_TEMPLATES: Readonly<Record<Kind, string>> = {
  SEMANTIC: ACTORS,
  USER_PREFERENCE: ACTORS,
  SUMMARIZATION: SESSIONS,
  EPISODIC: SESSIONS,
  SELF_MANAGED: ACTORS,
};

const OWN_VARIABLES = ['actorId', 'sessionId', 'memoryStrategyId'];

export const variablesOf = (template: string): string[] => [...template.matchAll(/\{(\w+)\}/g)].map(([, name]) => name as string);

/** All templates of a strategy, also that of its reflections. */
export function templatesOf({ template, configuration }: Strategy): string[] {
  const reflected = reflectionTemplate(configuration);
  return reflected === undefined ? [template] : [template, reflected];
}

export function reflectionTemplate(configuration: StrategyConfiguration | undefined): string | undefined {
  const { episodicReflectionConfiguration, customReflectionConfiguration } = configuration?.reflection ?? {};
  return templateOf(episodicReflectionConfiguration ?? customReflectionConfiguration?.episodicReflectionOverride ?? {});
}

function templateOf({ namespaces, namespaceTemplates }: Templated): string | undefined {
  if (namespaces && namespaceTemplates && namespaces[0] !== namespaceTemplates[0])
    throw refused('namespaces and namespaceTemplates are two names of the same, and differ. Leave namespaces out.');
  return (namespaceTemplates ?? namespaces)?.[0];
}

/** @throws AwsError `ValidationException`. */
export function newStrategy(world: World, input: StrategyInput, keys: readonly NamespaceKey[]): Strategy {
  const [[member, given]] = Object.entries(input) as [[keyof typeof TYPES, Given]];
  const { name, description, memoryRecordSchema } = given;
  const type = TYPES[member];
  const configuration = configurationOf(type, given);
  const kind = kindOf({ type, ...(configuration && { configuration }) });
  const at = new Date(world.clock.now());
  const strategy: Strategy = {
    strategyId: `${name}-${suffix()}`,
    name,
    type,
    template: templateOf(given) ?? DEFAULT_TEMPLATES[kind],
    ...(description !== undefined && { description }),
    ...(configuration && { configuration }),
    ...(memoryRecordSchema && { memoryRecordSchema }),
    createdAt: at,
    updatedAt: at,
    readyAt: world.clock.now() + TAKES,
  };
  checkTemplates(strategy, keys);
  return strategy;
}

function configurationOf(type: StrategyType, { configuration, reflectionConfiguration }: Given): StrategyConfiguration | undefined {
  if (type === 'EPISODIC' && reflectionConfiguration)
    return { type: 'EPISODIC', reflection: { episodicReflectionConfiguration: reflectionConfiguration } };
  if (type !== 'CUSTOM') return undefined;
  if (!configuration) throw refused('A custom strategy needs a configuration: one of the overrides, or selfManagedConfiguration.');
  const { selfManagedConfiguration: own } = configuration;
  if (own) return { type: 'SELF_MANAGED', selfManagedConfiguration: { triggerConditions: [], historicalContextWindowSize: 4, ...own } };
  for (const [member, [override, named]] of Object.entries(OVERRIDES)) {
    const steps = configuration[member as keyof typeof OVERRIDES];
    if (steps) return { type: override, ...stepsOf(named, steps) };
  }
  return undefined;
}

const stepsOf = (named: string, { extraction, consolidation, reflection }: Steps): StrategyConfiguration => ({
  ...(extraction && { extraction: { customExtractionConfiguration: { [`${named}ExtractionOverride`]: extraction } } }),
  ...(consolidation && { consolidation: { customConsolidationConfiguration: { [`${named}ConsolidationOverride`]: consolidation } } }),
  ...(reflection && { reflection: { customReflectionConfiguration: { episodicReflectionOverride: reflection } } }),
});

/** @throws AwsError `ValidationException`. */
export function changedStrategy(world: World, before: Strategy, change: StrategyChange, keys: readonly NamespaceKey[]): Strategy {
  const { description, configuration, memoryRecordSchema } = change;
  const after: Strategy = {
    ...before,
    template: templateOf(change) ?? before.template,
    updatedAt: new Date(world.clock.now()),
    ...(description !== undefined && { description }),
    ...(memoryRecordSchema && { memoryRecordSchema }),
    ...(configuration && { configuration: changedConfiguration(before, configuration) }),
  };
  checkTemplates(after, keys);
  return after;
}

function changedConfiguration({ strategyId, type, configuration: before }: Strategy, change: StrategyConfiguration): StrategyConfiguration {
  const wrong = (what: string) => refused(`The strategy ${strategyId} is of the type ${before?.type ?? type} and takes no ${what}.`);
  const named = Object.values(OVERRIDES).find(([override]) => override === before?.type)?.[1];
  const { extraction, consolidation, reflection, selfManagedConfiguration: own } = change;
  for (const [step, members] of [
    ['extraction', extraction?.customExtractionConfiguration],
    ['consolidation', consolidation?.customConsolidationConfiguration],
  ] as const)
    for (const member of Object.keys(members ?? {})) if (!named || !member.startsWith(named)) throw wrong(`${step} of ${member}`);
  if (reflection?.episodicReflectionConfiguration && type !== 'EPISODIC') throw wrong('episodicReflectionConfiguration');
  if (reflection?.customReflectionConfiguration && named !== 'episodic') throw wrong('customReflectionConfiguration');
  if (own && before?.type !== 'SELF_MANAGED') throw wrong('selfManagedConfiguration');
  const { selfManagedConfiguration } = before ?? {};
  return {
    ...(type === 'EPISODIC' && { type }),
    ...before,
    ...change,
    ...(selfManagedConfiguration && {
      selfManagedConfiguration: {
        ...selfManagedConfiguration,
        ...own,
        invocationConfiguration: { ...selfManagedConfiguration.invocationConfiguration, ...own?.invocationConfiguration },
      },
    }),
  };
}

/** @throws AwsError `ValidationException` for a variable that has no value, and for reflections that are not above their episodes. */
export function checkTemplates(strategy: Strategy, keys: readonly NamespaceKey[]): void {
  const known = [...OWN_VARIABLES, ...keys.map(({ key }) => key)];
  for (const template of templatesOf(strategy)) {
    const unknown = variablesOf(template).find((name) => !known.includes(name));
    if (unknown !== undefined)
      throw invalidInput([
        { name: 'namespaceTemplates', message: `Member must have no variable {${unknown}}: it is not one of ${known.join(', ')}` },
      ]);
  }
  const [episodes = '', reflections] = templatesOf(strategy);
  const above = reflections?.replace(/\/?$/, '/') ?? '';
  if (!`${episodes}/`.startsWith(above))
    throw refused(`The namespace of reflections, ${reflections}, is that of the episodes, ${episodes}, or one above it.`);
}

/** As a memory tells it. @param view `without_decryption` leaves out what a key of the customer's would encrypt. */
export function toldStrategy(world: World, strategy: Strategy, memory: Memory, view: 'full' | 'without_decryption'): object {
  const { strategyId, name, type, template, description, configuration, memoryRecordSchema, createdAt, updatedAt } = strategy;
  const whole = view === 'full';
  const status = () => {
    if (memory.goneAt !== undefined || strategy.goneAt !== undefined) return 'DELETING';
    return world.clock.now() >= strategy.readyAt ? 'ACTIVE' : 'CREATING';
  };
  return {
    strategyId,
    name,
    type,
    namespaces: [template],
    namespaceTemplates: [template],
    ...(whole && description !== undefined && { description }),
    ...(whole && configuration && { configuration }),
    ...(memoryRecordSchema && { memoryRecordSchema }),
    createdAt,
    updatedAt,
    status: status(),
  };
}

/** By id. @throws AwsError `ValidationException` for one that the memory does not have. @param what happens to them, for the message. */
export function strategiesNamed(world: World, memory: Memory, ids: readonly string[], what: 'delete' | 'modify'): Strategy[] {
  const here = memory.strategies.filter((strategy) => isHere(world, strategy));
  const missing = ids.filter((id) => !here.some(({ strategyId }) => strategyId === id));
  // the beginning of this text is known from the Terraform provider, which waits for it
  if (missing.length > 0) throw refused(`Cannot ${what} non-existent memory strategies: ${missing.join(', ')}`);
  return here.filter(({ strategyId }) => ids.includes(strategyId));
}
