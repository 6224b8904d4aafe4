/**
 * Amazon DynamoDB Local for the tests of the journal in DynamoDB. It is under a licence of its own, for development and tests, and may not be passed on: so
 * it is not a dependency, and is downloaded to a cache of this user's, outside the repository.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A package that has the program in its folder `emulator`, and the SHA-512 of its archive. */
const PACKED = 'amplify-dynamodb-simulator@2.9.30';
const SHA_512 = 'xTeeRLvzEfqyd5lh3bH4c0kHvSHHmmhD5ZDsHFKAQ5g2Zl6JqlFdutaQhCLHzxEp6Ry1o7TB6niIoXuQAnSewQ==';

const cache = () =>
  process.env.XDG_CACHE_HOME ?? (process.platform === 'darwin' ? join(homedir(), 'Library', 'Caches') : join(homedir(), '.cache'));

/** The folder of DynamoDBLocal.jar, or why there is none. `RONDO_DYNAMODB_LOCAL` names another one, which is not downloaded. */
export async function dynamodbLocal(): Promise<{ folder: string } | { missing: string }> {
  try {
    await run('java', ['-version']);
  } catch {
    return { missing: 'there is no java' };
  }
  const given = process.env.RONDO_DYNAMODB_LOCAL;
  const folder = given ?? join(cache(), 'rondo', PACKED.replace('@', '-'));
  if (existsSync(join(folder, 'DynamoDBLocal.jar'))) return { folder };
  if (given !== undefined) return { missing: `there is no DynamoDBLocal.jar in ${given}` };
  const temporary = await mkdtemp(join(tmpdir(), 'rondo-dynamodb-'));
  try {
    const { stdout } = await run('npm', ['pack', PACKED, '--silent', '--pack-destination', temporary], { cwd: temporary });
    const archive = join(temporary, stdout.trim());
    const sum = createHash('sha512')
      .update(await readFile(archive))
      .digest('base64');
    if (sum !== SHA_512) return { missing: `${PACKED} is not the archive that is expected` };
    await run('tar', ['xzf', archive, '-C', temporary, 'package/emulator']);
    await mkdir(join(folder, '..'), { recursive: true });
    // whole or not at all; another process may have been quicker
    await rename(join(temporary, 'package', 'emulator'), folder).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EXDEV') {
        if (!existsSync(join(folder, 'DynamoDBLocal.jar'))) throw error;
        return;
      }
      await run('cp', ['-R', join(temporary, 'package', 'emulator'), `${folder}.new`]);
      await rename(`${folder}.new`, folder);
    });
    return { folder };
  } catch (error) {
    return { missing: `${PACKED} cannot be downloaded (${String((error as Error).message).split('\n')[0]})` };
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}
