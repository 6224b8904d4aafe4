/** The control plane of Memory. */
import type { Operations, World } from '../call.ts';
import type { Output } from '../codec/encode.ts';
import { AwsError, invalidInput, refused } from '../codec/error.ts';
import { checkedIndexedKeys, checkedNamespaceKeys, checkUnused } from '../memory/keys.ts';
import {
  type IndexedKey,
  MEMORY,
  type Memory,
  memoryArn,
  memoryOf,
  type NamespaceKey,
  type Strategy,
  statusOf,
  strategiesOf,
} from '../memory/resources.ts';
import {
  changedStrategy,
  checkTemplates,
  newStrategy,
  type StrategyChange,
  type StrategyInput,
  strategiesNamed,
  toldStrategy,
} from '../memory/strategies.ts';
import type { PageRequest } from '../state.ts';
import { suffix, TAKES } from './resource.ts';

type Settings = Partial<
  Pick<Memory, 'eventExpiryDuration' | 'description' | 'encryptionKeyArn' | 'memoryExecutionRoleArn' | 'streamDeliveryResources'>
>;

interface CreateInput extends Settings {
  name: string;
  eventExpiryDuration: number;
  clientToken?: string;
  memoryStrategies?: readonly StrategyInput[];
  indexedKeys?: readonly IndexedKey[];
  namespaceKeys?: readonly NamespaceKey[];
  tags?: Record<string, string>;
}

interface UpdateInput extends Settings {
  memoryId: string;
  clientToken?: string;
  memoryStrategies?: {
    addMemoryStrategies?: readonly StrategyInput[];
    modifyMemoryStrategies?: readonly StrategyChange[];
    deleteMemoryStrategies?: readonly { memoryStrategyId: string }[];
  };
  addIndexedKeys?: readonly IndexedKey[];
  namespaceKeys?: readonly NamespaceKey[];
}

/** Quotas of AWS, by account and by memory. */
const MOST_MEMORIES = 150;
const MOST_STRATEGIES = 6;

/** What happens beside the state. */
export interface MemoryEvents {
  /** A memory was made or changed. @param streaming it was given a stream. */
  changed(memory: Memory, streaming: boolean): void;
  /** The time until a deleted memory is gone is over. */
  gone(id: string): void | Promise<void>;
}

/** @param shortestExpiry days. */
export function memoryOperations(world: World, { changed, gone }: MemoryEvents, shortestExpiry: number): Operations {
  const { state, clock } = world;
  const soon = () => clock.now() + TAKES;
  const date = () => new Date(clock.now());

  function told(memory: Memory, view: 'full' | 'without_decryption' = 'full') {
    const { id, name, eventExpiryDuration, createdAt, updatedAt, description, encryptionKeyArn, memoryExecutionRoleArn } = memory;
    const { indexedKeys, namespaceKeys, streamDeliveryResources } = memory;
    return {
      arn: memoryArn(world, id),
      id,
      name,
      eventExpiryDuration,
      status: statusOf(world, memory),
      createdAt,
      updatedAt,
      ...(view === 'full' && description !== undefined && { description }),
      ...(encryptionKeyArn !== undefined && { encryptionKeyArn }),
      ...(memoryExecutionRoleArn !== undefined && { memoryExecutionRoleArn }),
      strategies: strategiesOf(world, memory).map((strategy) => toldStrategy(world, strategy, memory, view)),
      ...(indexedKeys.length > 0 && { indexedKeys }),
      ...(namespaceKeys.length > 0 && { namespaceKeys }),
      ...(streamDeliveryResources && { streamDeliveryResources }),
    };
  }

  /** @throws AwsError `ValidationException` while an earlier change goes on. */
  function settledMemory(id: string, doing: 'update' | 'delete'): Memory {
    const memory = memoryOf(world, id);
    const status = statusOf(world, memory);
    // measured by users of Terraform and of CloudFormation
    if (status !== 'ACTIVE') throw refused(`Memory is in transitional state ${status}. Cannot ${doing} memory.`, 'ResourceConflict');
    return memory;
  }

  function added(given: readonly StrategyInput[], others: readonly Strategy[], keys: readonly NamespaceKey[]): Strategy[] {
    const strategies = given.map((input) => newStrategy(world, input, keys));
    const names = [...others, ...strategies].map(({ name }) => name);
    const twice = names.find((name, i) => names.indexOf(name) < i);
    if (twice !== undefined) throw refused(`A memory strategy with name ${twice} already exists.`, 'ResourceConflict');
    if (names.length > MOST_STRATEGIES)
      throw new AwsError('ServiceQuotaExceededException', `A memory has at most ${MOST_STRATEGIES} strategies.`);
    return strategies;
  }

  function put(memory: Memory, { streamDeliveryResources }: Settings): Output {
    state.put(MEMORY, memory.id, memory);
    changed(memory, (streamDeliveryResources?.resources.length ?? 0) > 0);
    return { memory: told(memory) };
  }

  function checkExpiry({ eventExpiryDuration: days }: Settings): void {
    if (days === undefined || days >= shortestExpiry) return;
    throw invalidInput([{ name: 'eventExpiryDuration', message: `Member must have value greater than or equal to ${shortestExpiry}` }]);
  }

  return {
    CreateMemory(input: CreateInput) {
      checkExpiry(input);
      const { clientToken, memoryStrategies = [], indexedKeys = [], namespaceKeys = [], tags = {}, ...settings } = input;
      return state.once('CreateMemory', clientToken, input, () => {
        const here = state.list<Memory>(MEMORY);
        if (here.some(({ name }) => name === input.name))
          throw refused(`Memory with name ${input.name} already exists.`, 'ResourceConflict');
        if (here.length >= MOST_MEMORIES)
          throw new AwsError('ServiceQuotaExceededException', `An account has at most ${MOST_MEMORIES} memories.`);
        const keys = checkedNamespaceKeys(namespaceKeys);
        const memory: Memory = {
          ...settings,
          id: `${input.name}-${suffix()}`,
          createdAt: date(),
          updatedAt: date(),
          readyAt: soon(),
          until: 'CREATING',
          strategies: added(memoryStrategies, [], keys),
          indexedKeys: checkedIndexedKeys([], indexedKeys),
          namespaceKeys: keys,
          tags,
        };
        return put(memory, settings);
      });
    },
    GetMemory: ({ memoryId, view }: { memoryId: string; view?: 'full' | 'without_decryption' }) => ({
      memory: told(memoryOf(world, memoryId), view),
    }),
    UpdateMemory(input: UpdateInput) {
      checkExpiry(input);
      const { memoryId, clientToken, memoryStrategies: change = {}, addIndexedKeys = [], namespaceKeys, ...settings } = input;
      return state.once('UpdateMemory', clientToken, input, () => {
        const before = settledMemory(memoryId, 'update');
        const keys = namespaceKeys === undefined ? before.namespaceKeys : checkedNamespaceKeys(namespaceKeys);
        const { addMemoryStrategies = [], modifyMemoryStrategies = [], deleteMemoryStrategies = [] } = change;
        const deleted = deleteMemoryStrategies.map(({ memoryStrategyId }) => memoryStrategyId);
        strategiesNamed(world, before, deleted, 'delete');
        strategiesNamed(
          world,
          before,
          modifyMemoryStrategies.map(({ memoryStrategyId }) => memoryStrategyId),
          'modify',
        );
        const kept = strategiesOf(world, before).map((strategy) => {
          if (deleted.includes(strategy.strategyId)) return { ...strategy, goneAt: soon() };
          const own = modifyMemoryStrategies.find(({ memoryStrategyId }) => memoryStrategyId === strategy.strategyId);
          return own ? changedStrategy(world, strategy, own, keys) : strategy;
        });
        const staying = kept.filter(({ goneAt }) => goneAt === undefined);
        checkUnused(before.namespaceKeys, keys, staying);
        for (const strategy of staying) checkTemplates(strategy, keys);
        const memory: Memory = {
          ...before,
          ...settings,
          updatedAt: date(),
          readyAt: soon(),
          until: 'UPDATING',
          strategies: [...kept, ...added(addMemoryStrategies, staying, keys)],
          indexedKeys: checkedIndexedKeys(before.indexedKeys, addIndexedKeys),
          namespaceKeys: keys,
        };
        return put(memory, settings);
      });
    },
    DeleteMemory({ memoryId, clientToken }: { memoryId: string; clientToken?: string }) {
      return state.once('DeleteMemory', clientToken, { memoryId }, () => {
        const memory = settledMemory(memoryId, 'delete');
        state.put(MEMORY, memoryId, { ...memory, goneAt: soon() });
        clock.after(TAKES, () => gone(memoryId));
        return { memoryId, status: 'DELETING' };
      });
    },
    ListMemories(input: PageRequest) {
      const { items, nextToken } = state.page<Memory>(MEMORY, '', input);
      const memories = items.map((memory) => {
        const { id, createdAt, updatedAt } = memory;
        return { arn: memoryArn(world, id), id, status: statusOf(world, memory), createdAt, updatedAt };
      });
      return { memories, nextToken };
    },
  };
}
