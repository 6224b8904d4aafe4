/** A user who wants another user's connection, tools or answers, through a source that is opened per caller. */
import { expect, test } from 'vitest';
import { mcpTools } from '../../src/adapters/mcp/index.ts';
import { agent, Engine, type ToolSource, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { anything, asks, ends, failure, shown } from '../kit/runs.ts';
import { serveHttp } from '../mcp/http.ts';

/** Each connection offers the tool of its own user, which tells that user's secret. */
function vault() {
  const opened: string[] = [];
  const source: ToolSource = {
    name: 'vault',
    perCaller: true,
    async open({ by, session }) {
      const whose = `${by?.tenant ?? ''}_${by?.id ?? ''}_${session ?? ''}`.replaceAll(/[^a-z_]/gi, 'x');
      opened.push(whose);
      const read = tool({ name: `read_${whose}`, description: '', input: anything, effect: 'read', execute: () => `secret of ${whose}` });
      return { list: async () => [read], close: async () => {} };
    },
  };
  return { source, opened };
}

test('two users at the same time each see the tools of their own connection only; a call of the other one finds no tool', async () => {
  const { source, opened } = vault();
  const users = Array.from({ length: 20 }, (_, i) => ({ id: `user${'abcdefghijklmnopqrst'[i]}`, tenant: i % 2 ? 'odd' : 'even' }));
  await using engine = new Engine();
  const seen = await Promise.all(
    users.map(async (by, i) => {
      const other = users[(i + 1) % users.length] as (typeof users)[0];
      const model = scripted([asks([`read_${other.tenant}_${other.id}_`, {}], [`read_${by.tenant}_${by.id}_`, {}]), 'done']);
      await ends(engine.run(agent({ name: 'spy', instructions: '', model, tools: [source] }), 'go', { by }), 'completed');
      return { offered: model.requests.flatMap((r) => r.tools.map((t) => t.name)), told: shown(model.requests[1]), by };
    }),
  );
  expect(opened).toHaveLength(users.length);
  for (const { offered, told, by } of seen) {
    expect(new Set(offered)).toEqual(new Set([`read_${by.tenant}_${by.id}_`]));
    expect(failure(told[0]).code).toBe('TOOL_NOT_FOUND');
    expect(told[1]?.text).toBe(`secret of ${by.tenant}_${by.id}_`);
  }
});

test('a name that reads like the name of another user, tenant and session is not that user', async () => {
  const { source, opened } = vault();
  const a = agent({ name: 'spy', instructions: '', model: scripted(() => 'done'), tools: [source] });
  await using engine = new Engine();
  await ends(engine.run(a, 'go', { by: { id: 'ana', tenant: 'acme' }, session: 's' }), 'completed');
  for (const by of [{ id: 'ana' }, { id: 'acme,ana' }, { id: '"ana"', tenant: 'acme' }, { id: 'ana","s', tenant: 'acme' }, { id: 'null' }])
    await ends(engine.run(a, 'go', { by }), 'completed');
  await ends(engine.run(a, 'go'), 'completed');
  expect(opened).toHaveLength(7);
});

test('an MCP server gets on each connection the token of one user only, and its answers reach no other', async () => {
  const http = await serveHttp();
  try {
    const mail = mcpTools({
      url: http.url,
      perCaller: true,
      headers: ({ by, assertion }) => ({ authorization: `Bearer ${assertion?.token}`, 'x-user': by?.id ?? 'none' }),
    });
    await using engine = new Engine();
    const users = ['ana', 'ben', 'cem'];
    await Promise.all(
      users.flatMap((id) =>
        [1, 2].map(async () => {
          const model = scripted([asks(['echo', { text: `for ${id}` }]), 'done']);
          const a = agent({ name: 'spy', instructions: '', model, tools: [mail] });
          await ends(engine.run(a, 'go', { by: { id }, assertion: `the-token-of-${id}` }), 'completed');
          expect(shown(model.requests[1])[0]?.text).toBe(`for ${id}`);
        }),
      ),
    );
    expect(http.sessions.size).toBe(3);
    // on one MCP session, one user and one token
    const bySession = new Map<string, Set<string>>();
    for (const { headers } of http.seen) {
      const id = headers['mcp-session-id'];
      if (id === undefined) continue;
      const callers = bySession.get(String(id)) ?? new Set();
      bySession.set(String(id), callers.add(`${headers['x-user']} ${headers.authorization}`));
    }
    expect(bySession.size).toBe(3);
    for (const callers of bySession.values()) expect(callers.size).toBe(1);
    expect(new Set(http.seen.map(({ headers }) => `${headers['x-user']} ${headers.authorization}`))).toEqual(
      new Set(users.map((id) => `${id} Bearer the-token-of-${id}`)),
    );
  } finally {
    await http.close();
  }
});
