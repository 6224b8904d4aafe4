/** The engine's memory on a store: what is recalled, recorded and forgotten, and for whom. */
import { invalid, RondoError, ToolError } from '../../../errors.ts';
import { checkOptions } from '../../../options.ts';
import type { Memory } from '../../../ports/memory.ts';
import type { Explanation, MemoryStore } from '../../../ports/memory-store.ts';
import type { Principal } from '../../../ports/principal.ts';
import type { Tool } from '../../../ports/tool.ts';
import { checkTemplate, variablesOf } from '../templates.ts';
import { itemsOf, type Learned } from './items.ts';
import { type Known, knownOf } from './known.ts';
import { actorOf, sessionOf } from './names.ts';
import { namespacesOf, placeOf, type Templates, templatesOf, type Whose } from './places.ts';
import { recalled } from './recall.ts';
import { type MemoryToolsOptions, memoryTools } from './tools.ts';

/** Templates are those of the store's strategies. A namespace without `{actorId}` is shared: all users read it, and none may change it. */
export interface RememberOptions {
  /** What is recalled. Default: where `facts()`, `preferences()` and the reflections of `episodes()` go. */
  namespaces?: readonly string[];
  /** What is only found by search, and listed, corrected and deleted. Default: where `episodes()` go. */
  searched?: readonly string[];
  /** Where summaries of sessions are, and how many of the last are recalled, 0 to 20. Default: where `summary()` goes, and 3. */
  summaries?: { namespace?: string; last?: number } | false;
  /** Where the tool `remember` adds what the model says. Default `/notes/{actorId}/`. */
  notes?: string;
  /** Most records of one recall, 1 to 100. Default 10. */
  top?: number;
  /**
   * Whose words the store may learn from. What the others said is stored, and no store learns from it. Default `['user']`. What assistants say may
   * come from a tool that an attacker wrote to: learn from them only where a wrong or a hostile record does no harm.
   */
  learn?: readonly Learned[];
  /** Values of variables of your own in templates. */
  variables?(by: Principal): Readonly<Record<string, string>>;
  /** The actor of a principal, without `/`. Two principals must never have the same. Default: made of tenant and id, see docs/memory.md. */
  actor?(by: Principal): string;
}

/** Why a recall found what it found, of each namespace. */
export interface RecallExplanation extends Partial<Explanation> {
  template: string;
  /** Absent if a variable has no value. */
  namespace?: string;
  why: string;
}

export interface RememberedMemory extends Memory {
  /** What is known of a principal, for them to read, correct and delete. Take the principal from authentication. */
  of(by: Principal): Known;
  /** `remember`, `search_memory` and `forget_memory`, for the user of the run. */
  tools(o?: MemoryToolsOptions): readonly Tool[];
  explain(q: { by: Principal; text: string }): Promise<readonly RecallExplanation[]>;
  forget(q: Parameters<NonNullable<Memory['forget']>>[0]): Promise<void>;
}

const EXAMPLES = {
  namespaces: "namespaces: ['/facts/{actorId}/']",
  searched: "searched: ['/episodes/{actorId}/{sessionId}/']",
  summaries: 'summaries: { last: 3 }',
  notes: "notes: '/notes/{actorId}/'",
  top: 'top: 10',
  learn: "learn: ['user']",
  variables: "variables: (by) => ({ team: 'red' })",
  actor: 'actor: (by) => by.id',
};

/**
 * A memory of the engine on a store: `new Engine({ memory: remember(sqliteMemory('memory.db', { strategies: [facts()] })) })`.
 * @throws RondoError `CONFIG_INVALID`
 */
export function remember(store: MemoryStore, o: RememberOptions = {}): RememberedMemory {
  if (typeof store?.append !== 'function' || typeof store.search !== 'function')
    throw invalid("remember() takes a store: remember(sqliteMemory('memory.db')).");
  checkOptions(o, EXAMPLES, 'remember()');
  const templates = checkedTemplates(o);
  const { learn = ['user'] } = o;
  if (!Array.isArray(learn) || learn.some((one) => !['user', 'assistant', 'tool'].includes(one)))
    throw invalid("remember(): learn is a list of 'user', 'assistant' and 'tool'.");
  const top = whole(o.top ?? 10, 'top', 1, 100);
  const last = o.summaries ? whole(o.summaries.last ?? 3, 'summaries.last', 0, 20) : 3;
  const actorFor = o.actor ?? actorOf;
  const whoseIs = (by: Principal): Whose => ({ by, actor: checkedActor(actorFor(by)), values: o.variables?.(by) ?? {} });
  const of = (by: Principal): Known => knownOf(store, templates, whoseIs(by));

  return {
    of,
    recall: (q) => recalled({ store, templates, top, last }, whoseIs(q.by), q),
    async record({ by, session, agent, run, nested = false, messages, idempotencyKey, signal }) {
      const items = itemsOf(messages, learn, nested);
      if (items.length === 0) return;
      const { actor, values } = whoseIs(by);
      try {
        const event = {
          actor,
          session: sessionOf(session),
          items,
          metadata: { run: plainOf(run), agent: plainOf(agent) },
          key: idempotencyKey,
          ...(Object.keys(values).length > 0 && { variables: values }),
        };
        await store.append(event, { signal });
      } catch (error) {
        // recorded before, by a version or a configuration that wrote it in another way
        if (RondoError.is(error, 'MEMORY_CONFLICT')) return;
        if (RondoError.is(error, 'MEMORY_INPUT_INVALID')) throw new ToolError(error.code, error.message, { cause: error });
        throw error;
      }
    },
    forget: ({ by, session }) => of(by).forget(session),
    tools: (given) =>
      memoryTools(
        {
          store,
          of,
          notesOf(by) {
            const whose = whoseIs(by);
            const { namespace, missing } = placeOf(templates.notes, whose);
            if (namespace === undefined) throw invalid(`remember(): ${templates.notes} has no value for ${missing?.join(', ')}.`);
            return { actor: whose.actor, namespace };
          },
        },
        given,
      ),
    async explain({ by, text }) {
      const whose = whoseIs(by);
      const among = namespacesOf(templatesOf(templates), whose);
      return Promise.all(
        templatesOf(templates).map(async (template): Promise<RecallExplanation> => {
          const { namespace, missing } = placeOf(template, whose);
          if (namespace === undefined)
            return { template, why: `There is no value for ${missing?.map((one) => `{${one}}`).join(' and ')}.` };
          const explanation = (await store.explain?.({ namespace, text, among })) ?? { why: 'The store cannot tell.' };
          return { template, namespace, ...explanation };
        }),
      );
    },
  };
}

function checkedTemplates(o: RememberOptions): Templates {
  const {
    namespaces = ['/facts/{actorId}/', '/preferences/{actorId}/', '/reflections/{actorId}/'],
    searched = ['/episodes/{actorId}/{sessionId}/'],
    summaries = {},
    notes = '/notes/{actorId}/',
  } = o;
  const many = (given: readonly string[], option: string) => {
    if (!Array.isArray(given) || given.length > 20) throw invalid(`remember(): ${option} is a list of at most 20 templates.`);
    return given.map((template) => checked(template, option));
  };
  return {
    recalled: many(namespaces, 'namespaces'),
    searched: many(searched, 'searched'),
    summaries: summaries === false ? undefined : checked(summaries.namespace ?? '/summaries/{actorId}/{sessionId}/', 'summaries'),
    notes: checked(notes, 'notes', true),
  };
}

/** A namespace is read over all sessions, so what comes before `{sessionId}` must be of one user. */
function checked(given: string, option: string, ofOne = false): string {
  const template = checkTemplate(given, `remember(): ${option}`);
  const variables = variablesOf(template);
  const [actor, session] = [variables.indexOf('actorId'), variables.indexOf('sessionId')];
  if ((session >= 0 && (actor < 0 || actor > session)) || (ofOne && actor < 0))
    throw invalid(
      `remember(): ${option}: ${template} needs {actorId}${session >= 0 ? ' before {sessionId}' : ''}, or others would read it.`,
    );
  // two variables in one segment: `ab` and `c` would be where `a` and `bc` are
  const shared = template.split('/').find((segment) => segment.includes('{actorId}') && variablesOf(segment).length > 1);
  if (shared !== undefined)
    throw invalid(`remember(): ${option}: ${template} has another variable beside {actorId} in ${shared}, or others would read it.`);
  return template;
}

/** A `/` would put the records of one user inside of the namespace of another. */
function checkedActor(actor: string): string {
  if (typeof actor === 'string' && actor !== '' && !/[/{}]/.test(actor)) return actor;
  throw invalid(`remember(): actor gave ${JSON.stringify(actor)}: a text that is not empty, without "/", "{" and "}".`);
}

function whole(given: number, option: string, least: number, most: number): number {
  if (!Number.isInteger(given) || given < least || given > most)
    throw invalid(`remember(): ${option} is a whole number from ${least} to ${most}.`);
  return given;
}

/** In the characters that AgentCore takes in metadata. */
const plainOf = (name: string) => name.replace(/[^a-zA-Z0-9\s._:/=+@-]/g, '_').slice(0, 256);
