import { RondoError } from '../../src/errors.ts';
import { recordConflict } from '../../src/journal/errors.ts';
import type { Journal } from '../../src/journal/port.ts';
import type { RecordAppendOptions, RecordListOptions, Records } from '../../src/journal/records.ts';
import type { Json } from '../../src/json.ts';
import { PlainJournal } from './plain.ts';

/** Everything that the suite of records must notice in a store. */
export const BUGS = [
  'ignores what is expected',
  'takes a lower number for the expected one',
  'takes a higher number for the expected one',
  'takes 0 for nothing expected',
  'checks and writes in two moments',
  'refuses with an error of its own',
  'does not say how many values it holds',
  'keeps the values of a refused append',
  'keeps the key of a refused append',
  'keeps the key of an append without values',
  'does not check an append without values',
  'answers how many values it appended',
  'keeps only the first value of an append',
  'turns the values of an append round',
  'mixes the values of appends at once',
  'reads after the index, not from it',
  'ignores where reading begins',
  'reads a thousand values at most',
  'makes a key of what is read',
  'joins namespace and key',
  'takes names for parts of an object',
  'takes names in capitals for the same',
  'trims names',
  'loses __proto__',
  'loses half characters',
  'cuts text at 1 MB',
  'takes null for nothing',
  'lists the keys of all namespaces',
  'lists a key for each value',
  'ignores the limit',
  'begins every page with the first key',
  'repeats the key before a page',
  'loses its place where the key before a page is gone',
  'lists deleted keys',
  'keeps the values of a deleted key',
  'goes on counting after a delete',
  'deletes the whole namespace',
  'fails to delete what is not there',
  'keeps records as runs',
  'removes records with the run of their name',
  'leaves out the record of a run that is appended',
  'does not check the record of a run that is appended',
  'appends a run whose record is refused',
  'appends the record of a run that is refused',
] as const;
export type Bug = (typeof BUGS)[number];

/** A journal with records as a user might write them, that keeps JSON; with one of the bugs, or with none. */
export class PlainRecords extends PlainJournal {
  readonly records: Records;
  readonly #spaces = new Map<string, Map<string, string[]>>();
  readonly #deleted = new Map<string, number>();
  readonly #bug: Bug | undefined;

  constructor(bug?: Bug) {
    super();
    this.#bug = bug;
    this.records = {
      append: (namespace, key, values, o) => this.#add(namespace, key, values, o),
      read: (namespace, key, from) => this.#values(namespace, key, from),
      list: (namespace, o) => this.#keys(namespace, o),
      delete: (namespace, key) => this.#delete(namespace, key),
    };
  }

  #names(namespace: string, key: string): [string, string] {
    const bug = this.#bug;
    if (bug === 'joins namespace and key') return ['', `${namespace}/${key}`];
    if (bug === 'takes names for parts of an object' && key in {}) return [namespace, 'object'];
    if (bug === 'takes names in capitals for the same') return [namespace, key.toLowerCase()];
    if (bug === 'trims names') return [namespace, key.trim()];
    return [namespace, key];
  }

  #list(namespace: string, key: string): string[] | undefined {
    const [space, name] = this.#names(namespace, key);
    return this.#spaces.get(space)?.get(name);
  }

  #made(namespace: string, key: string): string[] {
    const [space, name] = this.#names(namespace, key);
    const keys = this.#spaces.get(space) ?? new Map<string, string[]>();
    this.#spaces.set(space, keys);
    const list = keys.get(name) ?? [];
    keys.set(name, list);
    return list;
  }

  #before(namespace: string, key: string): number {
    return this.#bug === 'goes on counting after a delete' ? (this.#deleted.get(JSON.stringify([namespace, key])) ?? 0) : 0;
  }

  async #add(namespace: string, key: string, values: readonly Json[], { expected }: RecordAppendOptions = {}): Promise<number> {
    const bug = this.#bug;
    const held = this.#before(namespace, key) + (this.#list(namespace, key)?.length ?? 0);
    if (bug === 'checks and writes in two moments') await undefined;
    const wrong =
      expected !== undefined &&
      (bug === 'takes a lower number for the expected one'
        ? expected > held
        : bug === 'takes a higher number for the expected one'
          ? expected < held
          : expected !== held);
    const ignored =
      bug === 'ignores what is expected' ||
      (bug === 'takes 0 for nothing expected' && !expected) ||
      (bug === 'does not check an append without values' && values.length === 0);
    if (expected !== undefined && wrong && !ignored) {
      if (bug === 'keeps the key of a refused append') this.#made(namespace, key);
      if (bug === 'keeps the values of a refused append') this.#made(namespace, key).push(...values.map((value) => JSON.stringify(value)));
      if (bug === 'refuses with an error of its own') throw new Error('conflict');
      if (bug === 'does not say how many values it holds') throw new RondoError('JOURNAL_CONFLICT', 'conflict');
      throw recordConflict(namespace, key, expected, held);
    }
    if (values.length === 0 && bug !== 'keeps the key of an append without values') return held;
    const list = this.#made(namespace, key);
    const texts = values.map((value) => this.#write(value));
    if (bug === 'turns the values of an append round') texts.reverse();
    if (bug === 'keeps only the first value of an append') texts.length = Math.min(1, texts.length);
    for (const text of texts) {
      list.push(text);
      if (bug === 'mixes the values of appends at once') await undefined;
    }
    if (bug === 'keeps records as runs') this.#pose(key);
    return bug === 'answers how many values it appended' ? values.length : held + values.length;
  }

  #pose(runId: string): void {
    const head = { runId, agent: '@records', status: 'completed', startedAt: 0, version: 1, seq: 0 } as const;
    if (!this.runs.has(runId)) this.runs.set(runId, { nr: 0, log: [], held: 0, head });
  }

  #write(value: Json): string {
    const bug = this.#bug;
    if (bug === 'loses __proto__')
      return JSON.stringify(value, (_, part) =>
        typeof part === 'object' && part !== null && !Array.isArray(part) ? Object.assign({}, part) : part,
      );
    const text = JSON.stringify(value);
    if (bug === 'loses half characters') return text.replace(/\\ud[89a-f]../gi, '\\ufffd');
    if (bug === 'cuts text at 1 MB' && typeof value === 'string') return JSON.stringify(value.slice(0, 1_048_576));
    return text;
  }

  *#values(namespace: string, key: string, from = 0): Generator<Json> {
    const bug = this.#bug;
    if (bug === 'makes a key of what is read') this.#made(namespace, key);
    const start = bug === 'ignores where reading begins' ? 0 : bug === 'reads after the index, not from it' && from > 0 ? from + 1 : from;
    const most = bug === 'reads a thousand values at most' ? start + 1_000 : undefined;
    for (const text of (this.#list(namespace, key) ?? []).slice(start, most)) {
      const value: Json = JSON.parse(text);
      if (value !== null || bug !== 'takes null for nothing') yield value;
    }
  }

  #keys(namespace: string, { after, limit }: RecordListOptions = {}): string[] {
    const bug = this.#bug;
    const spaces =
      bug === 'lists the keys of all namespaces'
        ? [...this.#spaces.values()]
        : [this.#spaces.get(namespace) ?? new Map<string, string[]>()];
    let keys = spaces.flatMap((space) =>
      [...space].flatMap(([key, list]) => (bug === 'lists a key for each value' ? list.map(() => key) : [key])),
    );
    if (bug === 'joins namespace and key')
      keys = [...(this.#spaces.get('')?.keys() ?? [])]
        .filter((key) => key.startsWith(`${namespace}/`))
        .map((key) => key.slice(namespace.length + 1));
    if (bug === 'lists deleted keys')
      for (const name of this.#deleted.keys()) {
        const [space, key] = JSON.parse(name);
        if (space === namespace && !keys.includes(key)) keys.push(key);
      }
    keys.sort();
    if (after !== undefined && bug !== 'begins every page with the first key') {
      if (bug === 'loses its place where the key before a page is gone') keys = keys.slice(keys.indexOf(after) + 1);
      else keys = keys.filter((key) => (bug === 'repeats the key before a page' ? key >= after : key > after));
    }
    return bug === 'ignores the limit' ? keys : keys.slice(0, limit);
  }

  #delete(namespace: string, key: string): void {
    const bug = this.#bug;
    const [space, name] = this.#names(namespace, key);
    const list = this.#list(namespace, key);
    if (!list && bug === 'fails to delete what is not there') throw new Error(`no record ${key}`);
    if (list) this.#deleted.set(JSON.stringify([namespace, key]), list.length);
    if (bug === 'keeps the values of a deleted key') return;
    if (bug === 'deletes the whole namespace') this.#spaces.delete(space);
    this.#spaces.get(space)?.delete(name);
  }

  #turn: Promise<unknown> = Promise.resolve();

  override append(...args: Parameters<Journal['append']>): Promise<void> {
    const [runId, expectedSeq, entries, head, o] = args;
    const write = async () => {
      const bug = this.#bug;
      const { namespace = '', key = '', values = [], expected = 0 } = o?.record ?? {};
      const held = this.#list(namespace, key)?.length ?? 0;
      const refused = o?.record && held !== expected && bug !== 'does not check the record of a run that is appended';
      if (o?.record && !refused && bug === 'appends the record of a run that is refused') await this.#add(namespace, key, values);
      if (!refused || bug === 'appends a run whose record is refused') await super.append(runId, expectedSeq, entries, head);
      if (refused) throw recordConflict(namespace, key, expected, held);
      if (!o?.record || bug === 'leaves out the record of a run that is appended') return;
      if (bug !== 'appends the record of a run that is refused') await this.#add(namespace, key, values);
    };
    // one after the other, so that check and write are one
    const turn = this.#turn.then(write);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  override async remove(runId: string, expectedSeq?: number): Promise<void> {
    if (this.#bug === 'removes records with the run of their name') for (const keys of this.#spaces.values()) keys.delete(runId);
    await super.remove(runId, expectedSeq);
  }
}
