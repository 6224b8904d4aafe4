/** Whose a session, an id and an idempotency key are. */
import { describe, expect, test } from 'vitest';
import { agent, Engine, type Principal, tool } from '../../src/index.ts';
import { sessionId, sessionKey } from '../../src/journal/session.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { all, journals } from '../kit/journals.ts';
import { anything, asks, ends, refused } from '../kit/runs.ts';

const [ana, ben]: Principal[] = [
  { id: 'ana', tenant: 'acme' },
  { id: 'ben', tenant: 'acme' },
];
const said = scripted(({ messages }) =>
  messages.flatMap((m) => (m.role === 'user' && m.content[0]?.type === 'text' ? [m.content[0].text] : [])).join(','),
);
const a = agent({ name: 'a', instructions: '', model: said });

describe.each(journals)('a session on $name', ({ make }) => {
  test('belongs to the user who started it: the same id of another user is another session', async () => {
    const engine = new Engine({ journal: make().journal });
    const say = (text: string, by?: Principal) => engine.run(a, text, { session: 's', ...(by && { by }) }).output();
    await say('app 1');
    await say('ana 1', ana);
    await say('eve 1', { id: 'ana', tenant: 'evil' });
    await say('plain ana 1', { id: 'ana' });
    expect(await say('ben 1', ben)).toBe('ben 1');
    expect(await say('ana 2', ana)).toBe('ana 1,ana 2');
    expect(await say('plain ana 2', { id: 'ana' })).toBe('plain ana 1,plain ana 2');
    expect(await say('app 2')).toBe('app 1,app 2');
    const listed = await all(engine.runs({ session: 's', by: ana as Principal }));
    expect(listed.map((r) => r.session)).toEqual(['s', 's']);
    expect(await all(engine.runs({ session: 's' }))).toHaveLength(2);
  });

  test('that was started as shared belongs to its whole tenant, and to no other', async () => {
    const engine = new Engine({ journal: make().journal });
    const say = (text: string, by: Principal | undefined, session: string | { id: string; shared: true }) =>
      engine.run(a, text, { session, ...(by && { by }) }).output();
    const team = { id: 'team', shared: true } as const;
    await say('ana 1', ana, team);
    expect(await say('ben 1', ben, team)).toBe('ana 1,ben 1');
    expect(await say('ben 2', ben, 'team')).toBe('ana 1,ben 1,ben 2');
    expect(await say('eve 1', { id: 'eve', tenant: 'evil' }, team)).toBe('eve 1');
    expect(await say('app 1', undefined, team)).toBe('app 1');
    expect(await say('app 2', undefined, 'team')).toBe('app 1,app 2');
    expect(await all(engine.runs({ session: 'team', by: ben as Principal }))).toHaveLength(3);
    // one's own of that name comes first
    await say('own', { id: 'cas', tenant: 'other' }, 'mine');
    await say('all', { id: 'dan', tenant: 'other' }, { id: 'mine', shared: true });
    expect(await say('own 2', { id: 'cas', tenant: 'other' }, 'mine')).toBe('own,own 2');
  });

  test('an id that another tenant uses is refused without revealing that run', async () => {
    const { journal, another } = make();
    const engine = new Engine({ journal });
    await ends(engine.run(a, 'go', { id: 'r', by: ana as Principal }), 'completed');
    for (const e of [engine, new Engine({ journal: another() })]) {
      for (const by of [undefined, { id: 'eve', tenant: 'evil' }]) {
        const error = await refused('RUN_EXISTS', e.run(a, 'go', { id: 'r', ...(by && { by }) }));
        expect(error.message).not.toMatch(/there is|resume|watch/);
      }
      expect((await refused('RUN_EXISTS', e.run(a, 'go', { id: 'r', by: ben as Principal }))).message).toMatch(/resume or watch/);
    }
  });
});

test('names of sessions are never those of another owner, and give their ids back', () => {
  const odd = ['s', '~s:s', '~a:s', '~3:ana:s', ':', '~', '3:ana:s'];
  const keys = new Map<string, string>();
  for (const session of odd)
    for (const by of [undefined, { id: 'ana' }, { id: '~' }, { id: 'ana:s' }, { id: 's' }])
      for (const shared of by ? [false, true] : [false]) {
        const key = sessionKey({ session, by, shared }) as string;
        expect(sessionId(key)).toBe(session);
        const whose = JSON.stringify([session, shared ? 'all' : (by?.id ?? null)]);
        expect(keys.get(key) ?? whose).toBe(whose);
        keys.set(key, whose);
      }
});

test('idempotency keys of runs, tenants and forks differ, also where the ids are alike', async () => {
  const keys: string[] = [];
  const act = tool({ name: 'act', description: '', input: anything, execute: (_, c) => void keys.push(c.idempotencyKey) });
  const made = () =>
    agent({
      name: 'a',
      instructions: '',
      tools: [act],
      model: scripted((r) => (r.messages.at(-1)?.role === 'tool' ? 'done' : asks(['act', {}]))),
    });
  for (const tenant of [undefined, '', 'acme', 'evil']) {
    const engine = new Engine();
    const by = { id: 'ana', ...(tenant !== undefined && { tenant }) };
    const { runId } = await ends(engine.run(made(), 'go', { id: 'r', by }), 'completed');
    await ends(engine.fork(runId, { at: 0, by, agent: made() }), 'completed');
  }
  // tenants of '' and of none are told apart too; each has its run and its fork
  expect(new Set(keys).size).toBe(8);
});

test.each([
  ['an option of a tool', { aproval: true }, 'aproval'],
  ['the roles of a rule', { approval: { role: ['lead'] } }, 'role'],
  ['roles that are a text', { approval: { roles: 'lead' } }, 'roles'],
  ['the expiry of a rule', { approval: { expire: 5 } }, 'expire'],
])('a misspelt option has no effect but an error: %s', async (_, options, word) => {
  const declare = (more: object) => tool({ name: 'pay', description: '', input: anything, execute: () => 'paid', ...more } as never);
  expect((await refused('CONFIG_INVALID', () => declare(options))).message).toContain(word);
  if (!('approval' in options)) return;
  // a rule that is made for the call refuses it
  const pay = declare({ approval: () => options.approval });
  const b = agent({
    name: 'b',
    instructions: '',
    tools: [pay],
    model: scripted((r) => (r.messages.at(-1)?.role === 'tool' ? JSON.stringify(r.messages.at(-1)?.content) : asks(['pay', {}]))),
  });
  expect((await ends(new Engine().run(b, 'go'), 'completed')).output).toContain('APPROVAL_RULE_FAILED');
});
