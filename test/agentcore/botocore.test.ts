/** Signatures that botocore made, which are recorded: the check of the server holds for another client's. */
import { readFileSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { type AgentCore, movableClock, startAgentCore } from '../../src/adapters/agentcore/wire/index.ts';
import type { SigningKeys } from '../../src/server/sigv4.ts';
import { checkSignature, SignatureError } from '../../src/server/sigv4-check.ts';
import { flip, type Sent, sentAsIs } from './taken.ts';

interface Recorded extends Omit<Sent, 'path'> {
  name: string;
  /** With the query. */
  target: string;
  keys: SigningKeys;
}

const { at, requests } = JSON.parse(readFileSync(new URL('fixtures/botocore.json', import.meta.url), 'utf8')) as {
  at: string;
  requests: Recorded[];
};
const NOW = Date.parse(at);
const CALLER = 'arn:aws:iam::123456789012:user/AKIDEXAMPLE';

let server: AgentCore | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

const sentOf = ({ target, ...sent }: Recorded): Sent & { keys: SigningKeys; name: string } => ({ ...sent, path: target });

function check({ method, path, headers, body, keys }: Sent & { keys: SigningKeys }, now = NOW): string {
  const [bare = '', query = ''] = path.split(/\?(.*)/s);
  const own = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
  const request = { method, path: bare, query: new URLSearchParams(query), headers: own, body };
  return checkSignature(request, [keys], now, 'bedrock-agentcore').keys.accessKeyId;
}

/** A request with one byte flipped, for each byte that is signed or that is of the signature. Tells which. */
function* flipped({ keys, name: _, ...sent }: Sent & { keys: SigningKeys; name: string }): Generator<[string, Sent]> {
  const { path, headers, body, method } = sent;
  for (let i = 0; i < method.length; i++) yield [`method ${i}`, { ...sent, method: flip(method, i) }];
  for (let i = 0; i < path.length; i++) yield [`target ${i}`, { ...sent, path: flip(path, i) }];
  for (let i = 0; i < body.length; i++) yield [`body ${i}`, { ...sent, body: flip(body, i) }];
  for (const [header, value] of Object.entries(headers))
    for (let i = 0; i < value.length; i++) yield [`${header} ${i}`, { ...sent, headers: { ...headers, [header]: flip(value, i) } }];
}

test.each(requests.map((one) => [one.name, sentOf(one)] as const))(
  'botocore: %s is accepted, and with any byte flipped refused',
  (_, sent) => {
    expect(check(sent)).toBe(sent.keys.accessKeyId);
    const accepted: string[] = [];
    for (const [what, changed] of flipped(sent))
      try {
        check({ ...changed, keys: sent.keys });
        accepted.push(what);
      } catch (error) {
        if (!(error instanceof SignatureError)) throw error;
      }
    expect(accepted).toEqual([]);
  },
);

/** A byte of each part, changed so that HTTP still carries it; undefined where a request has no such part. */
const PARTS: Record<string, (sent: Sent) => Partial<Sent> | undefined> = {
  method: () => ({ method: 'POST' }),
  path: ({ path }) => ({ path: flip(path, 3) }),
  query: ({ path }) => (path.includes('?') ? { path: flip(path, path.indexOf('?') + 1) } : undefined),
  body: ({ body }) => (body === '' ? undefined : { body: flip(body, 20) }),
  host: ({ headers }) => ({ headers: { ...headers, Host: flip(headers.Host as string, 13) } }),
  date: ({ headers }) => changed(headers, 'X-Amz-Date', 14),
  token: ({ headers }) => changed(headers, 'X-Amz-Security-Token', 3),
  note: ({ headers }) => changed(headers, 'X-Note', 5),
  signature: ({ path, headers }) =>
    headers.Authorization === undefined
      ? { path: flip(path, path.length - 1) }
      : changed(headers, 'Authorization', headers.Authorization.length - 1),
};

function changed(headers: Sent['headers'], name: string, at: number): Partial<Sent> | undefined {
  const { [name]: value } = headers;
  return value === undefined ? undefined : { headers: { ...headers, [name]: flip(value, at) } };
}

test('the server takes what botocore sent at its time, and refuses it with a byte flipped in any part, and later', async () => {
  const answers: unknown[] = [];
  const refusals = new Set<string | undefined>();
  const taken = new Set<string>();
  const accepted: string[] = [];
  for (const recorded of requests) {
    const sent = sentOf(recorded);
    // each has a server of its own: a key is known with one session token
    server = await startAgentCore({ clock: movableClock({ start: NOW, frozen: true }), keys: [sent.keys], throttle: false });
    const { status, type } = await sentAsIs(server.port, sent);
    answers.push([recorded.name, status, type, server.calls().at(-1)?.caller]);
    for (const [part, change] of Object.entries(PARTS)) {
      const other = change(sent);
      if (!other) continue;
      taken.add(part);
      const refused = await sentAsIs(server.port, { ...sent, ...other });
      refusals.add(refused.type);
      if (refused.status !== 403) accepted.push(`${recorded.name}: ${part}`);
    }
    await server.clock.advance(300_001);
    if ((await sentAsIs(server.port, sent)).status !== 403) accepted.push(`${recorded.name}: later`);
    await server.close();
  }
  // by the key's ARN the request has passed the check: what follows is of the operation
  expect(answers).toEqual([
    ['an ARN in the path, percent-encoded', 404, 'ResourceNotFoundException', CALLER],
    ['a path of odd characters', 404, 'ResourceNotFoundException', CALLER],
    // an empty key of a tag
    ['an odd query, in the URL', 400, 'ValidationException', CALLER],
    ['an odd query, as params', 400, 'ValidationException', CALLER],
    ['a session token', 404, 'ResourceNotFoundException', CALLER],
    ['a body', 202, undefined, CALLER],
    ['headers with repeated spaces, a body, a session token', 202, undefined, CALLER],
    ['a signed URL', 404, 'ResourceNotFoundException', CALLER],
    ['a signed URL with an odd query, a session token and a header', 404, 'ResourceNotFoundException', CALLER],
  ]);
  expect(accepted).toEqual([]);
  expect([...refusals].sort()).toEqual(['IncompleteSignatureException', 'InvalidSignatureException', 'UnrecognizedClientException']);
  expect([...taken].sort()).toEqual(Object.keys(PARTS).sort());
});
