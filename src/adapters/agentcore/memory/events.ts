/** Events of the port on AgentCore: one CreateEvent each. */
import type { Event, ListEventsCommandInput, PayloadType } from '@aws-sdk/client-bedrock-agentcore';
import { RondoError } from '../../../errors.ts';
import { canonical, sha256 } from '../../../journal/canonical.ts';
import type { Json } from '../../../json.ts';
import type { EventFilter, EventQuery, MemoryEvent, MemoryStore, PageQuery } from '../../../ports/memory-store.ts';
import { checkedEvent } from '../../memory/event-input.ts';
import { isMissing } from './errors.ts';
import { isEventId } from './limits.ts';
import type { Line } from './line.ts';
import { moments, ordinal } from './moments.ts';
import { itemOf, type Metadata, metadataOf, type Payload, payloadOf, textsOf } from './shapes.ts';

/** The entry of an event's metadata that orders events of one millisecond. For an event with a key, a hash of what was given with it follows after `-`. */
const ORDINAL = 'rondo.ordinal';
const MOST_METADATA = 14;
/** Calls a second for an actor's session. */
const RATE = { conversation: 5, other: 10, list: 20, remove: 5 };

export function agentcoreEvents({
  memoryId,
  call,
}: Line): Pick<MemoryStore, 'append' | 'events' | 'event' | 'removeEvent' | 'sessions' | 'actors'> {
  const times = moments();
  const keyOf = (actor: string, session = '') => JSON.stringify([actor, session]);

  return {
    async append(event, { signal: begins } = {}) {
      const checked = checkedEvent(event);
      const content = checked.digest?.slice(0, 32);
      const metadata = { ...event.metadata, [ORDINAL]: content === undefined ? ordinal() : `${ordinal()}-${content}` };
      if (Object.keys(metadata).length > MOST_METADATA + 1)
        throw new RondoError('MEMORY_INPUT_INVALID', `metadata: an event in AgentCore has at most ${MOST_METADATA} entries of yours.`, {
          details: { field: 'metadata' },
        });
      const { actor, session, branch, variables } = event;
      const perSecond = event.items.some(({ kind }) => kind === 'text') ? RATE.conversation : RATE.other;
      const input = {
        memoryId,
        actorId: actor,
        eventTimestamp: new Date(times.next(keyOf(actor, session), checked.at)),
        payload: event.items.map(payloadOf) as PayloadType[],
        metadata: metadataOf(metadata),
        ...(session !== undefined && { sessionId: session }),
        // the main line is the one without a name
        ...(branch &&
          branch.name !== 'main' && { branch: { name: branch.name, ...(branch.root !== undefined && { rootEventId: branch.root }) } }),
        ...(event.extract === false && { extractionMode: 'SKIP' as const }),
        ...(variables && { extractionConfig: { namespaceVariables: { ...variables } } }),
        ...(event.key !== undefined && { clientToken: tokenOf(memoryId, event.key) }),
      };
      const answer = await call('CreateEvent', (client, { CreateEventCommand }, o) => client.send(new CreateEventCommand(input), o), {
        what: 'an event',
        session: { key: keyOf(actor, session), perSecond },
        begins,
      });
      const stored = eventOf(answer.event as Event);
      // AgentCore gives the first event of a token, whatever comes with it again
      if (content !== undefined && answer.event?.metadata?.[ORDINAL]?.stringValue?.split('-')[1] !== content)
        throw new RondoError(
          'MEMORY_CONFLICT',
          'An event with this key and other content is there already. Give other content another key.',
          {
            details: { key: event.key as string },
          },
        );
      return stored;
    },
    async events(query) {
      const { actor, session, items: withItems = true, signal } = query;
      const { events = [], nextToken } = await call(
        'ListEvents',
        (client, { ListEventsCommand }, o) => client.send(new ListEventsCommand(listOf(memoryId, query)), o),
        { what: 'a list of events', session: { key: keyOf(actor, session), perSecond: RATE.list }, signal },
      );
      const all = events
        .map((event): [MemoryEvent, string] => [eventOf(event, withItems), event.metadata?.[ORDINAL]?.stringValue ?? ''])
        .sort(([a, left], [b, right]) => b.at - a.at || Number.parseInt(right, 10) - Number.parseInt(left, 10));
      const items = all.map(([event]) => event).filter((event) => query.branch?.name !== 'main' || event.branch === undefined);
      return { items, ...(nextToken !== undefined && { next: nextToken }) };
    },
    async event({ actor, session, id }) {
      if (!isEventId(id)) return undefined;
      try {
        const input = { memoryId, actorId: actor, sessionId: session, eventId: id };
        const { event } = await call('GetEvent', (client, { GetEventCommand }, o) => client.send(new GetEventCommand(input), o), {
          what: 'an event',
          known: isMissing,
        });
        return eventOf(event as Event);
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw error;
      }
    },
    async removeEvent({ actor, session, id }) {
      if (!isEventId(id)) return false;
      try {
        const input = { memoryId, actorId: actor, sessionId: session, eventId: id };
        await call('DeleteEvent', (client, { DeleteEventCommand }, o) => client.send(new DeleteEventCommand(input), o), {
          what: 'the deletion of an event',
          session: { key: keyOf(actor, session), perSecond: RATE.remove },
          known: isMissing,
        });
        return true;
      } catch (error) {
        if (isMissing(error)) return false;
        throw error;
      }
    },
    async sessions(query) {
      const input = { memoryId, actorId: query.actor, filter: { eventFilter: 'HAS_EVENTS' as const }, ...pageOf(query) };
      const { sessionSummaries = [], nextToken } = await call(
        'ListSessions',
        (client, { ListSessionsCommand }, o) => client.send(new ListSessionsCommand(input), o),
        { what: 'a list of sessions', signal: query.signal },
      );
      const items = sessionSummaries.map(({ sessionId, actorId, createdAt }) => ({
        session: sessionId as string,
        actor: actorId as string,
        createdAt: (createdAt as Date).getTime(),
      }));
      return { items, ...(nextToken !== undefined && { next: nextToken }) };
    },
    async actors(query) {
      const { actorSummaries = [], nextToken } = await call(
        'ListActors',
        (client, { ListActorsCommand }, o) => client.send(new ListActorsCommand({ memoryId, ...pageOf(query) }), o),
        { what: 'a list of actors', signal: query.signal },
      );
      return {
        items: actorSummaries.map(({ actorId }) => ({ actor: actorId as string })),
        ...(nextToken !== undefined && { next: nextToken }),
      };
    },
  };
}

/** The same for every attempt, in any process. */
export const tokenOf = (memoryId: string, key: string): string => sha256(canonical([memoryId.replace(/^arn:.*:memory\//, ''), key]));

export const pageOf = ({ limit, after }: PageQuery) => ({
  ...(limit !== undefined && { maxResults: limit }),
  ...(after !== undefined && { nextToken: after }),
});

function listOf(memoryId: string, query: EventQuery): ListEventsCommandInput {
  const { actor, session, items = true, branch, metadata = [] } = query;
  // sources disagree on how AWS lists the main line: all lines are asked for
  const line = branch && branch.name !== 'main' && { branch: { name: branch.name, includeParentBranches: branch.parents === true } };
  return {
    memoryId,
    actorId: actor,
    sessionId: session,
    includePayloads: items,
    ...((line || metadata.length > 0) && {
      filter: { ...line, ...(metadata.length > 0 && { eventMetadata: metadata.map(filterOf) }) },
    }),
    ...pageOf(query),
  };
}

const OPERATORS = { equal: 'EQUALS_TO', present: 'EXISTS', absent: 'NOT_EXISTS' } as const;

const filterOf = (filter: EventFilter) => ({
  left: { metadataKey: filter.key },
  operator: OPERATORS[filter.is],
  ...(filter.is === 'equal' && { right: { metadataValue: { stringValue: filter.value } } }),
});

function eventOf(event: Event, withItems = true): MemoryEvent {
  const { [ORDINAL]: _, ...metadata } = textsOf((event.metadata ?? {}) as Metadata);
  const { name, rootEventId } = event.branch ?? {};
  return {
    id: event.eventId as string,
    actor: event.actorId as string,
    session: event.sessionId as string,
    at: (event.eventTimestamp as Date).getTime(),
    items: withItems ? (event.payload ?? []).map((payload) => itemOf(plain(payload) as unknown as Payload)) : [],
    ...(name !== undefined && name !== 'main' && { branch: { name, ...(rootEventId !== undefined && { root: rootEventId }) } }),
    ...(Object.keys(metadata).length > 0 && { metadata }),
  };
}

/** AWS's client gives a number that a double may not hold as another type. Numbers of the port are those of JSON. */
function plain(value: unknown): Json {
  if (typeof value === 'bigint') return Number(value);
  if (typeof value !== 'object' || value === null) return value as Json;
  if (Array.isArray(value)) return value.map(plain);
  if (Object.getPrototypeOf(value) !== Object.prototype && 'string' in value) return Number(value.string);
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, plain(each)]));
}
