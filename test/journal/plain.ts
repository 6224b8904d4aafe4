import type { Entry } from '../../src/journal/entries/entries.ts';
import { conflict, sessionBusy } from '../../src/journal/errors.ts';
import { type Listener, Listeners, type SubscribeOptions } from '../../src/journal/listeners.ts';
import type { DueFilter, HeadFilter, Journal, RunHead } from '../../src/journal/port.ts';

/** Everything that the suite must notice in a store. */
export const BUGS = [
  'appends below the end',
  'appends over what is there',
  'appends after a gap',
  'checks and writes in two moments',
  'refuses with an error of its own',
  'keeps the head of a refused append',
  'keeps the entries of a refused append',
  'keeps only the first entry of an append',
  'turns the entries of an append round',
  'forgets heads after the first',
  'keeps what a head no longer has',
  'starts lists with the oldest',
  'lists by the order of first appends',
  'ignores the limit',
  'applies the limit before the filter',
  'cuts long lists',
  'ignores the agent of a filter',
  'ignores the tenant of a filter',
  'ignores the mark of a filter',
  'takes any field of a filter for enough',
  'takes undefined in a filter for a value',
  'begins every page with the newest',
  'goes on a page behind its whole millisecond',
  'loses its place where the run before a page is gone',
  'takes owners that hold a text for those that begin with it',
  'takes a live lease for one that has ended',
  'waits for the end of a lease that is not there',
  'waits for a lease to be past its end',
  'takes every paused run for due',
  'takes decided runs for those that only wait for people',
  'takes runs that have ended for due',
  'lists due runs by their start',
  'lists those due last first',
  'ignores the limit of due runs',
  'begins every page with the longest due',
  'goes on a page of due runs behind its whole millisecond',
  'loses its place where the run before a page is no longer due',
  'leaves out parts of the heads of due runs',
  'lists queued runs of all tenants by their start',
  'lists all queued runs where the first of each tenant is wanted',
  'takes no tenant for any tenant',
  'lets a queued run occupy its session',
  'hands out its own heads',
  'reads from the number on, not after it',
  'reads whole appends only',
  'invents a run that is read',
  'shows half of an append that is under way',
  'lets a second run open in a session',
  'lets a run open beside a paused one',
  'lets a settled run open again beside another',
  'keeps a session after its run has settled',
  'keeps a session after its run was removed',
  'stands in the way of a run itself',
  'takes sessions of all tenants for one',
  'takes no tenant for an empty one',
  'joins the names of tenant and session',
  'does not say which run is open',
  'takes no session for one',
  'gives every lease',
  'never gives a lease to another',
  'does not store who has a lease',
  'does not store until when a lease is',
  'ignores the owner that came with an append',
  'keeps the owner of a run that is no longer running',
  'lets a running head without an owner take it away',
  'refuses appends to all but the owner',
  'keeps the entries of a removed run',
  'keeps the head of a removed run',
  'removes everything',
  'removes a run that went on',
  'fails to remove what is not there',
  'loses half characters',
  'loses __proto__',
  'takes names for parts of an object',
  'cuts text at 1 MB',
  'takes content of one length for the same',
  'forgets shared content with the first run that is removed',
  'puts user data named blobs in place of content',
  'says nothing of what is appended',
  'says nothing of what is removed',
  'tells those who listen to one run of all',
  'goes on telling those who have ended',
  'lets a listener fail the append',
  'has a clock that stands in 1970',
] as const;
export type Bug = (typeof BUGS)[number];

interface Run {
  nr: number;
  log: string[][];
  held: number;
  head: RunHead;
}
const isOpen = ({ status, aside }: RunHead) => !aside && (status === 'running' || status === 'paused');

/** A plain store as a user might write it, that keeps JSON; with one of the bugs, or with none. */
export class PlainJournal implements Journal {
  readonly durable = false;
  readonly runs = new Map<string, Run>();
  readonly #bug: Bug | undefined;
  #nr = 0;
  #shared = new Map<number, string>();

  constructor(bug?: Bug) {
    this.#bug = bug;
    if (bug === 'has a clock that stands in 1970') (this as Journal).now = () => 7;
  }

  readonly #listeners = new Listeners();
  #direct: Listener[] = [];

  subscribe(listener: Listener, { runId, signal }: SubscribeOptions): boolean {
    const bug = this.#bug;
    if (bug === 'lets a listener fail the append') this.#direct.push(listener);
    const all = bug === 'tells those who listen to one run of all' ? undefined : runId;
    const ending = bug === 'goes on telling those who have ended' ? new AbortController().signal : signal;
    this.#listeners.add(listener, { signal: ending, ...(all !== undefined && { runId: all }) });
    return true;
  }

  async append(...args: Parameters<Journal['append']>): Promise<void> {
    await this.#append(...(args as unknown as [string, number, readonly Entry[], RunHead]));
    for (const listener of this.#direct) listener(args[0]);
    if (this.#bug !== 'says nothing of what is appended') this.#listeners.changed(args[0]);
  }

  async #append(runId: string, expectedSeq: number, entries: readonly Entry[], head: RunHead): Promise<void> {
    const bug = this.#bug;
    const id = bug === 'takes names for parts of an object' && runId in {} ? 'object' : runId;
    let run = this.runs.get(id);
    const held = run ? run.held : 0;
    if (bug === 'checks and writes in two moments') await new Promise((resolve) => setImmediate(resolve));
    const fits =
      held === expectedSeq ||
      (bug === 'appends below the end' && expectedSeq < held) ||
      (bug === 'appends over what is there' && expectedSeq < held) ||
      (bug === 'appends after a gap' && expectedSeq > held);
    const fresh = () => ({ nr: this.#nr++, log: [], held: 0, head: { ...head } });
    if (!fits) {
      if (bug === 'keeps the head of a refused append') {
        if (run) run.head = { ...head };
        else this.runs.set(id, fresh());
      }
      throw bug === 'refuses with an error of its own' ? new Error('conflict') : conflict(runId, expectedSeq, held);
    }
    if (bug === 'refuses appends to all but the owner' && run?.head.owner !== undefined && run.head.owner !== head.owner)
      throw conflict(runId, expectedSeq, held);
    const before = run?.head;
    if (bug === 'keeps the entries of a refused append') {
      run ??= fresh();
      this.runs.set(id, run);
      run.log.push(entries.map((e) => this.#write(e)));
      run.held += entries.length;
    }
    this.#place(id, head, before);
    if (!run) {
      run = fresh();
      this.runs.set(id, run);
    }
    if (bug === 'appends over what is there') {
      const kept = run.log.flat().slice(0, expectedSeq);
      run.log = [kept];
      run.held = kept.length;
    }
    if (bug !== 'keeps the entries of a refused append') {
      let written = entries.map((e) => this.#write(e));
      if (bug === 'keeps only the first entry of an append') written = written.slice(0, 1);
      if (bug === 'turns the entries of an append round') written.reverse();
      if (bug === 'shows half of an append that is under way' && written.length > 1) {
        run.log.push(written.slice(0, 1));
        await new Promise((resolve) => setImmediate(resolve));
        run.log.pop();
      }
      run.log.push(written);
      run.held += written.length;
    }
    if (bug === 'forgets heads after the first' && before) return;
    const { owner, leaseUntil } = run.head;
    run.head = bug === 'keeps what a head no longer has' ? { ...run.head, ...JSON.parse(JSON.stringify(head)) } : { ...head };
    if (bug === 'ignores the owner that came with an append') Object.assign(run.head, { owner, leaseUntil });
    const foreign = head.status === 'running' && bug !== 'lets a running head without an owner take it away';
    if (head.owner === undefined && owner !== undefined && (foreign || bug === 'keeps the owner of a run that is no longer running'))
      Object.assign(run.head, { owner, leaseUntil });
  }

  #place(id: string, head: RunHead, before: RunHead | undefined): void {
    const bug = this.#bug;
    if (bug === 'lets a second run open in a session') return;
    if (head.session === undefined && bug !== 'takes no session for one') return;
    if (!isOpen(head)) return;
    if (bug === 'lets a settled run open again beside another' && before && !isOpen(before)) return;
    const key = ({ tenant, session }: RunHead) => {
      if (bug === 'takes sessions of all tenants for one') return session;
      if (bug === 'takes no tenant for an empty one') return `${tenant ?? ''}/${session}`;
      if (bug === 'joins the names of tenant and session') return tenant === undefined ? `none/${session}` : `some/${tenant}${session}`;
      return JSON.stringify([tenant ?? null, session]);
    };
    for (const [otherId, { head: other }] of this.runs) {
      if (otherId === id && bug !== 'stands in the way of a run itself') continue;
      if (otherId === id && !before) continue;
      const queued = bug === 'lets a queued run occupy its session' && other.status === 'queued';
      const open = bug === 'keeps a session after its run has settled' || queued || isOpen(other);
      if (!open || (bug === 'lets a run open beside a paused one' && other.status === 'paused')) continue;
      if (key(other) !== key(head)) continue;
      throw sessionBusy(head.session as string, bug === 'does not say which run is open' ? '' : other.runId);
    }
    if (bug === 'keeps a session after its run was removed' && this.#removed.has(key(head)))
      throw sessionBusy(head.session as string, 'gone');
  }
  readonly #removed = new Set<string | undefined>();

  #write(entry: Entry): string {
    const bug = this.#bug;
    if (bug === 'loses __proto__')
      return JSON.stringify(entry, (_, value) =>
        typeof value === 'object' && value !== null && !Array.isArray(value) && Object.hasOwn(value, '__proto__')
          ? Object.assign({}, value)
          : value,
      );
    let text = JSON.stringify(entry);
    const output = (entry as { output?: unknown }).output;
    if (bug === 'loses half characters') text = text.replace(/\\ud[89a-f]../gi, '\\ufffd');
    if (bug === 'cuts text at 1 MB' && typeof output === 'string') text = JSON.stringify({ ...entry, output: output.slice(0, 1_048_576) });
    if (bug === 'puts user data named blobs in place of content' && typeof output === 'object' && output !== null && 'blobs' in output)
      text = JSON.stringify({ ...entry, output: output.blobs });
    if (
      text.length > 16_384 &&
      (bug === 'takes content of one length for the same' || bug === 'forgets shared content with the first run that is removed')
    ) {
      if (!this.#shared.has(text.length)) this.#shared.set(text.length, text);
      return `@${text.length}@${entry.seq}`;
    }
    return text;
  }

  #read(text: string): Entry {
    const shared = /^@(\d+)@(\d+)$/.exec(text);
    if (!shared) return JSON.parse(text);
    const found = this.#shared.get(Number(shared[1]));
    return found === undefined
      ? ({ seq: Number(shared[2]) } as Entry)
      : { ...JSON.parse(found), seq: Number(shared[2]), ...this.#calls(Number(shared[2]), found) };
  }

  /** What the entries of the suite say besides their content. */
  #calls(seq: number, text: string): object {
    const { at, seq: first, call } = JSON.parse(text);
    return call === undefined ? {} : { at: at - first + seq, call: `${seq}.0` };
  }

  async *read(runId: string, after = -1): AsyncGenerator<Entry> {
    const bug = this.#bug;
    const id = bug === 'takes names for parts of an object' && runId in {} ? 'object' : runId;
    const run = this.runs.get(id);
    if (!run) {
      if (bug === 'invents a run that is read')
        this.runs.set(id, {
          nr: this.#nr++,
          log: [],
          held: 0,
          head: { runId: id, agent: '', status: 'running', startedAt: 0, version: 1, seq: 0 },
        });
      return;
    }
    for (const append of [...run.log]) {
      const entries = append.map((text) => this.#read(text));
      const first = entries[0]?.seq ?? 0;
      for (const entry of entries) {
        const wanted =
          bug === 'reads from the number on, not after it'
            ? entry.seq >= after
            : bug === 'reads whole appends only'
              ? first > after
              : entry.seq > after;
        if (wanted) yield entry;
      }
    }
  }

  heads(f: HeadFilter): RunHead[] {
    const bug = this.#bug;
    const filter = { ...f };
    if (bug === 'ignores the agent of a filter') delete filter.agent;
    if (bug === 'ignores the tenant of a filter') delete filter.tenant;
    if (bug === 'ignores the mark of a filter') delete filter.asks;
    const { limit = Number.MAX_SAFE_INTEGER, after, ownerPrefix, ...fields } = filter;
    const pairs = Object.entries(fields).filter(([, value]) => value !== undefined || bug === 'takes undefined in a filter for a value');
    const matches = ({ head }: Run) => {
      const equal = ([field, value]: [string, unknown]) => head[field as keyof RunHead] === value;
      return bug === 'takes any field of a filter for enough' && pairs.length > 0 ? pairs.some(equal) : pairs.every(equal);
    };
    let found = [...this.runs.values()];
    const order = (a: Run, b: Run) =>
      bug === 'lists by the order of first appends' ? b.nr - a.nr : b.head.startedAt - a.head.startedAt || b.nr - a.nr;
    found.sort(bug === 'starts lists with the oldest' ? (a, b) => order(b, a) : order);
    if (bug === 'applies the limit before the filter') found = found.slice(0, limit);
    if (after && bug !== 'begins every page with the newest') {
      const last = this.runs.get(after.runId);
      if (!last && bug === 'loses its place where the run before a page is gone') return [];
      if (bug === 'goes on a page behind its whole millisecond') found = found.filter(({ head }) => head.startedAt < after.startedAt);
      else found = found.filter((run) => (last ? order(last, run) < 0 : run.head.startedAt <= after.startedAt));
    }
    if (ownerPrefix !== undefined)
      found = found.filter(({ head: { owner = '' } }) =>
        bug === 'takes owners that hold a text for those that begin with it' ? owner.includes(ownerPrefix) : owner.startsWith(ownerPrefix),
      );
    found = found.filter(matches);
    if (bug === 'cuts long lists') found = found.slice(0, 1_000);
    if (bug !== 'ignores the limit') found = found.slice(0, limit);
    return found.map(({ head }) => (bug === 'hands out its own heads' ? head : { ...head }));
  }

  due({ status, now, limit, after, tenant, firsts }: DueFilter): RunHead[] {
    const bug = this.#bug;
    const dueAt = (head: RunHead) => {
      if (head.status !== status && bug !== 'takes runs that have ended for due') return undefined;
      if (status === 'running') {
        if (bug === 'takes a live lease for one that has ended') return 0;
        return head.leaseUntil ?? (bug === 'waits for the end of a lease that is not there' ? undefined : 0);
      }
      if (status === 'queued') return head.startedAt;
      if (bug === 'takes every paused run for due') return head.wakeAt ?? 0;
      return bug === 'takes decided runs for those that only wait for people' ? head.wakeAt || undefined : head.wakeAt;
    };
    const text = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
    const byTenant = (a: RunHead, b: RunHead) =>
      status === 'queued' && bug !== 'lists queued runs of all tenants by their start' ? text(a.tenant ?? '', b.tenant ?? '') : 0;
    const order = (a: RunHead, b: RunHead) => byTenant(a, b) || (dueAt(a) ?? 0) - (dueAt(b) ?? 0) || text(a.runId, b.runId);
    let found = [...this.runs.values()].map(({ head }) => head).sort(order);
    if (bug === 'lists due runs by their start') found.sort((a, b) => a.startedAt - b.startedAt);
    if (bug === 'lists those due last first') found.reverse();
    if (tenant !== undefined && !(tenant === null && bug === 'takes no tenant for any tenant'))
      found = found.filter((head) => (head.tenant ?? null) === tenant);
    const latest = status === 'queued' ? Number.MAX_SAFE_INTEGER : bug === 'waits for a lease to be past its end' ? now - 1 : now;
    found = found.filter((head) => (dueAt(head) ?? Number.POSITIVE_INFINITY) <= latest);
    if (after && bug !== 'begins every page with the longest due') {
      const at = { ...after, status };
      if (bug === 'goes on a page of due runs behind its whole millisecond')
        found = found.filter((h) => (dueAt(h) ?? 0) > (dueAt(at) ?? 0));
      else if (bug === 'loses its place where the run before a page is no longer due')
        found = found.slice(found.findIndex(({ runId }) => runId === after.runId) + 1);
      else found = found.filter((head) => order(at, head) < 0);
    }
    if (firsts && bug !== 'lists all queued runs where the first of each tenant is wanted') {
      const seen = new Set<string | undefined>(after ? [after.tenant] : []);
      found = found.filter((head) => !seen.has(head.tenant) && seen.add(head.tenant));
    }
    if (bug !== 'ignores the limit of due runs') found = found.slice(0, limit);
    return found.map((head) => {
      const copy = { ...head };
      if (bug === 'leaves out parts of the heads of due runs') delete copy.session;
      return copy;
    });
  }

  async renew(runId: string, owner: string, until: number): Promise<boolean> {
    const bug = this.#bug;
    const run = this.runs.get(runId);
    if (!run) return false;
    const { owner: holder, leaseUntil = 0 } = run.head;
    const free = holder === undefined || holder === owner || (leaseUntil <= Date.now() && bug !== 'never gives a lease to another');
    if (!free && bug !== 'gives every lease') return false;
    run.head = { ...run.head, owner, leaseUntil: until };
    if (bug === 'does not store who has a lease') run.head = { ...run.head, owner: holder as string };
    if (bug === 'does not store until when a lease is') run.head = { ...run.head, leaseUntil };
    return true;
  }

  async remove(runId: string, expectedSeq?: number): Promise<void> {
    const bug = this.#bug;
    const run = this.runs.get(runId);
    if (!run) {
      if (bug === 'fails to remove what is not there') throw new Error(`no run ${runId}`);
      return;
    }
    const held = run.log.flat().length;
    if (expectedSeq !== undefined && held !== expectedSeq && bug !== 'removes a run that went on') throw conflict(runId, expectedSeq, held);
    if (bug !== 'says nothing of what is removed') this.#listeners.changed(runId);
    if (bug === 'keeps a session after its run was removed' && isOpen(run.head))
      this.#removed.add(JSON.stringify([run.head.tenant ?? null, run.head.session]));
    if (bug === 'forgets shared content with the first run that is removed') this.#shared.clear();
    if (bug === 'removes everything') this.runs.clear();
    else if (bug === 'keeps the entries of a removed run') run.head = { ...run.head, status: 'completed', session: 'none', agent: '' };
    else if (bug === 'keeps the head of a removed run') run.log = [];
    else this.runs.delete(runId);
  }
}
