import assert from 'node:assert/strict';
import { type Draft, type Entry, type EntryType, VERSION } from '../../journal/entries/entries.ts';
import type { Json } from '../../json.ts';
import type { Case } from './kit.ts';
import { entry, head, read, same, start } from './kit.ts';

const failure = { code: 'THROTTLING', message: 'slow down', retryable: true, attempts: 3, outcome: 'not-run', retryAfter: 2_000 } as const;
const by = { id: 'ana', tenant: 't', roles: ['lead'] };

/** One entry of each type, with as many fields as can occur together. The type annotation ensures that no type is missing. */
const KINDS: { readonly [T in EntryType]: Extract<Draft, { type: T }> } = {
  'run.started': {
    type: 'run.started',
    agent: 'clerk',
    fingerprint: 'f1',
    input: ['hello', { type: 'text', text: 'x' }],
    owner: 'o1',
    by,
    queued: true,
    session: 's',
    previous: 'r0',
    depth: 2,
    after: 1_750_000_000_000,
    history: [{ role: 'user', content: [{ type: 'text', text: 'before' }] }],
    context: { plan: 'gold' },
    tags: { team: 'support' },
    limits: { steps: 5, costUsd: 0.5 },
    trace: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  },
  'run.claimed': {
    type: 'run.claimed',
    owner: 'o2',
    epoch: 1,
    fingerprint: 'f2',
    by,
    limits: { steps: 9 },
    released: true,
    lost: { tokens: 100, usd: 0.01 },
    previous: 'r0',
    previousSeq: 7,
    depth: 0,
    after: 1_750_000_000_000,
    history: [{ role: 'user', content: [{ type: 'text', text: 'before' }] }],
  },
  'run.settled': { type: 'run.settled', status: 'failed', error: failure, limit: { name: 'steps', max: 5, used: 5 }, reason: 'no', ms: 12 },
  'message.received': { type: 'message.received', kind: 'cancel', by, reason: 'enough' },
  'context.changed': {
    type: 'context.changed',
    instructions: 'Be brief.',
    memory: [{ id: 'f1', text: 'likes tea', score: 0.5 }],
    memoryError: 'TIMEOUT',
    tools: [{ name: 'refund', hash: 'h' }],
  },
  'context.compacted': {
    type: 'context.compacted',
    by: 'summarise',
    refused: true,
    dropped: [[1, 3]],
    cleared: [[4, 0]],
    summary: 'The customer likes tea.',
    tokens: { before: 61_000, after: 9_000 },
    model: 'test/scripted',
    standin: true,
    usage: { input: 50_000, output: 300 },
    usd: 0.04,
    ms: 1_200,
    attempts: 2,
  },
  'model.responded': {
    type: 'model.responded',
    step: 1,
    model: 'test/scripted',
    standin: true,
    content: [
      { type: 'reasoning', text: 'hm', vendor: { signature: 'abc' } },
      { type: 'toolCall', id: 'p1', name: 'refund', input: { orderId: '7', cents: 100 } },
    ],
    stop: 'tools',
    usage: { input: 10, output: 5, cacheRead: 3, reasoning: 2 },
    usd: 0.0001,
    ms: 3,
    attempts: 2,
  },
  'attempt.failed': {
    type: 'attempt.failed',
    of: 'model',
    step: 1,
    attempt: 1,
    code: 'X',
    message: 'm',
    retryIn: 50,
    fallback: 'a/b',
    model: 'a/a',
  },
  'frame.opened': {
    type: 'frame.opened',
    frame: '3.1',
    call: '5.0',
    agent: 'research',
    fingerprint: 'f3',
    input: 'find it',
    history: [{ role: 'user', content: [{ type: 'text', text: 'before' }] }],
  },
  'frame.began': {
    type: 'frame.began',
    kind: 'graph',
    frame: '5.0',
    state: { topic: 'x' },
    next: [{ node: 'plan' }, { node: 'web', input: 1 }],
  },
  'entry.omitted': { type: 'entry.omitted', was: 'run.claimed' },
  'state.changed': { type: 'state.changed', state: { topic: 'y' } },
  'call.started': { type: 'call.started', call: '5.0', effect: 'once' },
  'call.finished': {
    type: 'call.finished',
    call: '5.0',
    ok: false,
    error: failure,
    attempts: 3,
    ms: 40,
    cut: 17,
    usd: 0.1,
    usage: { input: 1, output: 2 },
    abandoned: 1,
    state: { keys: { notes: { push: ['x'] }, gone: null, ok: { set: true } } },
    next: [{ node: 'sign' }],
  },
  'approval.requested': {
    type: 'approval.requested',
    id: '5.0',
    call: '5.0',
    kind: 'question',
    tool: 'ask_human',
    digest: 'd',
    reason: 'why',
    roles: ['lead'],
    allow: ['respond', 'reject'],
    expiresAt: 9,
    question: 'Sure?',
    answer: { type: 'boolean' },
  },
  'approval.decided': {
    type: 'approval.decided',
    id: '5.0',
    decision: { approval: '5.0', type: 'respond', answer: true, note: 'n' },
    by,
    digest: 'd',
  },
  'memory.due': { type: 'memory.due', key: 'a1'.repeat(32) },
  'memory.recorded': {
    type: 'memory.recorded',
    key: 'a1'.repeat(32),
    attempt: 2,
    error: { code: 'NETWORK', message: 'down' },
    retryIn: 2_000,
  },
  'outcome.settled': { type: 'outcome.settled', call: '5.0', source: 'operator', outcome: 'done', note: 'seen', output: { id: 'x' }, by },
  'wait.began': {
    type: 'wait.began',
    call: '1.0',
    until: 2_000,
    for: 1_000,
    event: { name: 'reply', key: 't1', schema: { type: 'object' } },
  },
  'event.rejected': { type: 'event.rejected', call: '1.0', id: 'e1', problem: 'text is missing' },
  'intent.reopened': {
    type: 'intent.reopened',
    call: '5.0',
    intent: { name: 'refund', key: 'refund:7', digest: 'd' },
    by,
    reason: 'it bounced',
  },
  'call.dismissed': { type: 'call.dismissed', call: '5.0', by, reason: 'paid by hand' },
  'run.evaluated': { type: 'run.evaluated', name: 'polite', pass: false, score: 0.5, reason: 'no greeting', usd: 0.002, ms: 900 },
};

const SMALL: Readonly<Record<string, Json>> = {
  nothing: null,
  numbers: [0, -1, 1.5, 1e300, 5e-324, 9_007_199_254_740_991, -0.1],
  empty: ['', [], {}, [[]], { '': '' }],
  text: 'quotes " and \\ and / and \n\t\r\b\f, a null \u0000, line ends \u2028 \u2029, a mark \uFEFF',
  languages: 'żółć Ω 漢字 🎼 👩‍👩‍👧 a\u0301',
  'half characters': ['\uD83C', '\uDFBC', 'a\uD800b', '\uDC00\uD800'],
  'keys that objects have anyway': JSON.parse(
    '{"__proto__":{"admin":true},"constructor":{"prototype":1},"toString":"x","hasOwnProperty":0}',
  ),
  'keys that look like ours': { blobs: { output: 'abc' }, v: 7, seq: -1, type: 'run.settled', body: '[]' },
  'keys that are numbers': { b: 1, a: 2, 10: 3, 9: 4 },
  deep: Array.from({ length: 200 }).reduce<Json>((inside) => ({ inside: [inside] }), 'bottom'),
};

const LARGE: Readonly<Record<string, Json>> = {
  'one text of 17 KB': 'x'.repeat(17_000),
  'one text of 1.5 MB': 'abc '.repeat(400_000),
  'characters of three bytes, 16 KB only as bytes': '漢'.repeat(6_000),
  'many small things': Array.from({ length: 20_000 }, (_, i) => ({ i, name: `item ${i}` })),
  'half characters and reserved keys': JSON.parse(`{"__proto__":"${'x'.repeat(20_000)}","half":"\\ud83c","blobs":{"output":"no"}}`),
};

export const contentCases: readonly Case[] = [
  [
    'entries of every kind, in a frame and in the root, come back as they were',
    async (journal) => {
      const drafts = Object.values(KINDS);
      const log = drafts.map(
        (draft, seq) => ({ ...draft, v: VERSION, seq, at: 1_750_000_000_000 + seq, ...(seq % 2 ? { frame: 'f1' } : {}) }) as Entry,
      );
      await journal.append('r', 0, log.slice(0, 5), head('r'));
      await journal.append('r', 5, log.slice(5), head('r'));
      same(await read(journal, 'r'), log);
    },
  ],
  ...Object.entries(SMALL).map(
    ([name, value]): Case => [
      `content comes back as it was: ${name}`,
      async (journal) => {
        await start(journal, 'r');
        await journal.append('r', 1, [entry(1, value)], head('r'));
        same(await read(journal, 'r', 0), [entry(1, value)]);
      },
    ],
  ),
  ...Object.entries(LARGE).map(
    ([name, value]): Case => [
      `large content comes back as it was: ${name}`,
      async (journal) => {
        // the same content twice in one append, in a second append, and in another run
        await journal.append('r', 0, [entry(0, value), entry(1, value), entry(2)], head('r'));
        await journal.append('r', 3, [entry(3, value)], head('r'));
        await journal.append('other', 0, [entry(0, value)], head('other'));
        same(await read(journal, 'r'), [entry(0, value), entry(1, value), entry(2), entry(3, value)]);
        same(await read(journal, 'other'), [entry(0, value)]);
      },
    ],
  ),
  [
    'large contents that differ in one character are told apart',
    async (journal) => {
      const texts = ['a', 'b', 'c'].map((last) => `${'x'.repeat(100_000)}${last}`);
      for (const [seq, text] of texts.entries()) await journal.append('r', seq, [entry(seq, text)], head('r'));
      same(
        await read(journal, 'r'),
        texts.map((text, seq) => entry(seq, text)),
      );
    },
  ],
  [
    'several large fields of one entry are told apart',
    async (journal) => {
      const log: Entry[] = [
        {
          ...KINDS['run.started'],
          v: VERSION,
          seq: 0,
          at: 1,
          input: 'i'.repeat(20_000),
          context: 'c'.repeat(30_000),
          session: 's'.repeat(20_000),
        },
        { ...entry(1, 'o'.repeat(20_000)), content: [{ type: 'text', text: 't'.repeat(20_000) }] } as Entry,
      ];
      await journal.append('r', 0, log, head('r'));
      same(await read(journal, 'r'), log);
    },
  ],
  [
    'large failures and reasons come back as they were',
    async (journal) => {
      const message = 'm'.repeat(40_000);
      const log: Entry[] = [
        { type: 'call.finished', v: VERSION, seq: 0, at: 1, call: '0.0', ok: false, error: { ...failure, message }, attempts: 1, ms: 1 },
        { type: 'attempt.failed', v: VERSION, seq: 1, at: 1, of: 'model', step: 1, attempt: 1, code: 'X', message },
      ];
      await journal.append('r', 0, log, head('r'));
      same(await read(journal, 'r'), log);
    },
  ],
  [
    'names may hold any characters',
    async (journal) => {
      const ids = ["o'brien; DROP TABLE entry; --", '__proto__', 'constructor', 'ä 漢 🎼', 'a/b\\c', '%_*', ' ', 'x'.repeat(500)];
      for (const id of ids) await journal.append(id, 0, [entry(0, id)], head(id, { session: id, tenant: id, agent: id, owner: id }));
      for (const id of ids) {
        same(await read(journal, id), [entry(0, id)]);
        for (const filter of [{ runId: id }, { session: id }, { tenant: id }, { agent: id }]) {
          const found: string[] = [];
          for await (const { runId } of journal.heads(filter)) found.push(runId);
          assert.deepEqual(found, [id]);
        }
      }
    },
  ],
  [
    'a returned head is a copy: changing it does not change the store',
    async (journal) => {
      await start(journal, 'r', 1, { session: 's' });
      for await (const found of journal.heads({ runId: 'r' })) Object.assign(found, { status: 'failed', session: 'x', owner: 'me' });
      for await (const found of journal.heads({ runId: 'r' }))
        assert.deepEqual([found.status, found.session, found.owner], ['running', 's', undefined]);
    },
  ],
];
