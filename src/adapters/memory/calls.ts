/** What the functions of a store are called with, checked the same for every store before anything is read or written. */
import type { MemoryStore } from '../../ports/memory-store.ts';
import { name, object, text } from './checks.ts';
import { ACTOR, SESSION } from './event-input.ts';

/** @throws RondoError `MEMORY_INPUT_INVALID` */
function place<T extends object>(given: T, field: string, ...names: ('actor' | 'session' | 'id')[]): T {
  const { actor, session, id } = object<{ actor?: unknown; session?: unknown; id?: unknown }>(given, field);
  if (names.includes('actor')) name(actor, 'actor', ACTOR);
  if (names.includes('session') || session !== undefined) name(session, 'session', SESSION);
  if (names.includes('id')) text(id, 'id', 1, 100);
  return given;
}

/** The store, whose functions refuse what is not an object, and names that are none, as `MEMORY_INPUT_INVALID`. */
export function checkedCalls(store: MemoryStore): MemoryStore {
  const { explain } = store;
  return {
    ...store,
    append: async (event, o) => store.append(object(event, 'event'), o),
    events: async (query) => store.events(place(query, 'query', 'actor', 'session')),
    event: async (ref) => store.event(place(ref, 'ref', 'actor', 'session', 'id')),
    removeEvent: async (ref) => store.removeEvent(place(ref, 'ref', 'actor', 'session', 'id')),
    sessions: async (query) => store.sessions(place(query, 'query', 'actor')),
    actors: async (query) => store.actors(object(query, 'query')),
    search: async (query) => store.search(object(query, 'query')),
    list: async (query) => store.list(object(query, 'query')),
    record: async (id) => store.record(name(id, 'id', 100)),
    forget: async (whom) => store.forget(place(whom, 'whom', 'actor')),
    ...(explain && { explain: async (query) => explain(object(query, 'query')) }),
  };
}
