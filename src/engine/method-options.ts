/** The options of the engine's methods that have no file of their own: their names and, where it is not needed, who calls. */

import { checkOptions, type Kinds } from '../options.ts';
import { checkBy } from '../ports/principal.ts';

const by = "by: { id: 'ana' }";
const reason = "reason: 'it was refunded by hand'";
const METHODS = {
  unschedule: { by },
  schedules: { by },
  watch: { by, after: 'after: 12', signal: 'signal: request.signal' },
  entries: { by, after: 'after: 12' },
  cancel: { by, reason },
  inspect: { by, at: 'at: 12' },
  settle: { by, outcome: "outcome: 'done'", note: "note: 'seen in the bank account'", output: 'output: { receipt }' },
  signal: { by },
  reopen: { by, reason },
  dismiss: { by, reason },
  forget: { by },
  target: { by, session: "session: 'ticket-7'" },
  prune: { by, olderThan: 'olderThan: 30 * 86_400_000', status: "status: 'completed'" },
  send: { by },
  retry: { by, data: 'data: { paid: true }' },
} as const satisfies Record<string, Readonly<Record<string, string>>>;
const KINDS: Kinds = { after: 'seq', at: 'seq', signal: 'signal' };

/** @throws RondoError `CONFIG_INVALID`. A caller that is needed, and missing or invalid, is refused by the method itself. */
export function checkMethod(method: keyof typeof METHODS, o: object | undefined): void {
  checkOptions(o ?? {}, METHODS[method], `${method}()`, KINDS);
}

/** The same where `by` may be left out. */
export function checkCall(method: keyof typeof METHODS, o: { by?: unknown }, where = `${method}()`): void {
  checkOptions(o, METHODS[method], where, KINDS);
  checkBy(o.by, where);
}
