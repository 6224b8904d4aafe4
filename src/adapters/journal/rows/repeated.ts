/** Changes of the inbox that a store makes again where the answer to the first try was lost: that one may have been stored. */
import { type DeadChange, type Erased, type InboxRows, inboxOver, type StoredEvent } from '../../../journal/inbox.ts';

/** Whether an event is as a try before has made it, or what has come of that since. */
const isFrom = (made: StoredEvent, { tenant, until, dismissed }: StoredEvent): boolean =>
  tenant === made.tenant && until === made.until && JSON.stringify(dismissed) === JSON.stringify(made.dismissed);

/** `bury` as rules for one call: each of its tries tells what became of the event, though an earlier one did it. */
export function burying(tenant: string | undefined, nr: number, change: DeadChange): (rows: InboxRows) => StoredEvent | undefined {
  let made: StoredEvent | undefined;
  return (rows) => {
    const buried = inboxOver(rows).bury(tenant, nr, change);
    if (buried) made = buried;
    if (buried || !made) return buried;
    const now = rows.listed(nr);
    return now && isFrom(made, now) ? now : undefined;
  };
}

/** `forget` in the same way: a try that finds nothing any more tells what the one before erased. */
export function forgetting(sender: Parameters<ReturnType<typeof inboxOver>['forget']>[0]): (rows: InboxRows) => Erased {
  let made: Erased | undefined;
  return (rows) => {
    const erased = inboxOver(rows).forget(sender);
    if (!made || erased.events > 0) made = erased;
    return made;
  };
}
