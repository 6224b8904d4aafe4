import { randomBytes } from 'node:crypto';
import { chmodSync, copyFileSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { RondoError } from 'rondo';
import { keyEnv, keyFile, type Place, sqliteVault, type Vault } from 'rondo/identity';
import { afterEach, describe, expect, test } from 'vitest';
import { folder } from '../kit/folder.ts';

const key = () => randomBytes(32).toString('hex');
const one = (k: string) => ({ current: 'k1', keys: { k1: k } });
const place: Place = { kind: 'token', owner: 'ana', provider: 'github', about: 'repo' };
const SECRET = 'tok-8c1f0e5a7b';

const open: Vault[] = [];
const vaultAt = (...args: Parameters<typeof sqliteVault>): Vault => {
  const vault = sqliteVault(...args);
  open.push(vault);
  return vault;
};
afterEach(async () => {
  for (const vault of open.splice(0)) await vault.close();
});

const codeOf = (doing: Promise<unknown>) =>
  doing.then(
    () => 'no error',
    (error: unknown) => (RondoError.is(error) ? error.code : String(error)),
  );

/** Changes the file as something other than Rondo would. */
function meddle(path: string, ...sql: string[]): void {
  const db = new DatabaseSync(path);
  for (const one of sql) db.exec(one);
  db.close();
}

describe('a vault', () => {
  test('keeps a secret, of this process and of the next, and shows none of it in any file', async () => {
    const path = join(folder('vault'), 'vault.db');
    const k = key();
    const vault = vaultAt(path, one(k));
    await vault.put(place, { value: { access: SECRET } });
    expect(await vault.get(place)).toEqual({ access: SECRET });
    for (const file of readdirSync(join(path, '..'))) {
      const bytes = readFileSync(join(path, '..', file));
      expect(bytes.includes(SECRET)).toBe(false);
      expect(bytes.includes(Buffer.from(k, 'hex'))).toBe(false);
      expect(statSync(join(path, '..', file)).mode & 0o077).toBe(0);
    }
    await vault.close();
    expect(await vaultAt(path, one(k)).get(place)).toEqual({ access: SECRET });
  });

  test('what a caller does to a secret that it got changes no other', async () => {
    const vault = vaultAt(':memory:', one(key()));
    await vault.put(place, { value: { access: SECRET } });
    const got = (await vault.get(place)) as { access: string };
    got.access = 'x';
    expect(await vault.get(place)).toEqual({ access: SECRET });
  });

  test('sees at once what another process wrote or removed', async () => {
    const path = join(folder('vault'), 'vault.db');
    const k = key();
    const [a, b] = [vaultAt(path, one(k)), vaultAt(path, one(k))];
    await a.put(place, { value: 1 });
    expect(await b.get(place)).toBe(1);
    expect(b.peek(place)).toBe(1);
    await a.put(place, { value: 2 });
    expect(b.peek(place)).toBeUndefined();
    expect(await b.get(place)).toBe(2);
    await a.remove({ owner: 'ana' });
    expect(b.peek(place)).toBeUndefined();
    expect(await b.get(place)).toBeUndefined();
  });

  test('forgets a secret when its time is over', async () => {
    let now = 1_000;
    const vault = vaultAt(':memory:', one(key()), { now: () => now });
    await vault.put(place, { value: 1, until: 2_000 });
    now = 1_999;
    expect(await vault.get(place)).toBe(1);
    now = 2_000;
    expect(vault.peek(place)).toBeUndefined();
    expect(await vault.get(place)).toBeUndefined();
    await vault.put({ ...place, about: 'other' }, { value: 2 });
    expect(await vault.list()).toEqual([{ ...place, about: 'other' }]);
  });

  test.each([1e300, Number.POSITIVE_INFINITY, 2 ** 60, Date.now() + 60_000.25])(
    'keeps a secret until %d, and can be read and sealed again: a time may be what a server or a token said',
    async (until) => {
      const path = join(folder('vault'), 'vault.db');
      const k = key();
      await vaultAt(path, one(k)).put(place, { value: { access: SECRET }, until });
      const other = vaultAt(path, one(k));
      expect(await other.get(place)).toEqual({ access: SECRET });
      expect(await other.rotate()).toBe(1);
      expect(await other.get(place)).toEqual({ access: SECRET });
    },
  );

  test('changes a secret in one transaction, and leaves it if the change throws', async () => {
    const path = join(folder('vault'), 'vault.db');
    const k = key();
    const vaults = [vaultAt(path, one(k)), vaultAt(path, one(k))];
    await vaults[0]?.put(place, { value: 0 });
    const add = (vault: Vault) => vault.change(place, (n) => ({ keep: { value: (n as number) + 1 }, answer: n as number }));
    const answers = await Promise.all(Array.from({ length: 40 }, (_, i) => add(vaults[i % 2] as Vault)));
    expect([...answers].sort((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, i) => i));
    await expect(
      vaults[0]?.change(place, () => {
        throw new Error('no');
      }),
    ).rejects.toThrow('no');
    expect(await vaults[1]?.get(place)).toBe(40);
  });
});

describe('tampering', () => {
  const tampered = async (...sql: string[]) => {
    const path = join(folder('vault'), 'vault.db');
    const k = key();
    const vault = sqliteVault(path, one(k));
    await vault.put(place, { value: { access: SECRET }, until: Date.now() + 3_600_000 });
    await vault.put({ ...place, owner: 'eve', about: 'gist' }, { value: { access: 'tok-of-eve' } });
    await vault.close();
    meddle(path, ...sql);
    return vaultAt(path, one(k));
  };

  test.each([
    [
      'another box',
      `UPDATE secret SET box = (SELECT box FROM secret WHERE owner = 'ana') WHERE owner = 'eve'`,
      { owner: 'eve', about: 'gist' },
    ],
    ['another owner', `UPDATE secret SET owner = 'mallory' WHERE owner = 'ana'`, { owner: 'mallory' }],
    ['another provider', `UPDATE secret SET provider = 'google' WHERE owner = 'ana'`, { provider: 'google' }],
    ['other scopes', `UPDATE secret SET about = 'admin' WHERE owner = 'ana'`, { about: 'admin' }],
    ['another kind', `UPDATE secret SET kind = 'api-key' WHERE owner = 'ana'`, { kind: 'api-key' }],
    ['a longer life', `UPDATE secret SET until = until + 1 WHERE owner = 'ana'`, {}],
    ['no end', `UPDATE secret SET until = NULL WHERE owner = 'ana'`, {}],
    ['a changed byte', `UPDATE secret SET box = substr(box, 1, 40) || 'AAAA' || substr(box, 45) WHERE owner = 'ana'`, {}],
    ['a cut box', `UPDATE secret SET box = substr(box, 1, 24) WHERE owner = 'ana'`, {}],
    ['nothing in it', `UPDATE secret SET box = '' WHERE owner = 'ana'`, {}],
  ])('%s is VAULT_DAMAGED', async (_, sql, over) => {
    const vault = await tampered(sql);
    expect(await codeOf(vault.get({ ...place, ...over }))).toBe('VAULT_DAMAGED');
    expect(await codeOf(vault.rotate())).toBe('VAULT_DAMAGED');
  });

  test('a removed key is VAULT_DAMAGED, and a changed one VAULT_KEY_UNAVAILABLE', async () => {
    expect(await codeOf((await tampered('DELETE FROM data_key')).get(place))).toBe('VAULT_DAMAGED');
    const more = `INSERT INTO data_key SELECT id || 'x', by, wrapped FROM data_key`;
    expect(await codeOf((await tampered(more)).get(place))).toBe('VAULT_DAMAGED');
    for (const sql of [`UPDATE data_key SET wrapped = 'AAAA'`, `UPDATE data_key SET id = '0011223344556677'`])
      expect(await codeOf((await tampered(sql)).get(place))).toBe('VAULT_KEY_UNAVAILABLE');
  });

  test('another key is VAULT_KEY_UNAVAILABLE, whether its name is the same or not, and nothing is written with it', async () => {
    const path = join(folder('vault'), 'vault.db');
    const k = key();
    const vault = vaultAt(path, one(k));
    await vault.put(place, { value: SECRET });
    const other = vaultAt(path, one(key()));
    expect(await codeOf(other.get(place))).toBe('VAULT_KEY_UNAVAILABLE');
    expect(await codeOf(other.put(place, { value: 1 }))).toBe('VAULT_KEY_UNAVAILABLE');
    const unnamed = vaultAt(path, { current: 'k2', keys: { k2: key() } });
    await expect(unnamed.get(place)).rejects.toMatchObject({ code: 'VAULT_KEY_UNAVAILABLE', details: { key: 'k1' } });
    expect(await vault.get(place)).toBe(SECRET);
  });

  test('a file of another kind is left as it is', () => {
    const path = join(folder('vault'), 'notes.db');
    meddle(path, 'CREATE TABLE note (text TEXT)');
    expect(() => sqliteVault(path, one(key()))).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
    const text = join(folder('vault'), 'notes.txt');
    writeFileSync(text, 'not a database, but long enough to be taken for one. '.repeat(40));
    const before = readFileSync(text);
    expect(() => sqliteVault(text, one(key()))).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
    expect(readFileSync(text)).toEqual(before);
  });

  test('a vault that was closed says so', async () => {
    const vault = sqliteVault(':memory:', one(key()));
    await vault.close();
    expect(await codeOf(vault.get(place))).toBe('VAULT_UNAVAILABLE');
  });
});

describe('rotation', () => {
  test('seals all again: the old key opens nothing that is in the file, and is not needed', async () => {
    const path = join(folder('vault'), 'vault.db');
    const [k1, k2] = [key(), key()];
    const old = sqliteVault(path, one(k1));
    for (let i = 0; i < 5; i++) await old.put({ ...place, about: `s${i}` }, { value: i });
    const running = vaultAt(path, () => ({ current: 'k1', keys: { k1, k2 } }));
    expect(await running.get({ ...place, about: 's0' })).toBe(0);
    const rotating = vaultAt(path, { current: 'k2', keys: { k1, k2 } });
    expect(await rotating.rotate()).toBe(5);
    expect(await running.get({ ...place, about: 's3' })).toBe(3);
    await running.put({ ...place, about: 's9' }, { value: 9 });
    expect(await vaultAt(path, { current: 'k2', keys: { k2 } }).get({ ...place, about: 's9' })).toBe(9);
    // the data key that it has in memory is not the one of the file any more
    expect(await codeOf(old.get({ ...place, about: 's1' }))).toBe('VAULT_KEY_UNAVAILABLE');
    await old.close();
    const copy = join(folder('vault'), 'copy.db');
    await rotating.close();
    copyFileSync(path, copy);
    expect(await codeOf(vaultAt(copy, one(k1)).get({ ...place, about: 's1' }))).toBe('VAULT_KEY_UNAVAILABLE');
  });

  test('a key file: made for its owner alone, the last line is current, and one that others may read is refused', async () => {
    const dir = folder('vault');
    const [path, keys] = [join(dir, 'vault.db'), join(dir, 'vault.key')];
    const vault = vaultAt(path, keyFile(keys));
    await vault.put(place, { value: SECRET });
    expect(statSync(keys).mode & 0o777).toBe(0o600);
    const first = readFileSync(keys, 'utf8');
    writeFileSync(keys, `${first}${key()}\n`);
    expect(await vault.rotate()).toBe(1);
    writeFileSync(keys, readFileSync(keys, 'utf8').slice(first.length));
    expect(await vaultAt(path, keyFile(keys)).get(place)).toBe(SECRET);
    writeFileSync(keys, first);
    expect(await codeOf(vaultAt(path, keyFile(keys)).get(place))).toBe('VAULT_KEY_UNAVAILABLE');
    chmodSync(keys, 0o640);
    expect(await codeOf(vaultAt(path, keyFile(keys)).get(place))).toBe('CONFIG_INVALID');
  });

  test('a key of the environment, and what is none', async () => {
    const path = join(folder('vault'), 'vault.db');
    const k = key();
    process.env.RONDO_TEST_VAULT = k;
    const vault = vaultAt(path, keyEnv('RONDO_TEST_VAULT'));
    await vault.put(place, { value: SECRET });
    process.env.RONDO_TEST_VAULT = `${k},${randomBytes(32).toString('base64')}`;
    expect(await vault.rotate()).toBe(1);
    process.env.RONDO_TEST_VAULT = 'secret-but-short';
    const wrong = vaultAt(path, keyEnv('RONDO_TEST_VAULT')).get(place);
    await expect(wrong).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: expect.not.stringContaining('secret-but-short') });
    delete process.env.RONDO_TEST_VAULT;
    expect(await codeOf(vaultAt(path, keyEnv('RONDO_TEST_VAULT')).get(place))).toBe('CONFIG_INVALID');
  });
});

describe('what one process does alone', () => {
  test('two connections never do it at once', async () => {
    const path = join(folder('vault'), 'vault.db');
    const k = key();
    const vaults = [vaultAt(path, one(k)), vaultAt(path, one(k))] as const;
    let inside = 0;
    let most = 0;
    let done = 0;
    const work = async () => {
      most = Math.max(most, ++inside);
      await new Promise((resolve) => setTimeout(resolve, 5));
      inside--;
      return ++done;
    };
    await Promise.all(Array.from({ length: 8 }, (_, i) => vaults[i % 2]?.alone('ana github', work)));
    expect([most, done]).toEqual([1, 8]);
  });

  test('other names do not wait, and a failure frees it', async () => {
    const vault = vaultAt(':memory:', one(key()));
    let free: () => void = () => undefined;
    const slow = vault.alone('a', () => new Promise<void>((resolve) => (free = resolve)));
    expect(await vault.alone('b', async () => 1)).toBe(1);
    await expect(vault.alone('b', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await vault.alone('b', async () => 2)).toBe(2);
    free();
    await slow;
  });
});
