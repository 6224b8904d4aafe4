/** The data plane of Memory: what was said. */
import { RondoError } from '../../../../errors.ts';
import type { EventRef, MemoryPage } from '../../../../ports/memory-store.ts';
import { itemOf, type Metadata, type Payload, textsOf } from '../../memory/shapes.ts';
import type { Operations, World } from '../call.ts';
import { AwsError } from '../codec/error.ts';
import { executed } from '../memory/errors.ts';
import { checkVariables, eventFilterOf, type MainBranch, type MetadataFilter, toldEvent } from '../memory/event-shapes.ts';
import { HIDDEN, isHidden, VISIBLE } from '../memory/ingested.ts';
import type { Replies } from '../memory/replies.ts';
import type { Opened, Stores } from '../memory/stores.ts';
import type { PageRequest } from '../state.ts';

interface Talk {
  memoryId: string;
  actorId: string;
  sessionId?: string;
  metadata?: Metadata;
  clientToken?: string;
  extractionConfig?: { namespaceVariables?: Readonly<Record<string, string>> };
}
interface CreateInput extends Talk {
  eventTimestamp: Date;
  payload: readonly Payload[];
  branch?: { name: string; rootEventId?: string };
  extractionMode?: 'SKIP';
}
interface IngestInput extends Talk {
  contentTimestamp: Date;
  source: { inline: { payload: readonly Payload[] } };
}
interface EventInput {
  memoryId: string;
  actorId: string;
  sessionId: string;
  eventId: string;
}
interface ListInput extends PageRequest {
  memoryId: string;
  actorId: string;
  sessionId: string;
  includePayloads?: boolean;
  filter?: { branch?: { name: string; includeParentBranches?: boolean }; eventMetadata?: readonly MetadataFilter[] };
}

/** Calls a second for an actor's session, as AWS documents them. */
const CONVERSATIONAL = 5;
const OTHER = 10;
const LISTED = 20;
const DELETED = 5;

export interface EventOptions {
  main: MainBranch;
}

export function eventOperations(world: World, stores: Stores, replies: Replies, { main }: EventOptions): Operations {
  const take = (operation: string, { id }: Opened['memory'], { actorId, sessionId = '' }: Talk, rate: number) =>
    world.throttle?.take(`${operation} of ${JSON.stringify([id, actorId, sessionId])}`, rate);

  const missing = (id: string) => new AwsError('ResourceNotFoundException', `Unable to find event with id ${id}`);
  const refOf = ({ actorId: actor, sessionId: session, eventId: id }: EventInput) => ({ actor, session, id });

  /** The members of an event that both ways to add one have. */
  function talkOf(memory: Opened['memory'], { actorId, sessionId, clientToken, extractionConfig }: Talk, at: Date) {
    const variables = extractionConfig?.namespaceVariables;
    if (variables) checkVariables(memory, variables);
    return {
      actor: actorId,
      at: at.getTime(),
      ...(sessionId !== undefined && { session: sessionId }),
      ...(variables && { variables }),
      ...(clientToken !== undefined && { key: clientToken }),
    };
  }

  return {
    async CreateEvent(input: CreateInput) {
      const { eventTimestamp, payload, branch, metadata, extractionMode, clientToken } = input;
      const { memory, store } = stores.of(input.memoryId);
      take('CreateEvent', memory, input, payload.some(({ conversational }) => conversational) ? CONVERSATIONAL : OTHER);
      const event = {
        ...talkOf(memory, input, eventTimestamp),
        items: payload.map(itemOf),
        ...(branch && { branch: { name: branch.name, ...(branch.rootEventId !== undefined && { root: branch.rootEventId }) } }),
        ...(metadata && { metadata: textsOf(metadata) }),
        extract: extractionMode !== 'SKIP',
      };
      // a request with a known token is ignored, whatever it holds, and the first event is the answer
      const stored = await executed(store.append(event).catch((error) => firstOf(store, error, clientToken)));
      return { event: toldEvent(memory, stored, main) };
    },
    async IngestData(input: IngestInput) {
      const { source, contentTimestamp, metadata = {} } = input;
      const { memory, store } = stores.of(input.memoryId);
      return replies('IngestData', memory.id, input.clientToken, async () => {
        const { key: _, ...talk } = { key: undefined, ...talkOf(memory, input, contentTimestamp) };
        const event = { ...talk, items: source.inline.payload.map(itemOf), metadata: { ...textsOf(metadata), ...HIDDEN } };
        const { session } = await executed(store.append(event));
        return { sessionId: session };
      });
    },
    async GetEvent(input: EventInput) {
      const { memory, store } = stores.of(input.memoryId);
      const event = await executed(store.event(refOf(input)));
      if (!event || isHidden(event)) throw missing(input.eventId);
      return { event: toldEvent(memory, event, main) };
    },
    async DeleteEvent(input: EventInput) {
      const { memory, store } = stores.of(input.memoryId);
      take('DeleteEvent', memory, input, DELETED);
      const event = await executed(store.event(refOf(input)));
      if (!event || isHidden(event) || !(await executed(store.removeEvent(refOf(input))))) throw missing(input.eventId);
      return { eventId: input.eventId };
    },
    async ListEvents(input: ListInput) {
      const { actorId: actor, sessionId: session, includePayloads = true, filter = {} } = input;
      const { memory, store } = stores.of(input.memoryId);
      take('ListEvents', memory, input, LISTED);
      const { branch, eventMetadata = [] } = filter;
      const { items, next } = await executed(
        store.events({
          actor,
          session,
          items: includePayloads,
          ...(branch && { branch: { name: branch.name, parents: branch.includeParentBranches === true } }),
          metadata: [...eventMetadata.map(eventFilterOf), VISIBLE],
          ...pageOf(input),
        }),
      );
      return { events: items.map((event) => toldEvent(memory, event, main, includePayloads)), nextToken: next };
    },
    async ListSessions(input: PageRequest & { memoryId: string; actorId: string; filter?: { eventFilter?: 'HAS_EVENTS' } }) {
      const { store } = stores.of(input.memoryId);
      const { items, next } = await executed(store.sessions({ actor: input.actorId, ...pageOf(input) }));
      const shown = [];
      for (const { session, actor, createdAt } of items) {
        // a session of data that was ingested has no events
        if (input.filter?.eventFilter && (await store.events({ actor, session, metadata: [VISIBLE], limit: 1 })).items.length === 0)
          continue;
        shown.push({ sessionId: session, actorId: actor, createdAt: new Date(createdAt) });
      }
      return { sessionSummaries: shown, nextToken: next };
    },
    async ListActors(input: PageRequest & { memoryId: string }) {
      const { store } = stores.of(input.memoryId);
      const { items, next }: MemoryPage<{ actor: string }> = await executed(store.actors(pageOf(input)));
      return { actorSummaries: items.map(({ actor }) => ({ actorId: actor })), nextToken: next };
    },
  };
}

const PAGE = 20;

/** The first event of a token that comes again with another body. */
async function firstOf({ event }: Opened['store'], error: unknown, token: string | undefined) {
  const first = token === undefined || !RondoError.is(error, 'MEMORY_CONFLICT') ? undefined : (error.details as { event?: EventRef }).event;
  const known = first && (await event(first));
  if (!known) throw error;
  return known;
}

export const pageOf = ({ maxResults = PAGE, nextToken }: PageRequest) => ({
  limit: maxResults,
  ...(nextToken !== undefined && { after: nextToken }),
});
