import type { JsonSchema } from '../../schema.ts';

/** The event that a call waits for, and the JSON Schema that its data must fit. */
export interface AwaitedEvent {
  name: string;
  key: string;
  schema?: JsonSchema;
}

/** How a call began to wait without a process, until a time by the store's clock: fields of `wait.began`. */
export interface Began {
  /** The latest time that it waits, epoch milliseconds. */
  until: number;
  /** Set if that time was told in milliseconds from now: a fork counts them again. */
  for?: number;
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
