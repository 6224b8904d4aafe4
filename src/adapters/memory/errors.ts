import { RondoError } from '../../errors.ts';
import type { Written } from '../../ports/memory-store.ts';

/** Input that is against a limit. `field` is where, as a path such as `items[2].text`. @param more other details. */
export const refused = (field: string, message: string, more: Readonly<Record<string, string>> = {}) =>
  new RondoError('MEMORY_INPUT_INVALID', `${field}: ${message}`, { details: { field, ...more } });

export const unknownRecord = (id: string) =>
  new RondoError('MEMORY_RECORD_UNKNOWN', `There is no record ${id}. It may have been deleted, or have expired.`, { details: { id } });

/** The verdict on an entry of a batch that was refused. @throws `error`, if it is none of ours. */
export function verdictOf(error: unknown, entry: unknown): Written {
  if (!RondoError.is(error)) throw error;
  const id = typeof entry === 'string' ? entry : (entry as { id?: unknown } | null)?.id;
  return { ok: false, ...(typeof id === 'string' && { id }), code: error.code, message: error.message };
}
