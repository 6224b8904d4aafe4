/** The master keys of an encrypted journal, and its errors about keys. */
import { RondoError } from '../../../errors.ts';
import { type MasterKeys, type Masters, mastersOf as of } from '../../keys/master.ts';

/** A key that is needed is not there, is another one, or was destroyed. */
export const keyUnavailable = (message: string, details: { key?: string; run?: string } = {}, cause?: unknown) =>
  new RondoError('JOURNAL_KEY_UNAVAILABLE', message, { details, ...(cause !== undefined && { cause }) });

/** @throws RondoError `CONFIG_INVALID`. Its methods: `JOURNAL_KEY_UNAVAILABLE`, or `JOURNAL_UNAVAILABLE` if a service failed. */
export const mastersOf = (given: MasterKeys): Masters =>
  of(given, {
    where: 'encrypted()',
    rotated: 'rotate() is done',
    unavailable: keyUnavailable,
    failed: (cause) =>
      new RondoError('JOURNAL_UNAVAILABLE', 'The service of the master keys failed, so nothing was read or written. Try again.', { cause }),
  });
