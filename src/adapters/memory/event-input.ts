/** Events as they are given: checked, and as they are stored. */
import { digest } from '../../journal/canonical.ts';
import type { Json } from '../../json.ts';
import type { EventItem, NewEvent } from '../../ports/memory-store.ts';
import { entries, json, list, name, object, oneOf, text, texts, time } from './checks.ts';
import { refused } from './errors.ts';

export const ACTOR = 255;
export const SESSION = 100;
const TEXT = 100_000;
const ITEM_BYTES = 100 * 1024;
const EVENT_BYTES = 10 * 1024 * 1024;

/** An event that was checked. What was not given is undefined. */
export interface CheckedEvent {
  readonly actor: string;
  readonly session: string | undefined;
  readonly at: number | undefined;
  /** JSON of the items. */
  readonly items: string;
  /** Undefined: the main line. */
  readonly branch: { readonly name: string; readonly root: string | undefined } | undefined;
  readonly metadata: string | undefined;
  readonly extract: boolean;
  readonly variables: string | undefined;
  readonly key: string | undefined;
  /** Of all that was given with the key. */
  readonly digest: string | undefined;
}

/** @throws RondoError `MEMORY_INPUT_INVALID` for what is against a limit of the port. */
export function checkedEvent(event: NewEvent): CheckedEvent {
  const { session, at, branch, metadata, variables, key, extract = true } = event;
  const items = list<EventItem>(event.items, 'items', 0, 100).map((item, i) => checkedItem(item, `items[${i}]`));
  const stored = JSON.stringify(items);
  if (stored.length > EVENT_BYTES || Buffer.byteLength(stored) > EVENT_BYTES)
    throw refused('items', 'the event is larger than 10 MB; add it as several events');
  if (typeof extract !== 'boolean') throw refused('extract', 'give true or false');
  const checked = {
    actor: name(event.actor, 'actor', ACTOR),
    session: session === undefined ? undefined : name(session, 'session', SESSION),
    at: at === undefined ? undefined : time(at, 'at'),
    items: stored,
    branch: branch === undefined ? undefined : checkedBranch(branch),
    metadata: metadata === undefined ? undefined : asJson(texts(metadata, 'metadata', 15, 256)),
    extract,
    variables: variables === undefined ? undefined : asJson(texts(variables, 'variables', 15, 256)),
    key: key === undefined ? undefined : name(key, 'key', 500),
  };
  return { ...checked, digest: checked.key === undefined ? undefined : digest(checked as Json) };
}

/** Sorted, so that the same values have the same digest. */
const asJson = (values: Readonly<Record<string, string>>): string | undefined => {
  const sorted = Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1));
  return sorted.length === 0 ? undefined : JSON.stringify(Object.fromEntries(sorted));
};

function checkedBranch(value: { name: string; root?: string }): CheckedEvent['branch'] {
  const { name: given, root } = object<typeof value>(value, 'branch');
  const branch = name(given, 'branch.name', 100);
  // the name that AWS's clients know the main line by
  if (branch === 'main') return undefined;
  return { name: branch, root: root === undefined ? undefined : name(root, 'branch.root', 100) };
}

function checkedItem(item: EventItem, field: string): EventItem {
  object(item, field);
  if (item.kind === 'text')
    return {
      kind: 'text',
      role: oneOf(item.role, `${field}.role`, ['user', 'assistant', 'tool', 'other']),
      text: text(item.text, `${field}.text`, 1, TEXT),
    };
  const kind = oneOf(item.kind, `${field}.kind`, ['json', 'blob']);
  const value = json(item.value, `${field}.value`);
  if (kind === 'json' && Buffer.byteLength(JSON.stringify(value)) > ITEM_BYTES)
    throw refused(`${field}.value`, 'it is larger than 100 KB; add it as several items');
  return { kind, value };
}

/** @throws RondoError `MEMORY_INPUT_INVALID` for a filter that is not one of the port's. */
export function checkedFilters<T>(filters: readonly T[] | undefined, check: (filter: T, field: string) => void): readonly T[] {
  if (filters === undefined) return [];
  const all = list<T>(filters, 'metadata', 0, 20);
  for (const [i, filter] of all.entries()) {
    if (typeof filter !== 'object' || filter === null) throw refused(`metadata[${i}]`, 'give an object with `key` and `is`');
    entries({ [String((filter as { key?: unknown }).key)]: 0 }, `metadata[${i}]`, 1);
    check(filter, `metadata[${i}]`);
  }
  return all;
}
