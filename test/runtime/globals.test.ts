import { expect, test } from 'vitest';
import { serve } from '../../src/adapters/agentcore/runtime/index.ts';
import { agent, Engine, memoryJournal } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';

test.each(['http', 'mcp', 'a2a', 'ag-ui'] as const)(
  'serving %s leaves the Request and Response of the process as they are',
  async (protocol) => {
    const { Request: request, Response: response } = globalThis;
    await using engine = new Engine({ journal: memoryJournal() });
    await using server = await serve(engine, agent({ name: 'a', description: 'Answers', instructions: '', model: scripted(['done']) }), {
      port: 0,
      container: false,
      protocol,
    });
    expect((await fetch(`${server.url}/ping`)).status).toBe(200);
    expect(globalThis.Request).toBe(request);
    expect(globalThis.Response).toBe(response);
  },
);
