import { agent, approve, delegate, handoff, jsonSchema, memoryJournal, type Tool, ToolError, type ToolSource, tool } from 'rondo';
import { gateway } from 'rondo/gateway';
import { scripted } from 'rondo/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { asks, ends, failure, shown } from '../kit/runs.ts';
import { eventually } from '../kit/time.ts';
import { call, find, named, searched } from '../loop/searched.ts';
import { opened, over, source } from './support.ts';

let warned: ReturnType<typeof vi.spyOn>;
beforeEach(() => {
  warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
});
afterEach(() => vi.restoreAllMocks());

const never = new Promise<never>(() => {});
const names = (tools: readonly Tool[]) => tools.map(({ name }) => name);

describe('what a tool declares holds through a gateway', () => {
  it('effect, key, amount and approval; its key is unique under the full name', async () => {
    let paid = 0;
    const pay = (said: string) =>
      tool({
        name: 'pay',
        description: 'pays',
        input: { type: 'object', properties: { order: { type: 'string' }, usd: { type: 'number' } } },
        effect: 'once',
        amount: ({ usd }: { usd: number }) => ({ usd }),
        key: ({ order }: { order: string }) => order,
        approval: (_, { amount }) => (amount?.usd ?? 0) > 50,
        execute: () => `${said} ${++paid}`,
      });
    const office = gateway({ name: 'office', targets: { a: [pay('a')], b: [pay('b')] } });
    const input = { order: '7', usd: 9 };
    const { go, engine, model } = over(
      [office],
      [asks(['a___pay', input]), asks(['a___pay', input]), asks(['b___pay', input]), asks(['b___pay', { order: '8', usd: 90 }]), 'done'],
    );
    const paused = await ends(go(), 'paused');
    const seen = model.requests.slice(1).map((r) => shown(r).at(-1)?.text);
    expect(seen[0]).toBe('a 1');
    expect(seen[1]).toContain('was done before');
    expect(seen[2]).toBe('b 2');
    expect(paused.approvals[0]).toMatchObject({ tool: 'b___pay', input: { order: '8', usd: 90 } });
    await engine.decide(
      paused.runId,
      paused.approvals.map((a) => approve(a)),
      { by: { id: 'ben' } },
    );
    await ends(engine.resume(paused.runId), 'completed');
    expect(paid).toBe(3);
  });

  it('credentials, context, check and toModel', async () => {
    const read = tool({
      name: 'read',
      description: 'reads',
      input: { type: 'object' },
      context: jsonSchema<{ tenant: string }>({ type: 'object', properties: { tenant: { type: 'string' } }, required: ['tenant'] }),
      credentials: { key: { provider: 'crm' } },
      effect: 'read',
      cache: { ttl: 60_000 },
      execute: (_, { credentials, context }) => ({ key: credentials.key.length, context }),
      toModel: (output) => `seen: ${JSON.stringify(output)}`,
    });
    const { go, model } = over(
      [gateway({ name: 'a', targets: { crm: [read] } })],
      [asks(['crm___read', {}]), asks(['crm___read', {}]), 'done'],
      {
        identity: { get: async () => ({ token: 'very-secret-key' }) },
      },
    );
    const { runId } = await ends(go({ context: { tenant: 'acme' } } as never), 'completed');
    expect(runId).toBeDefined();
    expect(shown(model.requests[1])[0]?.text).toBe('seen: {"key":15,"context":{"tenant":"acme"}}');
  });

  it('the circuit of a tool is its own, and stays while its declaration does', async () => {
    let tried = 0;
    const flaky = named('flaky', {
      effect: 'read',
      retry: { attempts: 1 },
      execute: () => {
        tried++;
        throw new ToolError('UNAVAILABLE', 'down', { retryable: true });
      },
    });
    const listed = source(() => [flaky]);
    const office = gateway({ name: 'a', targets: { shop: listed.made }, reliability: { shop: { breaker: { failures: 2 } } } });
    const { go, model } = over([office], (_, n) => (n % 4 === 3 ? 'done' : asks(['shop___flaky', {}])));
    await ends(go(), 'completed');
    listed.tell();
    await ends(go(), 'completed');
    expect(tried).toBe(2);
    expect(failure(shown(model.requests[5]).at(-1)).code).toBe('CIRCUIT_OPEN');
    const own = await opened(office);
    const before = await own.list();
    listed.tell();
    expect((await own.list())[0]).toBe(before[0]);
    expect((await (await opened(office)).list())[0]).toBe(before[0]);
  });

  it('reliability is that of the tool, then of its target', async () => {
    const tries: string[] = [];
    const failing = (name: string, more: object) =>
      named(name, {
        effect: 'read',
        ...more,
        execute: () => {
          tries.push(name);
          throw new ToolError('BUSY', 'later', { retryable: true });
        },
      });
    const office = gateway({
      name: 'a',
      targets: { shop: [failing('own', { retry: { attempts: 2, initialDelay: 0 } }), failing('plain', {})] },
      reliability: { shop: { retry: { attempts: 4, initialDelay: 0 } } },
    });
    const { go } = over([office], [asks(['shop___own', {}], ['shop___plain', {}]), 'done']);
    await ends(go(), 'completed');
    expect(tries.filter((name) => name === 'own')).toHaveLength(2);
    expect(tries.filter((name) => name === 'plain')).toHaveLength(4);
  });
});

describe('agents as targets', () => {
  const clerk = () => agent({ name: 'clerk', description: 'Knows orders', instructions: '', model: scripted((_, n) => `order ${n + 1}`) });

  it('answer calls as sub-agents, also through a gateway in a gateway', async () => {
    const inner = gateway({ name: 'inner', targets: { desk: [clerk(), named('look')] } });
    const office = gateway({ name: 'office', targets: { all: inner, own: [delegate(clerk(), { name: 'second' })] } });
    const { go, offered, model } = over(
      [office],
      [asks(['all___desk___clerk', { task: 'where is 7?' }], ['own___second', { task: 'and 8?' }]), 'done'],
    );
    const result = await ends(go(), 'completed');
    expect(offered()[0]).toEqual(['all___desk___clerk', 'own___second', 'all___desk___look']);
    expect(shown(model.requests[1]).map(({ text }) => text)).toEqual(['order 1', 'order 1']);
    expect(result.status).toBe('completed');
    expect((await (await opened(office)).all()).map(({ fullName }) => fullName)).toEqual([
      'all___desk___clerk',
      'own___second',
      'all___desk___look',
    ]);
  });

  it('that wait for a person go on in another process', async () => {
    const journal = memoryJournal();
    const pay = named('pay', { approval: true });
    const make = () => {
      const desk = agent({
        name: 'desk',
        instructions: '',
        model: scripted(({ messages }) => (messages.length > 1 ? 'paid' : asks(['pay', {}]))),
        tools: [pay],
      });
      return gateway({ name: 'office', targets: { own: [desk] } });
    };
    const first = over([make()], [asks(['own___desk', { task: 'pay 7' }]), 'done'], { journal });
    const paused = await ends(first.go(), 'paused');
    await first.engine.close();
    const second = over([make()], ['done'], { journal });
    await second.engine.decide(
      paused.runId,
      paused.approvals.map((a) => approve(a)),
      { by: { id: 'ben' } },
    );
    await ends(second.engine.resume(paused.runId), 'completed');
    expect(shown(second.model.requests[0])[0]?.text).toBe('paid');
  });

  it('are refused as handoffs, and in what a source lists', async () => {
    expect(() => gateway({ name: 'a', targets: { desk: [handoff(clerk())] } })).toThrow(/takes over the conversation/);
    const listed = source(() => [delegate(clerk()) as unknown as Tool, named('look')]);
    const own = await opened(gateway({ name: 'a', targets: { desk: listed.made } }));
    expect(names(await own.list())).toEqual(['desk___look']);
    expect(own.left()[0]?.reason).toBe('"clerk": it stands for an agent');
    const odd: ToolSource = { ...listed.made, agents: [named('look')] };
    expect(() => over([odd], [])).toThrow(/the agents of a tool source/);
  });
});

describe('a target that fails', () => {
  it('is left out with its reason, warned of once, and offered as soon as it answers', async () => {
    let up = false;
    const flaky: ToolSource = {
      name: 'flaky',
      async open() {
        if (!up) throw new Error('connection refused');
        return { list: async () => [named('late')], close: async () => {} };
      },
    };
    const office = gateway({ name: 'office', targets: { mail: [named('send')], flaky } });
    const { go, offered } = over([office], ['one', 'two', 'three']);
    await ends(go(), 'completed');
    await ends(go(), 'completed');
    expect(warned.mock.calls.map(([text]: unknown[]) => text)).toEqual([
      'gateway "office": the target "flaky" is not whole. connection refused',
    ]);
    up = true;
    await ends(go(), 'completed');
    expect(offered()).toEqual([['mail___send'], ['mail___send'], ['mail___send', 'flaky___late']]);
  });

  it('by hanging is left out, and is offered at the step after it has answered', async () => {
    let answer: (tools: readonly Tool[]) => void = () => {};
    const slow = source(() => new Promise((resolve) => (answer = resolve)));
    const hangs: ToolSource = { name: 'hangs', open: () => never };
    const told = vi.fn();
    const made = gateway({ name: 'office', targets: { mail: [named('send')], slow: slow.made, hangs }, openTimeout: 20 });
    const { go, offered } = over([made], async (_, n) => {
      if (n > 0) return 'done';
      answer([named('late')]);
      await eventually(() => expect(told).toHaveBeenCalled());
      return asks(['mail___send', {}]);
    });
    const open = made.open.bind(made);
    made.open = async (o) => {
      const own = await open(o);
      const changed = own.changed?.bind(own);
      own.changed = (listener) => changed?.(() => [listener(), told()]) ?? (() => {});
      return own;
    };
    await ends(go(), 'completed');
    expect(offered()).toEqual([['mail___send'], ['mail___send', 'slow___late']]);
    expect(warned.mock.calls.map(([text]: unknown[]) => text)[0]).toContain('did not answer within 20 ms');
  });

  it('by hanging is waited for once', async () => {
    const openTimeout = 400;
    const hangs: ToolSource = { name: 'hangs', open: () => never };
    const own = await opened(gateway({ name: 'a', targets: { mail: [named('send')], hangs }, openTimeout }));
    expect(names(await own.list())).toEqual(['mail___send']);
    // both begin at the same moment, so a machine that is slow delays both
    const again = own.list().then(() => 'listed');
    expect(await Promise.race([again, new Promise((late) => setTimeout(late, openTimeout, 'waited'))])).toBe('listed');
  });

  it('later, by throwing from list, is left out until it lists again', async () => {
    let broken = false;
    const listed = source(() => {
      if (broken) throw new Error('lost');
      return [named('pay')];
    });
    const own = await opened(gateway({ name: 'a', targets: { shop: listed.made, mail: [named('send')] } }));
    expect(names(await own.list())).toEqual(['shop___pay', 'mail___send']);
    broken = true;
    expect(names(await own.list())).toEqual(['mail___send']);
    expect(own.left()).toEqual([{ target: 'shop', reason: 'lost' }]);
    broken = false;
    expect(names(await own.list())).toEqual(['shop___pay', 'mail___send']);
    expect(listed.opens).toBe(1);
  });

  it('with search and no find is left out', async () => {
    const { made } = searched([named('pay')], { find: undefined as never });
    const own = await opened(gateway({ name: 'a', targets: { shop: made } }));
    expect(await own.list()).toEqual([]);
    expect(own.left()[0]?.reason).toContain('no find(name)');
  });
});

describe('the targets of a gateway', () => {
  it('with perCaller are opened for each caller, the others once, and all are closed with the engine', async () => {
    const shared = source(() => [named('send')]);
    const own = source(() => [named('mine')], { perCaller: true });
    const { go, engine, offered } = over([gateway({ name: 'a', targets: { shared: shared.made, own: own.made } })], ['a', 'b', 'c']);
    for (const id of ['ana', 'ben', 'ana']) await ends(go({ by: { id } }), 'completed');
    expect(shared.opens).toBe(1);
    expect(shared.callers).toEqual([{}]);
    expect(own.callers).toEqual([{ by: { id: 'ana' } }, { by: { id: 'ben' } }]);
    expect(offered()[2]).toEqual(['shared___send', 'own___mine']);
    await engine.close();
    expect([shared.closes, own.closes]).toEqual([1, 2]);
  });

  it('tell of changes: a run has the new list at its next step', async () => {
    const tools = [named('pay')];
    const listed = source(() => [...tools]);
    const { go, offered } = over([gateway({ name: 'a', targets: { shop: listed.made } })], (_, n) => {
      if (n > 0) return 'done';
      tools.push(named('refund'));
      listed.tell();
      return asks(['shop___pay', {}]);
    });
    await ends(go(), 'completed');
    expect(offered()).toEqual([['shop___pay'], ['shop___pay', 'shop___refund']]);
  });

  it('that are searched are searched by the engine’s tools, once for the gateway', async () => {
    const shop = searched([named('pay_invoice'), named('pay_refund')]);
    const bank = searched([named('pay_wire')], {}, 'bank');
    const down = searched([], { search: async () => Promise.reject(new Error('down')) }, 'down');
    const office = gateway({ name: 'office', targets: { mail: [named('send')], shop: shop.made, bank: bank.made, down: down.made } });
    const { go, offered, model } = over([office], [asks(find('pay')), asks(call('bank___pay_wire', { usd: 1 })), 'done']);
    await ends(go(), 'completed');
    expect(offered()[0]).toEqual(['mail___send', 'find_tools', 'call_tool']);
    const found = JSON.parse(shown(model.requests[2])[0]?.text ?? '') as { tools: { name: string }[] };
    expect(found.tools.map(({ name }) => name)).toEqual(['shop___pay_invoice', 'bank___pay_wire', 'shop___pay_refund']);
    expect(shown(model.requests[2])[1]?.text).toBe('pay_wire {"usd":1}');
  });

  it('hand the secrets of their sources on, so that they are masked', async () => {
    const secret = 'sk-very-secret-value-1234567890';
    const shop = source(() => [named('say', { execute: () => `the key is ${secret}` })], { secrets: [['key', secret]] });
    const { go, model } = over([gateway({ name: 'a', targets: { shop: shop.made } })], [asks(['shop___say', {}]), 'done']);
    await ends(go(), 'completed');
    expect(shown(model.requests[1])[0]?.text).not.toContain(secret);
  });
});
