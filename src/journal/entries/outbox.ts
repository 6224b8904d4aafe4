/**
 * The outbox: conversations that must be recorded in a memory after the run. The append that ends a frame also adds its conversation to
 * the outbox (`memory.due`), so a crash cannot lose it. `memory.recorded` removes it. The run's head says when the next one is due.
 */
import type { Message } from '../../ports/model.ts';
import type { EntryOf } from './entries.ts';

/** A conversation in the outbox. */
export interface Recording {
  /** As in `memory.due`. The memory gets it as `idempotencyKey`. */
  readonly key: string;
  /** The agents from the root down to the owner of the conversation. */
  readonly path: readonly string[];
  /** Without those of earlier runs of the session. */
  readonly messages: readonly Message[];
  /** Attempts so far. */
  attempts: number;
  /** When the next attempt is due, epoch milliseconds. */
  at: number;
}

type Outbox = Map<string, Recording>;
/** The part of a frame that is recorded. */
interface Told {
  path: readonly string[];
  messages: readonly Message[];
  inherited: number;
}

/** Adds the conversation of a frame that ends, without the messages that it inherited. */
export function promised(outbox: Outbox, { path, messages, inherited }: Told, { key, at }: EntryOf<'memory.due'>): void {
  outbox.set(key, { key, path, messages: messages.slice(inherited), attempts: 0, at });
}

/** Removes a conversation that was recorded or given up; for any other failure, notes when the next attempt is due. */
export function tried(outbox: Outbox, { key, attempt, error, retryIn, at }: EntryOf<'memory.recorded'>): void {
  const recording = outbox.get(key);
  if (!recording) return;
  if (!error || retryIn === undefined) return void outbox.delete(key);
  recording.attempts = attempt;
  recording.at = at + retryIn;
}

/** When the first attempt is due; undefined for an empty outbox. */
export function firstDue(outbox: ReadonlyMap<string, Recording>): number | undefined {
  return outbox.size === 0 ? undefined : Math.min(...[...outbox.values()].map(({ at }) => at));
}
