/** Ids of events: 19 digits of milliseconds, `#`, 8 hexadecimal digits. As text they sort by time. */

export const eventId = (at: number, hex: string): string => `${String(at).padStart(19, '0')}#${hex}`;

/** The ids of a millisecond: from the first, and before the second. `$` is the character after `#`. */
export const idsAt = (at: number): readonly [from: string, before: string] => {
  const ms = String(at).padStart(19, '0');
  return [`${ms}#`, `${ms}$`];
};

/** After all ids. */
export const LAST_ID = ':';
