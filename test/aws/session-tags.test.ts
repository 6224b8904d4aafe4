import type { AssumeRoleCommand, AssumeRoleCommandInput, STSClient } from '@aws-sdk/client-sts';
import fc from 'fast-check';
import { type CredentialRequest, type Occasion, RondoError } from 'rondo';
import { awsCredentials, awsKeys } from 'rondo/aws';
import { expect, test } from 'vitest';

const ROLE = 'arn:aws:iam::123456789012:role/reports';

/** A client that keeps what it is asked for, and gives keys that never end. */
function recording() {
  const asked: AssumeRoleCommandInput[] = [];
  const client = {
    async send({ input }: AssumeRoleCommand) {
      asked.push(input);
      return {
        Credentials: {
          AccessKeyId: 'ASIA',
          SecretAccessKey: 'secret',
          SessionToken: `token ${asked.length}`,
          Expiration: new Date(8.64e15),
        },
      };
    },
  } as unknown as STSClient;
  return { asked, identity: awsCredentials({ roleArn: ROLE, client }) };
}

const occasion = (over: Partial<CredentialRequest & Occasion> = {}): CredentialRequest & Occasion => ({
  provider: 'aws',
  by: { id: 'ana' },
  runId: '01m8m6d4d6eyhxfkpqe3yajmax',
  agent: 'assistant',
  tool: 'report',
  signal: new AbortController().signal,
  ...over,
});

async function askedFor(over: Partial<CredentialRequest & Occasion>) {
  const { asked, identity } = recording();
  await identity.get(occasion(over));
  const { Tags = [], RoleSessionName = '' } = asked[0] as AssumeRoleCommandInput;
  return { tags: Object.fromEntries(Tags.map(({ Key, Value }) => [Key, Value])) as Record<string, string>, name: RoleSessionName };
}

const user = async (id: string) => (await askedFor({ by: { id } })).tags.user as string;

test('what AWS allows is kept as it is', async () => {
  for (const id of ['ana', 'ana@example.com', 'Zoë Ångström', '山田 太郎', 'a/b:c=d+e-f_g.h', 'x'.repeat(256), '0', 'acme:7=x'])
    expect(await user(id)).toBe(id);
});

test('what is not there has no tag', async () => {
  expect((await askedFor({ by: undefined })).tags).toEqual({ run: occasion().runId, agent: 'assistant', tool: 'report' });
  expect((await askedFor({ by: { id: 'ana', tenant: '' } })).tags).not.toHaveProperty('tenant');
  expect((await askedFor({ by: { id: 'ana', tenant: 'acme' }, session: 's' })).tags).toMatchObject({ tenant: 'acme', session: 's' });
});

test('the name of the session has the run and the user, each in its own part', async () => {
  expect((await askedFor({})).name).toBe(`${occasion().runId},ana`);
  expect((await askedFor({ by: undefined, runId: 'r' })).name).toBe('r,');
  const long = await askedFor({ by: { id: 'somebody.with.a.long.name@example.com' } });
  expect(long.name).toMatch(/^01m8m6d4d6eyhxfkpqe3yajmax,somebody\.with\.=[\w-]{16}$/);
  const pairs = [
    ['a,b', 'c'],
    ['a', 'b,c'],
    ['a,b,c', undefined],
    ['a', 'b'],
    ['a,b', undefined],
  ] as const;
  const names = await Promise.all(pairs.map(async ([runId, id]) => (await askedFor({ runId, by: id === undefined ? id : { id } })).name));
  expect(new Set(names).size).toBe(pairs.length);
});

/** Ids that are easily taken for one another after a change. */
const nasty = fc.oneof(
  fc.string({ minLength: 1, maxLength: 500, unit: 'binary' }),
  fc.string({ minLength: 250, maxLength: 500, unit: fc.constantFrom('a', '_', ',', ' ', '\u00e9', 'e\u0301', '\u{20000}', '\u2028') }),
  fc.string({ minLength: 1, maxLength: 6, unit: fc.constantFrom('a', '_', '"', '<', ' ', '\n', '\u0000', '=') }),
);

test('every id becomes what AWS takes, and different ids stay different', async () => {
  const { asked, identity } = recording();
  const by = new Map<string, string>();
  await fc.assert(
    fc.asyncProperty(nasty, async (id) => {
      asked.length = 0;
      await identity.get(occasion({ by: { id }, runId: id, tool: id, agent: id, session: id }));
      // the same id as before was answered without a request
      if (asked.length === 0) return;
      const { Tags = [], RoleSessionName = '' } = asked[0] as AssumeRoleCommandInput;
      expect(RoleSessionName).toMatch(/^[\w+=,.@-]{2,64}$/);
      expect(Tags).toHaveLength(5);
      for (const { Value = '' } of Tags) {
        expect(Value).toMatch(/^[\p{L}\p{Z}\p{N}_.:/=+\-@]{1,256}$/u);
        expect(by.get(Value) ?? id).toBe(id);
        by.set(Value, id);
      }
    }),
    { numRuns: 500 },
  );
});

test('an id that looks like the result of a change is not taken for it', async () => {
  const changed = await user('a"b');
  expect(changed).toMatch(/^a_b=[\w-]{16}$/);
  expect(await user(changed)).not.toBe(changed);
  const cut = await user('y'.repeat(300));
  expect(cut).toHaveLength(256);
  expect(await user(cut)).not.toBe(cut);
  // the sign for ångström and the letter, which a program that normalises takes for the same
  expect(await user('\u212b')).not.toBe('\u212b');
  const spaces = [' a', 'a ', 'a', '_a', 'a_', ' a '];
  expect(new Set(await Promise.all(spaces.map(user))).size).toBe(spaces.length);
});

test('keys of no more than a thousand calls are held', async () => {
  const { asked, identity } = recording();
  for (let i = 0; i <= 1_000; i++) await identity.get(occasion({ runId: `r${i}` }));
  expect(asked).toHaveLength(1_001);
  await identity.get(occasion({ runId: 'r1000' }));
  expect(asked).toHaveLength(1_001);
  await identity.get(occasion({ runId: 'r0' }));
  expect(asked).toHaveLength(1_002);
});

test.each([
  [{ scopes: ['s3:read'] }],
  [{ resources: ['https://a.example'] }],
  [{ audiences: ['a'] }],
  [{ flow: 'user' as const }],
  [{ flow: 'api-key' as const }],
  [{ force: true }],
])('a request that a role cannot narrow is refused: %j', async (over) => {
  const { asked, identity } = recording();
  await expect(identity.get(occasion(over))).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  expect(asked).toHaveLength(0);
});

test.each([
  [{ roleArn: 'reports' }, /ARN of a role/],
  [{ roleArn: 'arn:aws:iam::123456789012:user/ana' }, /ARN of a role/],
  [{ roleArn: ROLE, durationSeconds: 60 }, /from 900 to 43200/],
  [{ roleArn: ROLE, durationSeconds: 900.5 }, /from 900 to 43200/],
  [{ roleArn: ROLE, policy: 'allow all' }, /policy of IAM/],
  [{ roleArn: ROLE, policy: '[]' }, /policy of IAM/],
  [{ roleArn: ROLE, policy: { Statement: 'x'.repeat(2_048) } }, /AWS takes 2048/],
  [{ roleArn: ROLE, duration: 900 }, /no option "duration"/],
])('options that are wrong are refused where they are declared: %j', (o, message) => {
  expect(() => awsCredentials(o as never)).toThrow(message);
});

test('awsKeys() gives what a client of the SDK takes, and shows no credential of another identity in its error', async () => {
  const { identity } = recording();
  const got = await identity.get(occasion());
  if (!('token' in got)) throw new Error('no token');
  expect(awsKeys(got.token)).toEqual({
    accessKeyId: 'ASIA',
    secretAccessKey: 'secret',
    sessionToken: 'token 1',
    expiration: new Date(8.64e15),
  });
  for (const other of ['ghp_secret', '"text"', 'null', '{"accessKeyId":"a"}', '[]', '{"accessKeyId":"ghp_secret","secretAccessKey":1}'])
    try {
      awsKeys(other);
      expect.unreachable();
    } catch (error) {
      expect(RondoError.is(error, 'CONFIG_INVALID')).toBe(true);
      expect((error as Error).message).not.toContain('ghp_secret');
    }
});
