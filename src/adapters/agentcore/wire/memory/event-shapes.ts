/** Events between the shapes of AWS and those of a memory's store. */
import type { EventFilter, MemoryEvent } from '../../../../ports/memory-store.ts';
import { metadataOf, payloadOf } from '../../memory/shapes.ts';
import { refused } from '../codec/error.ts';
import type { Memory } from './resources.ts';

export interface MetadataFilter {
  left: { metadataKey: string };
  operator: string;
  right?: { metadataValue?: { stringValue?: string } };
}

/** Whether an event of the main line says so: sources disagree. */
export type MainBranch = 'omitted' | 'named';

/** @param payloads false: the member is left out, as measured by the authors of floci. */
export function toldEvent({ id }: Memory, event: MemoryEvent, main: MainBranch, payloads = true) {
  const { branch, metadata } = event;
  return {
    memoryId: id,
    actorId: event.actor,
    sessionId: event.session,
    eventId: event.id,
    eventTimestamp: new Date(event.at),
    ...(payloads && { payload: event.items.map(payloadOf) }),
    ...(branch && { branch: { name: branch.name, ...(branch.root !== undefined && { rootEventId: branch.root }) } }),
    ...(!branch && main === 'named' && { branch: { name: 'main' } }),
    ...(metadata && { metadata: metadataOf(metadata) }),
  };
}

export function eventFilterOf({ left: { metadataKey: key }, operator, right }: MetadataFilter): EventFilter {
  if (operator === 'EXISTS') return { key, is: 'present' };
  if (operator === 'NOT_EXISTS') return { key, is: 'absent' };
  const value = right?.metadataValue?.stringValue;
  if (value === undefined) throw refused(`The filter of ${key} needs a value to the right of ${operator}.`);
  return { key, is: 'equal', value };
}

/** @throws AwsError `ValidationException` for a key that the memory does not have, and a value that it does not admit. */
export function checkVariables({ namespaceKeys }: Memory, variables: Readonly<Record<string, string>>): void {
  for (const [key, value] of Object.entries(variables)) {
    const known = namespaceKeys.find((other) => other.key === key);
    if (!known) throw refused(`The memory has no namespace key ${key}.`);
    const { allowedValues, regexPattern } = known.validation ?? {};
    const fits =
      (!allowedValues?.length || allowedValues.includes(value)) && (!regexPattern || new RegExp(`^(?:${regexPattern})$`).test(value));
    if (!fits) throw refused(`The value of the namespace key ${key} is not one that its validation admits.`);
  }
}
