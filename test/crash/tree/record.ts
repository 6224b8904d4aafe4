/** What a run's journal says of each thing that was to be done, by the name it has outside. */
import type { CallId, Entry, EntryOf } from '../../../src/index.ts';

export interface Item {
  id: CallId;
  /** As in the deeds: `<agent>/<tool> <n>`, `<graph>/<node>`, `<graph>/<node>/<step>`, `<foreign agent>/turn <n>`. */
  what: string;
  kind: 'tool' | 'agent' | 'node' | 'step' | 'turn' | 'ask' | 'answer';
  /** The agents from the top down to the one that does it. */
  path: readonly string[];
  /** Entries that began it, and that ended it. */
  started: EntryOf<'call.started'>[];
  finished: EntryOf<'call.finished'>[];
  /** Whether another process claimed the run while it was under way. */
  cut: boolean;
  asked: EntryOf<'approval.requested'>[];
  decided: EntryOf<'approval.decided'>[];
  settled: EntryOf<'outcome.settled'>[];
  /** Of a node: its steps. */
  steps: Item[];
  /** Of a call or a node that an agent answers. */
  agent?: string;
  /** Of a model's answer. */
  seq?: number;
}

export interface Record {
  items: readonly Item[];
  byId: ReadonlyMap<CallId, Item>;
}

interface Frame {
  agent: string;
  path: readonly string[];
  kind?: 'graph' | 'foreign';
  task: string;
  answers: number;
  visits: Map<string, number>;
}

export function recordOf(entries: readonly Entry[]): Record {
  const frames = new Map<string, Frame>();
  const byId = new Map<CallId, Item>();
  const answers: Item[] = [];
  const add = (o: Pick<Item, 'id' | 'what' | 'kind' | 'path'>): Item => {
    const item: Item = { ...o, started: [], finished: [], cut: false, asked: [], decided: [], settled: [], steps: [] };
    byId.set(o.id, item);
    return item;
  };
  const callOf = (id: CallId): Item => {
    const found = byId.get(id);
    if (found) return found;
    const node = byId.get(id.slice(0, id.indexOf('/'))) as Item;
    const made = add({ id, what: `${node.what}${id.slice(id.indexOf('/'))}`, kind: 'step', path: node.path });
    node.steps.push(made);
    return made;
  };
  const reach = (frame: Frame, seq: number, next: readonly { node: string; input?: unknown }[] = []) =>
    next.forEach(({ node, input }, i) => {
      const id = `${seq}.${i}`;
      const { path } = frame;
      const nth = (name: string) => {
        const n = (frame.visits.get(name) ?? 0) + 1;
        frame.visits.set(name, n);
        return n;
      };
      if (frame.kind === 'foreign') {
        if (node === '') add({ id, what: `${frame.agent}/turn ${nth('')}`, kind: 'turn', path });
        else add({ id, what: `${frame.agent}/ask ${node}`, kind: 'ask', path });
      } else if (input !== undefined) add({ id, what: `${frame.agent}/${node} ${JSON.stringify(input)}`, kind: 'node', path });
      else {
        const n = nth(node);
        add({ id, what: `${frame.agent}/${node}${n > 1 ? `@${n}` : ''}`, kind: 'node', path });
      }
    });
  const approvals = new Map<string, Item>();

  for (const entry of entries) {
    const frame = frames.get(entry.frame ?? '') as Frame;
    switch (entry.type) {
      case 'run.started':
        frames.set('', { agent: entry.agent, path: [entry.agent], task: told(entry.input), answers: 0, visits: new Map() });
        break;
      case 'run.claimed':
        for (const item of byId.values()) if (isOpen(item)) item.cut = true;
        break;
      case 'frame.opened': {
        const path = [...frame.path, entry.agent];
        frames.set(entry.call, { agent: entry.agent, path, task: told(entry.input), answers: 0, visits: new Map() });
        const item = byId.get(entry.call) as Item;
        item.agent = entry.agent;
        if (item.kind === 'tool') item.kind = 'agent';
        break;
      }
      case 'frame.began':
        frame.kind = entry.kind;
        reach(frame, entry.seq, entry.next);
        break;
      case 'model.responded': {
        const { agent, path, task } = frame;
        const answer = add({ id: `answer ${entry.seq}`, what: `${agent}/answer ${++frame.answers} to ${task}`, kind: 'answer', path });
        answer.seq = entry.seq;
        answers.push(answer);
        entry.content
          .filter((part) => part.type === 'toolCall')
          .forEach(({ name, input }, i) => {
            const n = (input as { n?: number }).n;
            add({ id: `${entry.seq}.${i}`, what: `${agent}/${name}${n === undefined ? '' : ` ${n}`}`, kind: 'tool', path });
          });
        break;
      }
      case 'call.started':
        callOf(entry.call).started.push(entry);
        break;
      case 'call.finished':
        callOf(entry.call).finished.push(entry);
        if (frame.kind) reach(frame, entry.seq, entry.next);
        break;
      case 'approval.requested':
        callOf(entry.call).asked.push(entry);
        approvals.set(entry.id, callOf(entry.call));
        break;
      case 'approval.decided': {
        const item = approvals.get(entry.id) as Item;
        item.decided.push(entry);
        // it is done with other arguments, and so has another name outside
        const { decision } = entry;
        if (decision.type === 'edit') item.what = item.what.replace(/ \d+$/, ` ${(decision.input as { n: number }).n}`);
        break;
      }
      case 'outcome.settled':
        callOf(entry.call).settled.push(entry);
        break;
    }
  }
  return { items: [...byId.values()], byId };
}

/** Whether it had been begun, and had not ended. */
const isOpen = ({ started, finished }: Item) => started.length > finished.length;

const told = (input: unknown) => (typeof input === 'string' ? input : JSON.stringify(input));
