import type { Erased, Inbox } from '../../../journal/inbox.ts';
import { type Access, first } from './access.ts';
import type { File } from './file.ts';

/** The events and waits of a journal file. An event that was sent survives loss of power. */
export function sqliteInbox(access: Access): Inbox {
  const read = <T>(rows: (inbox: File['inbox']) => T) => first(access.read(({ inbox }) => [rows(inbox)])) as T | Promise<T>;
  return {
    signal(event) {
      access.refuseClosed();
      // never alone, so that events of one tick share a sync
      return access.queue.add(true, () => access.opened().inbox.signal(event));
    },
    assigned: (runId) => read((inbox) => inbox.assigned(runId)),
    waits: (topic) => read((inbox) => inbox.waits(topic)),
    dead: (filter) => read((inbox) => inbox.dead(filter)),
    bury(tenant, nr, change) {
      access.refuseClosed();
      return access.queue.now(true, () => access.opened().inbox.bury(tenant, nr, change));
    },
    async forget(sender) {
      let erased: Erased = { events: 0, runs: [] };
      await access.forget(() => {
        erased = access.opened().inbox.forget(sender);
      });
      return erased;
    },
    list: (...o) => read((inbox) => inbox.list(...o)),
  };
}
