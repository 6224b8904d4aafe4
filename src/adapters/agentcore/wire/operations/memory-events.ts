/** The data plane of Memory: what was said. */
import { RondoError } from '../../../../errors.ts';
import type { EventRef, MemoryEvent, MemoryPage, NewEvent, PageQuery } from '../../../../ports/memory-store.ts';
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
  function talkOf(memory: Opened['memory'], { actorId, sessionId, extractionConfig }: Talk, at: Date) {
    const variables = extractionConfig?.namespaceVariables;
    if (variables) checkVariables(memory, variables);
    return {
      actor: actorId,
      at: at.getTime(),
      ...(sessionId !== undefined && { session: sessionId }),
      ...(variables && { variables }),
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
        ...(clientToken !== undefined && { key: clientToken }),
      };
      // a request with a known token is ignored, whatever it holds, and the first event is the answer
      const stored = await executed(appended(store, event));
      return { event: toldEvent(memory, stored, main) };
    },
    async IngestData(input: IngestInput) {
      const { source, contentTimestamp, metadata = {}, clientToken } = input;
      const { memory, store } = stores.of(input.memoryId);
      return replies('IngestData', memory.id, clientToken, async (attempt) => {
        const event = {
          ...talkOf(memory, input, contentTimestamp),
          items: source.inline.payload.map(itemOf),
          metadata: { ...textsOf(metadata), ...HIDDEN },
          ...(attempt && { key: attempt.key }),
        };
        const { session } = await executed(appended(store, event));
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
      const sessions = (page: PageQuery) => store.sessions({ actor: input.actorId, ...page });
      // a session of data that was ingested has none
      const hasEvents = async ({ session, actor }: { session: string; actor: string }) =>
        (await store.events({ actor, session, metadata: [VISIBLE], limit: 1 })).items.length > 0;
      const page = pageOf(input);
      const { items, next } = await executed(input.filter?.eventFilter ? filtered(page, sessions, hasEvents) : sessions(page));
      const sessionSummaries = items.map(({ session, actor, createdAt }) => ({
        sessionId: session,
        actorId: actor,
        createdAt: new Date(createdAt),
      }));
      return { sessionSummaries, nextToken: next };
    },
    async ListActors(input: PageRequest & { memoryId: string }) {
      const { store } = stores.of(input.memoryId);
      const { items, next }: MemoryPage<{ actor: string }> = await executed(store.actors(pageOf(input)));
      return { actorSummaries: items.map(({ actor }) => ({ actorId: actor })), nextToken: next };
    },
  };
}

const PAGE = 20;

/** A page of those that pass, as full as it may be. Another page is told of only where one more passes. */
async function filtered<T>(
  { limit, after }: ReturnType<typeof pageOf>,
  read: (page: PageQuery) => Promise<MemoryPage<T>>,
  passes: (item: T) => Promise<boolean>,
): Promise<MemoryPage<T>> {
  const full: T[] = [];
  let next: string | undefined;
  for (let from = after; ; ) {
    // not more than the page still takes: the token of a page is that of its last item
    const missing = limit - full.length || limit;
    const page = await read({ limit: missing, ...(from !== undefined && { after: from }) });
    const verdicts = await Promise.all(page.items.map(passes));
    const passing = page.items.filter((_, i) => verdicts[i]);
    if (full.length === limit && passing.length > 0) return { items: full, ...(next !== undefined && { next }) };
    if (full.length < limit) {
      full.push(...passing);
      next = page.next;
    }
    if (page.next === undefined) return { items: full };
    from = page.next;
  }
}

/** The event, or the first one of its key, whatever that holds. */
async function appended(store: Opened['store'], event: NewEvent): Promise<MemoryEvent> {
  try {
    return await store.append(event);
  } catch (error) {
    const first = RondoError.is(error, 'MEMORY_CONFLICT') ? (error.details as { event?: EventRef }).event : undefined;
    const known = first && (await store.event(first));
    if (!known) throw error;
    return known;
  }
}

export const pageOf = ({ maxResults = PAGE, nextToken }: PageRequest) => ({
  limit: maxResults,
  ...(nextToken !== undefined && { after: nextToken }),
});
