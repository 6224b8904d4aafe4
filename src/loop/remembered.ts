/** Long-term memory in a run: whose it is, what of it an agent is shown, and that its conversation is to be recorded. */
import { canonical, sha256 } from '../journal/canonical.ts';
import type { Draft } from '../journal/entries.ts';
import { factOf } from '../journal/facts.ts';
import type { Fact, Memory } from '../ports/memory.ts';
import { signalled } from '../reliability/patience.ts';
import type { AgentDefinition, Host, Scope } from './types.ts';

/** Milliseconds that a memory may take to recall. */
const TIMEOUT = 30_000;
/** Tokens of recalled memory put before the model. */
const TOKENS = 2_000;
/** Characters of a fact's id. */
const LONGEST_ID = 500;

/** The memory of an agent: its own, else the engine's. A sub-agent sees what it is given, so it has its own or none. */
export const memoryOf = ({ memory }: AgentDefinition, isTop: boolean, host: Pick<Host, 'memory'>): Memory | undefined =>
  memory === false ? undefined : (memory ?? (isTop ? host.memory : undefined));

/** The memory to ask before this frame's first step; undefined where there is none, or it was asked. */
export const recallable = ({ agent, frame, run, host }: Scope): Memory | undefined =>
  frame.memory === undefined && run.started.by ? memoryOf(agent, !frame.parent, host) : undefined;

/** What the memory knows for what the agent was given. A memory that fails costs the run its recollection, not its life. */
export async function recalled(memory: Memory, { run, frame, agent, cancel, drive }: Scope): Promise<readonly Fact[]> {
  const { by, session } = run.started;
  const { input } = frame;
  if (!by) return [];
  const text = typeof input === 'string' ? input : JSON.stringify(input ?? '');
  const q = { by, ...(session !== undefined && { session }), agent: agent.name, text, tokens: TOKENS };
  try {
    const facts: unknown = await signalled((signal) => memory.recall({ ...q, signal }), TIMEOUT, 'the memory', cancel);
    return Array.isArray(facts) ? drive.secrets.maskJson(fitting(facts)) : [];
  } catch {
    return [];
  }
}

/** The first facts that fit. Facts without a text are left out. */
function fitting(found: readonly unknown[]): Fact[] {
  let left = TOKENS * 4;
  const kept: Fact[] = [];
  for (const one of found) {
    const fact = shaped(one);
    if (!fact || fact.text.length > left) continue;
    left -= fact.text.length;
    kept.push(fact);
  }
  return kept;
}

function shaped(one: unknown): Fact | undefined {
  if (typeof one === 'string') return factOf(one);
  const { id, text, score } = (one ?? {}) as Partial<Record<keyof Fact, unknown>>;
  if (typeof text !== 'string') return undefined;
  const known = typeof id === 'string' && id !== '' && id.length <= LONGEST_ID ? { id, text } : factOf(text);
  return typeof score === 'number' && Number.isFinite(score) ? { ...known, score } : known;
}

/** The entry that promises to record a frame's conversation, in the append that ends it; none where no memory is to have it. */
export function promise({ agent, frame, run, host }: Scope): Draft[] {
  const { by, session, shared, previous, previousSeq } = run.started;
  if (!by || session === undefined || !memoryOf(agent, !frame.parent, host)) return [];
  const place = [by.tenant ?? null, run.runId, session, shared ?? false, previous ?? null, previousSeq ?? null, frame.position];
  return [{ type: 'memory.due', frame: frame.id || undefined, key: sha256(canonical(place)) }];
}
