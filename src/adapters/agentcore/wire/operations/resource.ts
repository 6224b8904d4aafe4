/** What resources of all kinds have in common. */
import { randomBytes } from 'node:crypto';
import type { World } from '../call.ts';
import { AwsError } from '../codec/error.ts';

/** Milliseconds until a change has taken effect. */
export const TAKES = 2_000;

const alphabet = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';
/** The end of an id: 10 letters and digits. */
export const suffix = () => Array.from(randomBytes(10), (byte) => alphabet[byte % alphabet.length]).join('');

/** Whether it is not deleted yet. */
export const isHere = ({ clock }: Pick<World, 'clock'>, { goneAt }: { goneAt?: number }): boolean =>
  goneAt === undefined || clock.now() < goneAt;

/** @param what it is, by its id. @throws AwsError `ConflictException` for what is being deleted: it takes no change and no new part. */
export function checkStays(what: string, { goneAt }: { goneAt?: number }): void {
  if (goneAt !== undefined) throw new AwsError('ConflictException', `${what} is DELETING. Use another one.`);
}
