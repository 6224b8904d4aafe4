/** Approvals of a peer that only some people may decide, and answers that it does not take. */
import { expect, it, onTestFinished, vi } from 'vitest';
import { a2aAgent, bearer, serveA2A } from '../../src/adapters/a2a/index.ts';
import { agent, Engine, jsonSchema, memoryJournal, type Principal, supervisor, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { asks, ends } from '../kit/runs.ts';

const people: Record<string, Principal> = {
  ana: { id: 'ana', tenant: 't' },
  ben: { id: 'ben', tenant: 't', roles: ['lead'] },
};

/** A desk here whose clerk is a peer. A token is a person's name. */
async function desk(token: (o: { decidedBy: Principal | undefined; by: Principal | undefined }) => string) {
  vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  const paid: unknown[] = [];
  const pay = tool({
    name: 'pay',
    description: '',
    input: jsonSchema<{ cents: number }>({ type: 'object', properties: { cents: { type: 'number' } } }),
    approval: { roles: ['lead'], reason: 'over the limit', expires: 3_600_000 },
    execute: ({ cents }) => paid.push(cents),
  });
  const clerk = agent({ name: 'clerk', instructions: '', model: scripted([asks(['pay', { cents: 5 }]), 'paid it']), tools: [pay] });
  const there = new Engine({ journal: memoryJournal() });
  const server = await serveA2A(there, clerk, { auth: bearer({ verify: (name) => people[name] }), tasks: 'tenant' });
  const remote = a2aAgent(server.url, { name: 'clerk', auth: token });
  const model = scripted([asks(['clerk', { task: 'pay' }]), 'done']);
  const here = new Engine({ journal: memoryJournal() });
  onTestFinished(async () => {
    await server.close();
    await Promise.all([there.close(), here.close()]);
    vi.restoreAllMocks();
  });
  const run = here.run(supervisor({ name: 'top', instructions: '', model, agents: [remote] }), 'x', { by: people.ana as Principal });
  const decide = async (by: Principal) => {
    const { approvals } = await here.inspect(run.id, { by });
    await here.decide(run.id, [{ approval: approvals[0]?.id ?? '', type: 'approve' }], { by });
    return here.resume(run.id, { by });
  };
  return { paused: await ends(run, 'paused'), decide, paid };
}

it('the approval has the roles, reason and expiry of the peer, and a person with the role can grant it', async () => {
  const { paused, decide, paid } = await desk(({ decidedBy, by }) => (decidedBy ?? by)?.id ?? '');
  const [asked] = paused.approvals;
  expect(asked).toMatchObject({ kind: 'tool', tool: 'pay', roles: ['lead'], reason: 'over the limit', path: ['top', 'clerk'] });
  expect(asked.expiresAt).toBeGreaterThan(Date.now());
  await expect(decide({ id: 'cleo', tenant: 't' })).rejects.toMatchObject({ code: 'NOT_PERMITTED' });
  expect(paid).toEqual([]);
  await ends(decide(people.ben as Principal), 'completed');
  expect(paid).toEqual([5]);
});

it('an answer that the peer refuses is reported with the reason when it asks again', async () => {
  // every request is the requester's own, who may not decide
  const { decide, paid } = await desk(() => 'ana');
  const again = await ends(decide(people.ben as Principal), 'paused');
  expect(again.approvals[0]).toMatchObject({
    roles: ['lead'],
    reason: expect.stringMatching(
      /^The agent did not take the answer: NOT_PERMITTED: approval ap_\w+ asks for one of the roles lead.*\(over the limit\)$/,
    ),
  });
  expect(paid).toEqual([]);
});
