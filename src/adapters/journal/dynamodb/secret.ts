import { randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { secretOf } from '../rows/claim.ts';
import type { Access } from './access.ts';
import { Refused } from './errors.ts';
import { STORE } from './keys.ts';
import { VERSION } from './version.ts';

/** The secret of the claims, made with the first use of the table. @throws RondoError `JOURNAL_DAMAGED` */
export async function secretOfStore(access: Access): Promise<Uint8Array> {
  let item = await access.get(STORE);
  if (!item) {
    const secret = randomBytes(32);
    try {
      await access.write([{ put: { ...STORE, version: VERSION, secret, checksum: crc32(secret) }, if: 'absent' }]);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
    }
    item = await access.get(STORE);
  }
  return secretOf(item && { value: item.secret, checksum: item.checksum as number });
}
