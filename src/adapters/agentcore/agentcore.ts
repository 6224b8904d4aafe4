/** The parts of an engine that AWS has and this machine has too: which of the two is a matter of settings. */
import { invalid } from '../../errors.ts';
import type { Journal } from '../../journal/port.ts';
import { checkOptions } from '../../options.ts';
import type { Identity } from '../../ports/identity.ts';
import type { MemoryStore } from '../../ports/memory-store.ts';
import { type DynamodbJournalOptions, dynamodbJournal } from '../journal/dynamodb.ts';
import { type RememberedMemory, type RememberOptions, remember } from '../memory/index.ts';
import { type AgentCoreIdentityOptions, agentcoreIdentity } from './identity/index.ts';
import { type AgentCoreMemoryOptions, agentcoreMemory } from './memory/index.ts';
import { ifLocal, inContainer } from './runtime/place.ts';

/** Options of a part on AWS, whose resource need not be named: then `local` makes the part. */
type Part<Options, Named extends keyof Options, Local> = Omit<Options, Named> & {
  [name in Named]: string | undefined;
} & {
  /** Makes the part on this machine. Called only if the resource is not named. */
  local: () => Local;
};

export interface AgentCoreOptions {
  /** Runs: in the DynamoDB table `table`, as `dynamodbJournal()` takes it. A journal elsewhere, such as Postgres, is an option of the engine. */
  journal?: Part<DynamodbJournalOptions, 'table', Journal>;
  /** What is remembered of users: in the memory `memoryId`, as `agentcoreMemory()` takes it. `remember`: as `remember()` takes it, for both. */
  memory?: Part<AgentCoreMemoryOptions, 'memoryId', MemoryStore> & { remember?: RememberOptions };
  /** Tokens and keys of users: by the workload identity `workload`, as `agentcoreIdentity()` takes it. */
  identity?: Part<AgentCoreIdentityOptions, 'workload', Identity>;
  /** Parts of this machine may be used in a container of AgentCore Runtime, where they end with its session. Default false. */
  ephemeral?: boolean;
}

interface Parts {
  journal: Journal;
  memory: RememberedMemory;
  identity: Identity;
}
/** The parts that the options name. */
export type AgentCoreParts<O> = { [K in keyof O as K extends keyof Parts ? K : never]: K extends keyof Parts ? Parts[K] : never };

const WHERE = 'agentcore()';
const PARTS = {
  journal: "journal: { table: process.env.RUNS_TABLE, local: () => sqliteJournal('runs.db') }",
  memory: "memory: { memoryId: process.env.MEMORY_ID, namespaces: ['/facts/{actorId}/'], local: () => sqliteMemory('memory.db') }",
  identity: 'identity: { workload: process.env.WORKLOAD, local: () => localIdentity({ vault, providers }) }',
  ephemeral: 'ephemeral: true',
} satisfies Record<keyof AgentCoreOptions, string>;

/**
 * Options for `new Engine({ ...agentcore({ ... }), agents })`. Each part is on AWS if its resource is named, by a text that is not empty, else on this
 * machine. So one program runs without an account, and on AWS with other settings. Needs the packages of AWS only for the parts that are there.
 * @throws RondoError `CONFIG_INVALID`: also in a container of AgentCore Runtime for a part whose resource is not named, unless `ephemeral`.
 */
export function agentcore<O extends AgentCoreOptions>(o: O): AgentCoreParts<O> {
  checkOptions(o, PARTS, WHERE, { ephemeral: 'flag' });
  for (const part of ['journal', 'memory', 'identity'] as const)
    if (o[part] !== undefined && !(typeof o[part] === 'object' && o[part] !== null))
      throw invalid(`${WHERE}: ${part} is an object: { ${PARTS[part]} }.`);
  const { journal, memory, identity, ephemeral = false } = o;
  const parts: Partial<Parts> = {};
  if (journal) parts.journal = partOf('journal', 'table', journal, ephemeral, dynamodbJournal);
  if (memory) {
    const { remember: how, ...store } = memory;
    parts.memory = remember(partOf('memory', 'memoryId', store, ephemeral, agentcoreMemory), how);
  }
  if (identity)
    parts.identity = partOf<Identity, 'workload', AgentCoreIdentityOptions>('identity', 'workload', identity, ephemeral, agentcoreIdentity);
  return parts as AgentCoreParts<O>;
}

function partOf<Made, Named extends keyof Options & string, Options>(
  part: keyof typeof PARTS,
  named: Named,
  { local, ...options }: Part<Options, Named, Made>,
  ephemeral: boolean,
  deployed: (options: Options) => Made,
): Made {
  const about = `${WHERE}: ${part}`;
  const name: unknown = (options as Readonly<Record<string, unknown>>)[named];
  if (name !== undefined && typeof name !== 'string')
    throw invalid(`${about}: ${named} is a text, or undefined for this machine: { ${PARTS[part]} }.`);
  if (typeof local !== 'function') throw invalid(`${about} needs local, a function that makes it on this machine: { ${PARTS[part]} }.`);
  if (name) return deployed(options as Options);
  if (inContainer() && !ephemeral)
    throw invalid(
      `${about}: ${named} is not set, so it would be on the disk of this container, which ends with its session. Set ${named}, or pass ephemeral: true if that is meant.${ifLocal()}`,
    );
  return local();
}
