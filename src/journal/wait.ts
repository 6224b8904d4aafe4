/** How a call began to wait without a process, until a time by the store's clock: fields of `wait.began`. */
export interface Began {
  /** The latest time that it waits, epoch milliseconds. */
  until: number;
  /** Set if that time was told in milliseconds from now: a fork counts them again. */
  for?: number;
}

/** When an open call that waits is due, epoch milliseconds. */
export const dueOf = ({ began }: { began: Pick<Began, 'until'> }): number => began.until;
