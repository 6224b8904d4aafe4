/** What IngestData brings is read by the strategies as an event is, and is none: no operation shows it. */
import type { EventFilter, MemoryEvent } from '../../../../ports/memory-store.ts';

/** No client can give metadata of this name: the model does not admit it. */
const KEY = '*ingested';

export const HIDDEN = { [KEY]: '' };
export const VISIBLE: EventFilter = { key: KEY, is: 'absent' };
export const isHidden = ({ metadata }: MemoryEvent): boolean => metadata?.[KEY] !== undefined;
