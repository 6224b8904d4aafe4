/** What the control plane of Memory keeps: memories, each with its strategies. Events and records are in a store for each memory. */
import { arnOf, type World } from '../call.ts';
import { AwsError } from '../codec/error.ts';
import { isHere } from '../operations/resource.ts';
import type { RecordSchema } from './record-metadata.ts';

export interface IndexedKey {
  key: string;
  type: 'STRING' | 'STRINGLIST' | 'NUMBER';
}

/** A variable of namespaces that each event brings its own value for. */
export interface NamespaceKey {
  key: string;
  validation?: { allowedValues?: readonly string[]; regexPattern?: string };
}

export type StrategyType = 'SEMANTIC' | 'SUMMARIZATION' | 'USER_PREFERENCE' | 'EPISODIC' | 'CUSTOM';

/** What a prompt of a step is extended with, and the model that is asked. */
export interface Override {
  appendToPrompt: string;
  modelId: string;
}

interface Reflected {
  namespaces?: readonly string[];
  namespaceTemplates?: readonly string[];
  memoryRecordSchema?: RecordSchema;
}

/** As GetMemory answers it. Each union holds one override, by its name, such as `semanticExtractionOverride`. */
export interface StrategyConfiguration {
  type?: string;
  extraction?: { customExtractionConfiguration?: Readonly<Record<string, Override>> };
  consolidation?: { customConsolidationConfiguration?: Readonly<Record<string, Override>> };
  reflection?: {
    episodicReflectionConfiguration?: Reflected;
    customReflectionConfiguration?: { episodicReflectionOverride?: Override & Reflected };
  };
  selfManagedConfiguration?: {
    triggerConditions: readonly object[];
    invocationConfiguration: object;
    historicalContextWindowSize: number;
  };
}

export interface Strategy {
  strategyId: string;
  name: string;
  type: StrategyType;
  description?: string;
  /** Of the namespace of its records. */
  template: string;
  configuration?: StrategyConfiguration;
  memoryRecordSchema?: RecordSchema;
  createdAt: Date;
  updatedAt: Date;
  /** From when on it is `ACTIVE`. */
  readyAt: number;
  goneAt?: number;
}

export interface Memory {
  id: string;
  name: string;
  createdAt: Date;
  updatedAt: Date;
  /** From when on it is `ACTIVE`, and what it is until then. */
  readyAt: number;
  until: 'CREATING' | 'UPDATING';
  goneAt?: number;
  /** Days. */
  eventExpiryDuration: number;
  description?: string;
  encryptionKeyArn?: string;
  memoryExecutionRoleArn?: string;
  strategies: readonly Strategy[];
  indexedKeys: readonly IndexedKey[];
  namespaceKeys: readonly NamespaceKey[];
  streamDeliveryResources?: { resources: readonly StreamResource[] };
  tags: Record<string, string>;
}

export interface StreamResource {
  kinesis?: { dataStreamArn: string; contentConfigurations: readonly { type: string; level?: 'METADATA_ONLY' | 'FULL_CONTENT' }[] };
}

export const MEMORY = 'memory';

export const memoryArn = (world: World, id: string) => arnOf(world, `memory/${id}`);

/** By an id, or an ARN of this account and region. @throws AwsError `ResourceNotFoundException`. */
export function memoryOf(world: World, id: string): Memory {
  const own = memoryArn(world, '');
  const memory = world.state.get<Memory>(MEMORY, id.startsWith(own) ? id.slice(own.length) : id);
  // the text was measured by the authors of floci
  if (!memory) throw new AwsError('ResourceNotFoundException', `Memory not found: ${id}`);
  return memory;
}

export function statusOf({ clock }: World, { goneAt, readyAt, until }: Memory): 'ACTIVE' | 'CREATING' | 'UPDATING' | 'DELETING' {
  if (goneAt !== undefined) return 'DELETING';
  return clock.now() >= readyAt ? 'ACTIVE' : until;
}

/** The strategies that are not deleted yet. */
export const strategiesOf = (world: World, { strategies }: Memory): Strategy[] => strategies.filter((strategy) => isHere(world, strategy));
