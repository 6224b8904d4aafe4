/** The right to be forgotten on AgentCore: events and records are listed, and deleted one by one. */
import { invalid, RondoError } from '../../../errors.ts';
import type { MemoryPage, MemoryStore, Written } from '../../../ports/memory-store.ts';
import { before, checkTemplate, fill, variablesOf } from '../../memory/templates.ts';

const ACTOR = 'actorId';

/** @throws RondoError `CONFIG_INVALID` for a template under which the records of an actor are not alone. */
export function checkPlaces(templates: readonly string[], where: string): readonly string[] {
  for (const template of templates) {
    checkTemplate(template, where);
    const [first] = variablesOf(template);
    if (first !== ACTOR)
      throw invalid(
        `${where}: the namespace ${template} has {${ACTOR}} not as its first variable, so the records of one user cannot be told from those of others. Put the id of a strategy in place of {memoryStrategyId}.`,
      );
  }
  return templates;
}

/** The paths under which a template has the records of an actor, or of one session of it; undefined: it has none of that session alone. */
function pathOf(template: string, actor: string, session: string | undefined): string | undefined {
  const [, second] = variablesOf(template);
  if (session !== undefined && second !== 'sessionId') return undefined;
  const upTo = session === undefined ? second : variablesOf(template)[2];
  const filled = fill(upTo === undefined ? template : before(template, upTo), { [ACTOR]: actor, sessionId: session });
  // a `/` would reach the records of an actor whose name begins with this one
  if ('missing' in filled || actor.includes('/'))
    throw invalid(`agentcoreMemory(): ${actor} cannot be put into the namespace ${template}.`);
  return filled.namespace;
}

type Parts = Pick<MemoryStore, 'sessions' | 'events' | 'removeEvent' | 'list' | 'remove'>;

export function forgetting(store: Parts, templates: readonly string[] | undefined): MemoryStore['forget'] {
  return async ({ actor, session }) => {
    if (templates === undefined)
      throw invalid(
        "agentcoreMemory(): to forget, say where the records of a user are: namespaces: ['/facts/{actorId}/'], as the strategies of the memory have them.",
      );
    const sessions = session === undefined ? await all((after) => store.sessions({ actor, ...after })) : [{ session }];
    for (const one of sessions) {
      const events = await all((after) => store.events({ actor, session: one.session, items: false, limit: 100, ...after }));
      for (const { id } of events) await store.removeEvent({ actor, session: one.session, id });
    }
    const left: Written[] = [];
    // records last: an extraction that ends meanwhile may still add some
    for (const template of templates) {
      const namespace = pathOf(template, actor, session);
      if (namespace === undefined) continue;
      const records = await all((after) => store.list({ namespace, limit: 100, ...after }));
      for (let i = 0; i < records.length; i += 100) left.push(...(await store.remove(records.slice(i, i + 100).map(({ id }) => id))));
    }
    assertGone(left);
  };
}

/** @throws RondoError `MEMORY_UNAVAILABLE` if a record may still be there. */
function assertGone(written: readonly Written[]): void {
  const left = written.filter((one) => !one.ok && one.code !== 'MEMORY_RECORD_UNKNOWN');
  const [first] = left;
  if (!first || first.ok) return;
  throw new RondoError(
    'MEMORY_UNAVAILABLE',
    `AgentCore did not delete ${left.length} of ${written.length} records: ${first.message} Forget again.`,
    { details: { records: left.length, retryable: left.every((one) => !one.ok && one.code === 'MEMORY_UNAVAILABLE') } },
  );
}

async function all<T>(list: (after: { after?: string }) => Promise<MemoryPage<T>>): Promise<T[]> {
  const found: T[] = [];
  for (let after: string | undefined; ; ) {
    const { items, next } = await list(after === undefined ? {} : { after });
    found.push(...items);
    if (next === undefined) return found;
    after = next;
  }
}
