/** A part of a text: from the first unit to the one behind the last. */
export interface Match {
  start: number;
  end: number;
}
