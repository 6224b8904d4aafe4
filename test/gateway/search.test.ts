import { approve, memoryJournal } from 'rondo';
import { gateway } from 'rondo/gateway';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { entriesOf } from '../kit/journals.ts';
import { asks, ends, shown } from '../kit/runs.ts';
import { answerIn, call, find, named } from '../loop/searched.ts';
import { about, MAIL, namesOf, opened, over, shop, source } from './support.ts';

beforeEach(() => {
  vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
});
afterEach(() => vi.restoreAllMocks());

const signal = new AbortController().signal;
const SHOP = shop(50);

describe('a gateway that is searched', () => {
  it('offers the same two tools in every request, and a call is one of the named tool', async () => {
    const journal = memoryJournal();
    const office = gateway({ name: 'office', targets: { mail: MAIL, shop: SHOP }, search: true });
    const { go, offered, model } = over([office], [asks(find('where is my parcel')), asks(call('shop___track', { nr: 7 })), 'done'], {
      journal,
    });
    const { runId } = await ends(go(), 'completed');
    expect(offered()).toEqual(Array(3).fill(['find_tools', 'call_tool']));
    expect(answerIn(shown(model.requests[1])[0]).tools[0]?.name).toBe('shop___track');
    expect(shown(model.requests[2])[1]?.text).toBe('track {"nr":7}');
    const entries = await entriesOf(journal, runId);
    expect(
      entries.filter((e) => e.type === 'call.finished').map((e) => ('found' in e ? e.found?.map((f) => f.source) : undefined))[0],
    ).toContain('office');
  });

  it('above a number of tools, once it has more', async () => {
    const more = [...MAIL];
    const listed = source(() => [...more]);
    const office = gateway({ name: 'office', targets: { mail: listed.made }, search: { above: 2 } });
    const { go, offered } = over([office], (_, n) => {
      if (n === 1) return 'done';
      more.push(named('sort'));
      listed.tell();
      return asks(['mail___send', {}]);
    });
    await ends(go(), 'completed');
    expect(offered()).toEqual([
      ['mail___send', 'mail___archive'],
      ['find_tools', 'call_tool'],
    ]);
    more.length = 1;
    listed.tell();
    expect(namesOf(await (await opened(office)).list())).toEqual(['mail___send']);
  });

  it('goes on to be searched once it is, also with fewer tools: what is offered stays the same', async () => {
    const some = [...MAIL];
    const listed = source(() => [...some]);
    const office = await opened(gateway({ name: 'office', targets: { mail: listed.made }, search: { above: 1 } }));
    expect(await office.list()).toEqual([]);
    some.length = 1;
    listed.tell();
    expect(await office.list()).toEqual([]);
    expect(namesOf(await office.search?.('send a letter', { limit: 5, signal }))).toEqual(['mail___send']);
  });

  it('beside another one is searched with it, by one search tool', async () => {
    const one = gateway({ name: 'one', targets: { mail: MAIL }, search: true });
    const two = gateway({ name: 'two', targets: { post: [about('letter', 'Writes a letter')] }, search: true });
    const { go, offered, model } = over([one, two], [asks(find('letter')), asks(call('post___letter', {})), 'done']);
    await ends(go(), 'completed');
    expect(offered()[0]).toEqual(['find_tools', 'call_tool']);
    expect(namesOf(answerIn(shown(model.requests[2])[0]).tools as never)?.toSorted()).toEqual([
      'mail___archive',
      'mail___send',
      'post___letter',
    ]);
    expect(shown(model.requests[2])[1]?.text).toBe('letter {}');
    const same = over([one, gateway({ name: 'one', targets: { post: MAIL }, search: true })], ['done']);
    await expect(same.go()).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining('two sources named "one"') });
  });

  it('finds a tool for a call that a person has approved, in another process', async () => {
    const journal = memoryJournal();
    const office = () => gateway({ name: 'office', targets: { mail: [...MAIL, named('pay', { approval: true })] }, search: true });
    const first = over([office()], [asks(find('pay')), asks(call('mail___pay', { usd: 5 })), 'done'], { journal });
    const paused = await ends(first.go(), 'paused');
    expect(paused.approvals[0]).toMatchObject({ tool: 'mail___pay' });
    await first.engine.close();
    const second = over([office()], ['done'], { journal });
    await second.engine.decide(
      paused.runId,
      paused.approvals.map((a) => approve(a)),
      { by: { id: 'ben' } },
    );
    await ends(second.engine.resume(paused.runId), 'completed');
    expect(shown(second.model.requests[0]).at(-1)?.text).toBe('pay {"usd":5}');
  });

  it('with hundreds of tools names further ones, counted in all of its searches, and a named one is had by its name', async () => {
    const many = (what: string, count: number) => Array.from({ length: count }, (_, i) => about(`${what}_${i}`, `Prints ${what} ${i}`));
    const failing = source(() => [], {
      opened: {
        search: async () => [],
        find: async () => undefined,
        count() {
          throw new Error('down');
        },
      },
    });
    const inner = gateway({ name: 'inner', targets: { b: many('report', 300) }, search: true });
    const office = gateway({ name: 'office', targets: { a: many('report', 300), inner, failing: failing.made }, search: true });
    const named = (request: Parameters<typeof shown>[0]) => answerIn(shown(request)[0]).others?.at(-1)?.split(':')[0] ?? '';
    const { go, model } = over([office], (request, n) => (n === 2 ? 'done' : asks(find(n === 0 ? 'report' : named(request)))));
    await ends(go(), 'completed');
    const [first, second] = shown(model.requests[2]).map(answerIn);
    expect(first?.tools).toHaveLength(20);
    expect(first?.others).toHaveLength(30);
    expect(second?.tools.map((tool) => tool.name)).toEqual([named(model.requests[1])]);
    const own = await opened(office);
    expect(await own.count?.()).toBe(300);
    await own.list();
    expect(await own.count?.()).toBe(600);
  });

  it('compares words by their stems, without common words, and takes the operation that is asked for', async () => {
    const crud = ['list', 'get', 'create', 'update', 'delete'].map((verb) => about(`${verb}_invoice`, 'An invoice of the shop'));
    const targets = {
      shop: [
        ...crud,
        about('translate', 'Translation of documents'),
        about('pay', 'Payments'),
        about('the_rest', 'What is left of the it'),
      ],
    };
    const own = await opened(gateway({ name: 'office', targets, search: true }));
    await own.list();
    const first = async (query: string) => namesOf(await own.search?.(query, { limit: 5, signal }))?.[0];
    expect(await first('translating a document')).toBe('shop___translate');
    expect(await first('paying')).toBe('shop___pay');
    expect(await first('remove the invoices of May')).toBe('shop___delete_invoice');
    expect(await first('which invoices are there?')).toBe('shop___list_invoice');
    expect(await first('correct an invoice')).toBe('shop___update_invoice');
  });

  it('has places left for other things than the first one, whatever can be done with that', async () => {
    const about5 = (what: string, said: string) =>
      ['list', 'get', 'create', 'update', 'delete'].map((verb) => about(`${verb}_${what}`, said));
    const targets = { a: about5('mail_draft', 'a letter of mail'), b: about5('mail_filter', 'a filter of mail, by rules for the box') };
    const own = await opened(gateway({ name: 'office', targets, search: true }));
    await own.list();
    expect(namesOf(await own.search?.('mail', { limit: 3, signal }))?.some((name) => name.startsWith('b___'))).toBe(true);
  });

  it.each([
    ['a wrong number', { above: -1 }, /search.above is -1/],
    ['an unknown option', { abov: 1 }, /Did you mean "above"/],
    ['an embedder without a name', { embed: { embed: () => [] } }, /with the name of the model/],
    ['a text', 'yes', /takes its options as an object/],
  ])('refuses %s', (_, search, message) => {
    expect(() => gateway({ name: 'a', targets: { mail: MAIL }, search: search as never })).toThrowError(
      expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringMatching(message) }),
    );
  });
});
