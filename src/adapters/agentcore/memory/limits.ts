/** Limits of AWS on one entry of a batch. AWS refuses the whole batch for one entry that is against them, so each is checked before it is sent. */
import type { RecordValue } from '../../../ports/memory-store.ts';
import { refused } from '../../memory/errors.ts';
import type { Constraint } from '../wire/model/limits/limit.ts';
import { MEMORIES } from '../wire/model/limits/memory.ts';
import { problemsIn } from '../wire/model/limits/problems.ts';
import { toldValue } from './shapes.ts';

const {
  MemoryRecordCreateInput: CREATE,
  MemoryRecordDeleteInput: DELETE,
  MemoryRecordMetadataValue: VALUE,
  GetEventInput: EVENT,
} = MEMORIES.data;

const problemsOf = (value: unknown, constraint: Constraint = {}) => problemsIn(value, constraint, () => undefined);

/** An id of another shape is of no record of AWS, and AWS would refuse what it comes with. */
export const isRecordId = (id: string): boolean => problemsOf(id, DELETE?.memoryRecordId).length === 0;
export const isEventId = (id: string): boolean => problemsOf(id, EVENT?.eventId).length === 0;

interface Entry {
  namespace?: string | undefined;
  strategy?: string | undefined;
  metadata?: Readonly<Record<string, RecordValue>> | undefined;
}

/**
 * What AWS refuses of an entry that is within the limits of the port.
 * @param hidden entries of metadata that the adapter adds.
 * @throws RondoError `MEMORY_INPUT_INVALID`
 */
export function assertAdmitted({ namespace, strategy, metadata }: Entry, hidden: number): void {
  if (namespace !== undefined) admitted([namespace], CREATE?.namespaces, 'namespace');
  if (strategy !== undefined) admitted(strategy, CREATE?.memoryStrategyId, 'strategy');
  if (metadata === undefined) return;
  const { max = 0, ...keys } = CREATE?.metadata ?? {};
  if (Object.keys(metadata).length + hidden > max)
    throw refused('metadata', `a record in AgentCore has at most ${max - hidden} entries of yours`);
  if (Object.keys(metadata).length > 0) admitted(metadata, keys, 'metadata');
  for (const [key, value] of Object.entries(metadata))
    for (const [member, told] of Object.entries(toldValue(value))) admitted(told, VALUE?.[member], `metadata.${key}`);
}

function admitted(value: unknown, constraint: Constraint | undefined, field: string): void {
  const [problem] = problemsOf(value, constraint);
  if (problem !== undefined) throw refused(field, `AgentCore does not take it: ${problem}`);
}
