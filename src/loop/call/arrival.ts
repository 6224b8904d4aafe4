/** Events for calls that wait: what one may wait for, and what has come. */
import { ToolError } from '../../errors.ts';
import type { Began, TakenEvent } from '../../journal/entries/wait.ts';
import type { Wait } from '../../journal/fold/fold.ts';
import { copyJson, type Json } from '../../json.ts';
import { foreignSchema } from '../../json-schema.ts';
import { isName } from '../../ports/principal.ts';
import { judged } from '../../reliability/patience.ts';
import type { JsonSchema, Schema } from '../../schema.ts';
import type { Scope } from '../types.ts';
import { beginning } from './wait.ts';

export const NO_INBOX =
  'the store keeps no events, so no call can wait for one. Give the engine a journal with `inbox`, such as sqliteJournal().';

/** Most characters of a key. */
export const LONGEST_KEY = 512;

/**
 * How a wait for an event begins now. @returns a text that says what is wrong.
 * @throws ToolError `CONFIG_INVALID` for a store that keeps no events.
 */
export function awaiting(
  { host }: Pick<Scope, 'host'>,
  event: { name: string; key: unknown; schema: JsonSchema },
  ms: number,
  now: number,
): Began | string {
  if (!host.inbox) throw new ToolError('CONFIG_INVALID', NO_INBOX, { outcome: 'not-run', retryable: false });
  const { name, key, schema } = event;
  if (!isName(key) || key.length > LONGEST_KEY) return `the key of event "${name}" is a text of 1 to ${LONGEST_KEY} characters`;
  const began = beginning({ for: ms }, now);
  return typeof began === 'string' ? began : { ...began, event: { name, key, schema } };
}

/** `value`: what the schema made of the data. */
export type Arrived = { ok: true; data: Json; value: unknown; taken: TakenEvent } | { ok: false; id: string; problem: string };

/** The event that was assigned to a call that waits. @param schema default: the one that the wait began with. @throws Halted */
export async function arrival({ host, run, cancel }: Scope, wait: Wait, schema?: Schema): Promise<Arrived | undefined> {
  const assigned = (await host.inbox?.assigned(run.runId)) ?? [];
  const found = assigned.find(({ call }) => call === wait.call.id);
  if (!found) return undefined;
  const { id, at, by, data = null } = found.event;
  const fits = schema ?? foreignSchema(wait.began.event?.schema ?? {}, 'the schema of the event');
  const checked = await judged(fits, copyJson(data), cancel);
  if (!checked.ok) return { ok: false, id, problem: checked.problem };
  return { ok: true, data, value: checked.value, taken: { id, at, by } };
}

/** Why a wait ended without its event. */
export const timedOut = ({ began }: Wait) => `No event "${began.event?.name}" came in time.`;
