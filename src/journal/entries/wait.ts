import type { JsonSchema } from '../../schema.ts';

/** The event that a call waits for, and the JSON Schema that its data must fit. */
export interface AwaitedEvent {
  name: string;
  /** What the event is about: only one that is sent with this key, and by the same tenant, ends the wait. */
  key: string;
  schema?: JsonSchema;
}

/** How a call began to wait without a process, until a time by the store's clock: fields of `wait.began`. */
export interface Began {
  /** The latest time that it waits, epoch milliseconds. */
  until: number;
  /** Set if that time was told in milliseconds from now: a fork counts them again. */
  for?: number;
  /** Set if the call waits for an event, which may end the wait before `until`. */
  event?: AwaitedEvent;
}

/** The event that ended a wait: when it arrived at the store, epoch milliseconds, and the id of the principal that sent it. */
export interface TakenEvent {
  id: string;
  at: number;
  by: string;
}

/** When an open call that waits is due, epoch milliseconds. */
export const dueOf = ({ began }: { began: Pick<Began, 'until'> }): number => began.until;
