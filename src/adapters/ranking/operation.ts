/** What a tool does to what, by the words of its name: `delete_issue`, `issues.remove`. */
import { wordsOf } from './words.ts';

type Doing = 'read' | 'create' | 'update' | 'delete';

export interface Operation {
  readonly doing: Doing | undefined;
  /** The name without the word for what is done. */
  readonly thing: string;
}

/** Words in names of tools. */
const IN_NAMES = wordsFor({
  read: 'get list read find search fetch show query retrieve describe view lookup check count',
  create: 'create add new insert make post send open schedule book register',
  update: 'update edit set change modify patch rename move put',
  delete: 'delete remove cancel destroy clear purge revoke',
});
/** Words by which people ask. */
const IN_QUERIES = wordsFor({
  read: 'get list read find search fetch show query retrieve describe view lookup check count see look what which who where when how is are did tell',
  create:
    'create add new insert make post send open schedule book register write start put draw arrange set place buy order share need save enter',
  update: 'update edit change modify patch rename move set correct fix replace adjust scale extend',
  delete: 'delete remove cancel destroy clear purge revoke erase drop away off out rid',
});

function wordsFor(lists: Readonly<Record<Doing, string>>): ReadonlyMap<string, ReadonlySet<Doing>> {
  const words = new Map<string, Set<Doing>>();
  for (const [doing, list] of Object.entries(lists) as [Doing, string][])
    for (const word of list.split(' ')) words.set(word, (words.get(word) ?? new Set()).add(doing));
  return words;
}

export function operationOf(name: string): Operation {
  const words = wordsOf(name, 64);
  const at = words.findIndex((word) => IN_NAMES.has(word));
  const [doing] = IN_NAMES.get(words[at] ?? '') ?? [];
  return { doing, thing: words.filter((_, i) => i !== at).join(' ') };
}

/** What a query asks to have done; empty if it does not say. */
export function askedToDo(query: string): ReadonlySet<Doing> {
  const asked = new Set<Doing>();
  for (const word of wordsOf(query, 64)) for (const doing of IN_QUERIES.get(word) ?? []) asked.add(doing);
  return asked;
}
