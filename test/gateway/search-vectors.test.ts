import { gateway } from 'rondo/gateway';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { definition } from '../../src/loop/tools/tool.ts';
import { eventually } from '../kit/time.ts';
import { about, MAIL, namesOf, opened, shop, source } from './support.ts';

let warned: ReturnType<typeof vi.spyOn>;
beforeEach(() => {
  warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const signal = new AbortController().signal;
const SHOP = shop(130);
const COUNT = MAIL.length + SHOP.length;
const warnings = () => warned.mock.calls.map(([text]: unknown[]) => text);

/** A model that knows three things: money, letters and the rest. */
const vectorOf = (text: string) => [/money|reimburse/i.test(text) ? 1 : 0, /letter|correspondence/i.test(text) ? 1 : 0, 0.1];
type Embed = (texts: readonly string[]) => Promise<readonly (readonly number[])[]>;

/** An embedder whose answers can be replaced. `tools` has the texts of tools in the order in which they were asked for. */
function model(answer: Embed = async (texts) => texts.map(vectorOf)) {
  const state = { answer, tools: [] as string[], sizes: [] as number[] };
  return {
    state,
    embed: {
      name: 'meanings',
      embed(texts: readonly string[]) {
        const tools = texts.filter((text) => text.includes(': '));
        state.tools.push(...tools);
        if (tools.length > 0) state.sizes.push(tools.length);
        return state.answer(texts);
      },
    },
  };
}

async function searching(embed: object | undefined, targets: object = { mail: MAIL, shop: SHOP }) {
  const made = gateway({ name: 'office', targets: targets as never, search: embed ? { embed: embed as never } : true });
  const own = await opened(made);
  const listed = await own.list();
  expect(listed).toEqual([]);
  return { made, own, find: async (query: string, limit = 2) => namesOf(await own.search?.(query, { limit, signal })) };
}

describe('a gateway that is searched by vectors', () => {
  it('finds by meaning, fused with the words', async () => {
    const { find } = await searching(model().embed);
    expect((await find('reimburse the customer'))?.[0]).toBe('shop___refund');
    expect((await find('correspondence archive'))?.[0]).toBe('mail___archive');
    const plain = await searching(undefined);
    expect(await plain.find('reimburse the customer')).toEqual([]);
  });

  it('takes the operation that is asked for, whatever is nearer', async () => {
    const tools = ['list', 'get', 'create', 'update', 'delete'].map((verb) => about(`${verb}_invoice`, 'An invoice of the shop'));
    const place = { list: 0.9, get: 0.92, create: 0.94, update: 0.96, delete: 0.98 };
    const near = (text: string) => {
      const cosine = Object.entries(place).find(([verb]) => text.includes(`${verb} invoice:`))?.[1] ?? (text.includes(': ') ? 0 : 1);
      return [cosine, Math.sqrt(1 - cosine ** 2)];
    };
    const { find } = await searching(model(async (texts) => texts.map(near)).embed, { shop: [...tools, ...MAIL] });
    expect((await find('show the bill'))?.toSorted()).toEqual(['shop___get_invoice', 'shop___list_invoice']);
  });

  it('weighs the words of tools at the first search, and not when they are listed', async () => {
    const { embed, state } = model();
    let weighed = 0;
    const send = about('send', 'Sends a letter to a person');
    Object.defineProperty(definition(send).spec.input, 'properties', {
      get: () => {
        weighed++;
        return {};
      },
    });
    const { find } = await searching(embed, { mail: [send] });
    await eventually(() => expect(state.tools).toHaveLength(1));
    expect(weighed).toBe(0);
    await find('money');
    await find('letter');
    expect(weighed).toBe(1);
  });

  // holds tool-vectors.I1
  it('embeds each tool once, in batches, before the first search', async () => {
    const { embed, state } = model();
    const { made, own, find } = await searching(embed);
    await eventually(() => expect(state.tools).toHaveLength(COUNT));
    expect(state.sizes).toEqual([64, 64, COUNT - 128]);
    await Promise.all([find('money'), find('money'), own.list()]);
    const other = await opened(made);
    await other.list();
    await other.search?.('money', { limit: 2, signal });
    expect(new Set(state.tools).size).toBe(COUNT);
    expect(state.tools).toHaveLength(COUNT);
    expect(state.tools).toContain('shop refund: Gives money back');
  });

  // holds tool-vectors.I1
  it('embeds only what has changed, and for a second caller nothing', async () => {
    const { embed, state } = model();
    let tools = [about('send', 'Sends a letter'), about('refund', 'Gives money back')];
    // a server makes its tools again at each listing, and for each caller
    const listed = source(() => tools.map(({ name, description }) => about(name, description)), { perCaller: true });
    const { made, own, find } = await searching(embed, { mail: listed.made });
    await find('money');
    expect(state.tools).toHaveLength(2);
    tools = [...tools.slice(0, 1), about('refund', 'Gives all money back'), about('track', 'Says where it is')];
    listed.tell();
    await own.list();
    expect((await find('money', 3))?.[0]).toBe('mail___refund');
    expect(state.tools.slice(2)).toEqual(['mail refund: Gives all money back', 'mail track: Says where it is']);
    const other = await opened(made, { by: { id: 'ben' } });
    await other.list();
    await other.search?.('money', { limit: 2, signal });
    expect(state.tools).toHaveLength(4);
  });

  it('stops to embed a catalogue when it is closed', async () => {
    let go = () => {};
    const { embed, state } = model((texts) => new Promise((resolve) => (go = () => resolve(texts.map(vectorOf)))));
    const { own } = await searching(embed);
    await eventually(() => expect(state.sizes).toEqual([64]));
    await own.close();
    go();
    await new Promise((resolve) => setImmediate(resolve));
    expect(state.sizes).toEqual([64]);
    expect(warnings()).toEqual([]);
  });

  // holds tool-vectors.I2
  it.each<[why: string, answer: Embed, says: RegExp]>([
    ['throws', () => Promise.reject(new Error('quota')), /quota/],
    [
      'throws at once',
      () => {
        throw new Error('no key');
      },
      /no key/,
    ],
    ['answers fewer vectors than texts', async (texts) => texts.slice(1).map(vectorOf), /did not answer with \d+ vectors/],
    ['answers no list', async () => ({}) as never, /did not answer with \d+ vectors/],
    ['answers vectors of several lengths', async (texts) => texts.map((_, i) => Array(1 + (i % 2)).fill(1)), /not of one length/],
    ['answers empty vectors', async (texts) => texts.map(() => []), /not of one length/],
    ['answers NaN', async (texts) => texts.map(() => [Number.NaN, 1]), /finite numbers/],
    ['answers infinite numbers', async (texts) => texts.map(() => [1, Number.POSITIVE_INFINITY]), /finite numbers/],
    ['answers texts', async (texts) => texts.map(() => ['1', '2']) as never, /finite numbers/],
    [
      'has other vectors for queries',
      async (texts) => texts.map((text) => (text.includes(': ') ? [1, 0, 0] : [1, 0])),
      /of 3 and of 2 numbers/,
    ],
  ])('goes by words, with one warning, while the model %s', async (_, answer, says) => {
    const { embed, state } = model();
    state.answer = answer;
    const { find } = await searching(embed);
    for (let i = 0; i < 2; i++) expect(await find('parcel')).toEqual(['shop___track']);
    expect(warnings()).toEqual([expect.stringMatching(says)]);
    expect(warnings()[0]).toMatch(/^The embedder meanings failed: .* Tools are found by their words until it works again\.$/);
  });

  it('asks again for what is missing once the model works again', async () => {
    const { embed, state } = model();
    let calls = 0;
    state.answer = async (texts) => {
      if (++calls === 2) throw new Error('quota');
      return texts.map(vectorOf);
    };
    const { find } = await searching(embed);
    await eventually(() => expect(warnings()).toHaveLength(1));
    expect((await find('reimburse'))?.[0]).toBe('shop___refund');
    expect(state.sizes).toEqual([64, 64, 64, COUNT - 128]);
  });

  // holds tool-vectors.I2
  it('goes by words while the model hangs, and asks again later', async () => {
    vi.useFakeTimers();
    const { embed, state } = model(() => new Promise(() => {}));
    const { find } = await searching(embed);
    const first = find('parcel');
    await vi.advanceTimersByTimeAsync(5_000);
    expect(await first).toEqual(['shop___track']);
    expect(warnings()).toEqual([expect.stringContaining('did not answer within 5000 ms')]);
    state.answer = async (texts) => texts.map(vectorOf);
    // the call that hangs is given up: what was asked in it is asked again
    await vi.advanceTimersByTimeAsync(60_000);
    expect((await find('reimburse'))?.[0]).toBe('shop___refund');
  });

  it('ranks every tool, so that a policy that hides the best leaves others', async () => {
    const policy = {
      decide: () => ({ allow: true }),
      offers: async ({ tools }: { tools: readonly string[] }) => tools.filter((name) => name === 'shop___report_129'),
    };
    const made = gateway({
      name: 'office',
      targets: { mail: MAIL, shop: SHOP },
      policy: policy as never,
      search: { embed: model().embed },
    });
    const own = await opened(made, { by: { id: 'ana' } });
    await own.list();
    expect(namesOf(await own.search?.('money', { limit: 2, signal }))).toEqual(['shop___report_129']);
  });
});
