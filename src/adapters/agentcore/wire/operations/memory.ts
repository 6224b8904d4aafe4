/** All operations of Memory, with what is behind them. */
import { report } from '../../../../server/report.ts';
import type { Bound } from '../bindings.ts';
import type { Operations, World } from '../call.ts';
import { executed } from '../memory/errors.ts';
import type { MainBranch } from '../memory/event-shapes.ts';
import { learning } from '../memory/learning.ts';
import type { NamespaceMatch } from '../memory/record-shapes.ts';
import { replies } from '../memory/replies.ts';
import { MEMORY, type Memory, statusOf } from '../memory/resources.ts';
import { memoryStores } from '../memory/stores.ts';
import { recordStream, type StreamRecord } from '../memory/streams.ts';
import { memoryOperations } from './memories.ts';
import { eventOperations } from './memory-events.ts';
import { jobOperations } from './memory-jobs.ts';
import { recordOperations } from './memory-records.ts';

/** What sources disagree on. */
export interface MemoryOptions {
  /** Whether the parameter `namespace` covers what is below it, by whole segments. Default `within`. `namespacePath` always does. */
  namespace?: NamespaceMatch;
  /** Whether an event of the main line has `branch: { name: 'main' }`. Default `omitted`. */
  mainBranch?: MainBranch;
  /** Days of the shortest `eventExpiryDuration`: 3 by the schema, 7 by the page of quotas. Default 3. */
  shortestExpiry?: 3 | 7;
}

export interface MemoryService {
  readonly operations: Operations;
  /** The newest 1,000 records of each stream, by its ARN. */
  streams(): Promise<Readonly<Record<string, readonly StreamRecord[]>>>;
  /** What of a memory is otherwise than on AWS, and with a namespace why a search found what it found. @throws AwsError */
  explain(id: string, search?: { namespace: string; text: string }): Promise<object>;
  /** Lets go of the files. They open again at their next use. */
  stop(): Promise<void>;
  clear(): Promise<void>;
}

export function memoryService(world: World, bound: Bound, o: MemoryOptions): MemoryService {
  const { namespace = 'within', mainBranch = 'omitted', shortestExpiry = 3 } = o;
  const { state, clock } = world;
  const tell = report('startAgentCore()');
  const stream = recordStream(world);
  const { strategies, notes } = learning(world, bound);
  const stores = memoryStores(world, { strategies, adding: stream.created, tell });
  const replied = replies(world);

  const noted = new Set<string>();

  function changed(memory: Memory, streaming: boolean): void {
    if (streaming) stream.enabled(memory);
    for (const note of notes(memory)) {
      if (noted.has(note)) continue;
      noted.add(note);
      tell(`memory ${memory.id}: ${note}`);
    }
  }

  for (const memory of state.list<Memory>(MEMORY)) {
    // a deletion that was under way when the server ended
    if (memory.goneAt !== undefined) clock.after(memory.goneAt - clock.now(), () => stores.remove(memory.id));
    // and extractions that were
    else if (statusOf(world, memory) !== 'CREATING') stores.of(memory.id);
  }

  return {
    operations: {
      ...memoryOperations(world, { changed, gone: stores.remove }, shortestExpiry),
      ...eventOperations(world, stores, replied, { main: mainBranch }),
      ...jobOperations(stores, replied),
      ...recordOperations(world, stores, replied, stream, { namespace }),
    },
    streams: () => stream.list(),
    async explain(id, search) {
      const { memory, store } = stores.of(id);
      return {
        notes: notes(memory),
        ...(search && { explanation: await executed(store.explain?.(search) ?? Promise.resolve(undefined)) }),
      };
    },
    stop: () => stores.close(),
    async clear() {
      stream.clear();
      await stores.clear();
    },
  };
}
