import { agent, type Tool, type ToolSource } from 'rondo';
import { gateway } from 'rondo/gateway';
import { scripted } from 'rondo/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { asks, ends, shown } from '../kit/runs.ts';
import { named, searched } from '../loop/searched.ts';
import { opened, over, source } from './support.ts';

let warned: ReturnType<typeof vi.spyOn>;
beforeEach(() => {
  warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
});
afterEach(() => vi.restoreAllMocks());

const LONG = 'send_a_message_to_everyone_in_the_department_of_the_person';
const signal = new AbortController().signal;

describe('the names of a gateway', () => {
  it('are target___tool, and a call of one reaches the tool', async () => {
    const { go, offered, model } = over(
      [gateway({ name: 'office', targets: { mail: [named('send')], shop: [named('send'), named('refund')] } })],
      [asks(['shop___send', { to: 'ana' }]), 'done'],
    );
    await ends(go(), 'completed');
    expect(offered()[0]).toEqual(['mail___send', 'shop___send', 'shop___refund']);
    expect(shown(model.requests[1])[0]?.text).toBe('send {"to":"ana"}');
  });

  it('over 64 characters are cut with a hash of the whole name, and both names find the tool', async () => {
    const made = gateway({ name: 'office', targets: { announcements: [named(LONG), named(`${LONG}s`)] } });
    const own = await opened(made);
    const [one, other] = await own.list();
    expect(one?.name).toMatch(/^[a-zA-Z0-9_-]{64}$/);
    expect(one?.name).not.toBe(other?.name);
    for (const name of [one?.name as string, `announcements___${LONG}`])
      expect(await own.resolve(name, { signal })).toEqual({
        tool: one,
        target: 'announcements',
        name: LONG,
        fullName: `announcements___${LONG}`,
      });
    const again = await opened(gateway({ name: 'other', targets: { announcements: [named(LONG)] } }));
    expect((await again.list())[0]?.name).toBe(one?.name);
  });

  it('that are shortened are found in another process, also where only the target can search for them', async () => {
    const { made } = searched([named('other'), named(LONG)], {
      search: async (query, { limit }) => [named('other'), named(LONG)].filter(({ name }) => name.startsWith(query)).slice(0, limit),
    });
    const targets = { announcements: made };
    const own = await opened(gateway({ name: 'office', targets }));
    await own.list();
    const [found] = (await own.search?.('send', { limit: 5, signal })) ?? [];
    expect(found?.name).toHaveLength(64);
    const another = await opened(gateway({ name: 'office', targets }));
    expect((await another.find?.(found?.name as string, { signal }))?.name).toBe(found?.name);
    expect((await another.resolve(`announcements___${LONG}`, { signal }))?.name).toBe(LONG);
    expect(await another.find?.(`${found?.name.slice(0, -1)}!`, { signal })).toBeUndefined();
  });

  it('that collide leave the second tool out, with a warning', async () => {
    const first = await opened(gateway({ name: 'a', targets: { announcements: [named(LONG)] } }));
    const short = (await first.list())[0]?.name as string;
    const taken = named(short.slice('announcements___'.length));
    const own = await opened(gateway({ name: 'a', targets: { announcements: [named(LONG), taken] } }));
    expect((await own.list()).map(({ name }) => name)).toEqual([short]);
    expect(own.left()).toEqual([{ target: 'announcements', reason: `"${taken.name}": it has the name of announcements___${LONG}` }]);
    expect(warned).toHaveBeenCalledOnce();
  });

  it('of two tools of one source that are the same leave the second out', async () => {
    const own = await opened(gateway({ name: 'a', targets: { shop: source(() => [named('pay'), named('pay')]).made } }));
    expect((await own.list()).map(({ name }) => name)).toEqual(['shop___pay']);
    expect(own.left()).toEqual([{ target: 'shop', reason: '"pay": there are two of that name' }]);
  });

  it('of gateways in gateways have all targets, and the search tool of an AgentCore gateway is hidden', async () => {
    const aws = source(() => [named('x_amz_bedrock_agentcore_search'), named('crm___find')]).made;
    const inner = gateway({ name: 'inner', targets: { aws, mail: [named('send')] } });
    const own = await opened(gateway({ name: 'outer', targets: { inner, also: aws } }));
    expect((await own.list()).map(({ name }) => name)).toEqual(['inner___aws___crm___find', 'inner___mail___send', 'also___crm___find']);
    expect(await own.resolve('inner___mail___send', { signal })).toMatchObject({ target: 'inner', name: 'mail___send' });
  });
});

describe('a gateway refuses', () => {
  const send = named('send');
  const bad = (options: object) => () => gateway(options as never);
  const reader = agent({ name: 'reader', instructions: '', model: scripted([]) });
  it.each<[string, () => unknown, RegExp]>([
    ['no name', bad({ targets: { mail: [send] } }), /needs a name/],
    ['no targets', bad({ name: 'a', targets: {} }), /no targets/],
    ['a list as targets', bad({ name: 'a', targets: [send] }), /from the name of a target/],
    ['a source as targets', bad({ name: 'a', targets: source(() => []).made }), /from the name of a target/],
    ['___ in a name', bad({ name: 'a', targets: { a___b: [send] } }), /Write "a__b"/],
    ['_ at the end', bad({ name: 'a', targets: { mail_: [send] } }), /Write "mail"/],
    ['a space', bad({ name: 'a', targets: { 'my mail': [send] } }), /Write "my-mail"/],
    ['an empty name', bad({ name: 'a', targets: { '': [send] } }), /target ""/],
    ['101 characters', bad({ name: 'a', targets: { ['a'.repeat(101)]: [send] } }), /1 to 100/],
    ['a reserved name', bad({ name: 'a', targets: { rondo_mail: [send] } }), /reserved for the engine/],
    ['names that differ in case', bad({ name: 'a', targets: { mail: [send], Mail: [send] } }), /"mail" and "Mail"/],
    ['two tools of a name', bad({ name: 'a', targets: { mail: [send, named('send')] } }), /two tools or agents named "send"/],
    ['a tool and an agent of a name', bad({ name: 'a', targets: { mail: [named('reader'), reader] } }), /named "reader"/],
    ['a source in a list', bad({ name: 'a', targets: { mail: [source(() => []).made] } }), /as a target of its own/],
    ['a bare function', bad({ name: 'a', targets: { mail: () => 1 } }), /list of tools and agents/],
    ['an unknown option', bad({ name: 'a', targets: { mail: [send] }, target: {} }), /Did you mean "targets"/],
    ['reliability of no target', bad({ name: 'a', targets: { mail: [send] }, reliability: { mails: {} } }), /Did you mean "mail"/],
    ['no reliability at all', bad({ name: 'a', targets: { mail: [send] }, reliability: null as never }), /reliability is an object/],
    ['an unknown reliability', bad({ name: 'a', targets: { mail: [send] }, reliability: { mail: { retrys: 3 } } }), /Did you mean "retry"/],
    ['a wrong number', bad({ name: 'a', targets: { mail: [send] }, reliability: { mail: { timeout: -1 } } }), /timeout must be/],
    ['no time to open', bad({ name: 'a', targets: { mail: [send] }, openTimeout: 0 }), /openTimeout/],
  ])('%s', (_, make, message) => {
    expect(make).toThrowError(expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringMatching(message) }));
  });

  it('an item of a source that is not a tool, and offers the rest', async () => {
    const odd = [{ name: 'send' }, named('pay'), null] as unknown as Tool[];
    const own = await opened(gateway({ name: 'a', targets: { shop: source(() => odd).made } }));
    expect((await own.list()).map(({ name }) => name)).toEqual(['shop___pay']);
    expect(own.left().map(({ reason }) => reason)).toEqual(['"send": it was not made by tool()', 'an item: it was not made by tool()']);
    const none = await opened(gateway({ name: 'a', targets: { shop: source(() => 'all' as never).made as ToolSource } }));
    expect(await none.list()).toEqual([]);
    expect(none.left()[0]?.reason).toContain('no list of tools');
  });
});
