/** The backends against services of this process that answer in the shapes which Brave, Tavily and SearXNG document. They were not called for real. */
import { type Identity, type Json, memoryJournal } from 'rondo';
import { brave, localIndex, type SearchBackend, searxng, tavily, type WebSearchOptions, webSearch } from 'rondo/gateway';
import { describe, expect, test } from 'vitest';
import { calling, over } from '../../gateway/calls.ts';
import { asks, ends, refused, shown } from '../../kit/runs.ts';
import { type Received, reference } from './reference.ts';

const KEY = 'BSA-key-7f31';
const identity: Identity = { get: async ({ provider }) => ({ token: `${KEY}-${provider}` }) };
const search = (backend: SearchBackend, input: Json, o: Partial<WebSearchOptions> = {}) =>
  calling(webSearch({ backend, ...o }), 'WebSearch', input, { engine: { identity } });
const answered = (body: Json) => ({ headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });

const FILTERS = {
  domainFilter: { include: ['example.com', 'example.org'], exclude: ['old.example.com'] },
  publishedDateFilter: { from: '2026-01-01', to: '2026-06-30' },
};

describe('each backend sends what the service takes, and reads what it answers', () => {
  test('Brave', async () => {
    const service = await reference();
    service.answers.push(
      answered({
        type: 'search',
        web: {
          results: [
            {
              title: 'A <strong>tea</strong>',
              url: 'https://www.example.com/a',
              description: 'All of <strong>tea</strong>',
              page_age: '2026-02-01T00:00:00',
              extra_snippets: ['More'],
            },
            { title: 'Elsewhere', url: 'https://evil.example/a', description: 'x', page_age: '2026-02-01T00:00:00' },
          ],
        },
      }),
    );
    const called = await search(brave({ endpoint: service.url }), { query: 'green tea', maxResults: 5, filters: FILTERS });
    const [got] = service.received as [Received];
    expect(got).toMatchObject({ method: 'GET', headers: { 'x-subscription-token': `${KEY}-brave` } });
    expect(got.url).toMatch(/^\/res\/v1\/web\/search\?/);
    expect(got.query).toEqual({
      q: 'green tea (site:example.com OR site:example.org) -site:old.example.com',
      count: '5',
      freshness: '2026-01-01to2026-06-30',
    });
    expect(called.value).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{32}$/),
      results: [{ title: 'A tea', url: 'https://www.example.com/a', text: 'All of tea\nMore', publishedDate: '2026-02-01T00:00:00' }],
    });
    expect(called.written).not.toContain(KEY);
  });

  test('Tavily', async () => {
    const service = await reference();
    service.answers.push(
      answered({
        query: 'green tea',
        results: [
          { title: 'T', url: 'https://example.org/t', content: 'Text', score: 0.9, published_date: 'Wed, 04 Mar 2026 09:00:00 GMT' },
        ],
      }),
    );
    const called = await search(tavily({ endpoint: service.url, provider: 'own' }), { query: 'green tea', filters: FILTERS });
    const [got] = service.received as [Received];
    expect(got).toMatchObject({ method: 'POST', url: '/search', headers: { authorization: `Bearer ${KEY}-own` } });
    expect(got.body).toEqual({
      query: 'green tea',
      max_results: 10,
      include_domains: ['example.com', 'example.org'],
      exclude_domains: ['old.example.com'],
      start_date: '2026-01-01',
      end_date: '2026-06-30',
    });
    expect(called.value).toMatchObject({ results: [{ title: 'T', url: 'https://example.org/t', text: 'Text' }] });
  });

  test('SearXNG, without a key', async () => {
    const service = await reference();
    service.answers.push(
      answered({
        query: 'tea',
        results: [
          { title: 'T', url: 'https://example.org/t', content: 'Text', publishedDate: null },
          { title: 'no address' },
          { title: 'U', url: 'javascript:x' },
        ],
      }),
    );
    const { value } = await calling(webSearch({ backend: searxng({ url: service.url }) }), 'WebSearch', { query: 'tea' });
    expect(service.received[0]?.query).toEqual({ q: 'tea', format: 'json' });
    expect((value as { results: Json[] }).results[0]).toEqual({ title: 'T', url: 'https://example.org/t', text: 'Text' });
  });

  test('an error of the service has its code, and what it says of the key is masked', async () => {
    const service = await reference();
    service.answers.push(
      { status: 429, headers: { 'retry-after': '1' }, body: '{}' },
      answered({ web: { results: [] } }),
      { status: 401, body: `bad key ${KEY}-brave` },
      answered({ web: { results: 'none' } }),
    );
    const backend = brave({ endpoint: service.url });
    expect((await search(backend, { query: 'a' })).value).toMatchObject({ results: [] });
    const denied = await search(backend, { query: 'b' });
    expect(denied.failure.code).toBe('UNAUTHENTICATED');
    expect(denied.written).not.toContain(KEY);
    expect((await search(backend, { query: 'c' })).failure.code).toBe('BAD_RESPONSE');
  });
});

const PAGES = [
  { title: 'Cats', url: 'https://a.example/cats', text: 'The cat is a small animal that hunts mice.', publishedDate: '2026-01-05' },
  { title: 'Dogs', url: 'https://b.example/dogs', text: 'The dog is an animal that barks at cats.', publishedDate: '2026-03-05' },
  { title: 'Ships', url: 'https://sub.b.example/ships', text: `Ships sail. ${'x'.repeat(500)}` },
];
const titles = (value: Json) => (value as { results: { title: string }[] }).results.map(({ title }) => title);

test('an index of documents ranks by words, and the filters hold', async () => {
  const backend = localIndex(PAGES);
  const of = async (query: string, filters?: Json) =>
    titles((await search(backend, { query, ...(filters !== undefined && { filters }) })).value);
  expect(await of('cats')).toEqual(['Cats', 'Dogs']);
  expect(await of('barking animal dog')).toEqual(['Dogs', 'Cats']);
  expect(await of('nothing of this')).toEqual([]);
  expect(await of('animal', { domainFilter: { exclude: ['a.example'] } })).toEqual(['Dogs']);
  expect(await of('ship sail', { domainFilter: { include: ['b.example'] } })).toEqual(['Ships']);
  expect(await of('ship sail', { domainFilter: { include: ['example'] } })).toEqual(['Ships']);
  expect(await of('ship sail', { domainFilter: { include: ['ub.b.example'] } })).toEqual([]);
  expect(await of('animal', { publishedDateFilter: { from: '2026-02-01' } })).toEqual(['Dogs']);
  // names with a dot behind the last one lead to the same hosts
  const dotted = localIndex([{ title: 'Cats', url: 'https://A.example./cats', text: 'The cat is an animal.' }]);
  const filtered = async (domainFilter: Json) => titles((await search(dotted, { query: 'cat', filters: { domainFilter } })).value);
  expect(await filtered({ exclude: ['a.example'] })).toEqual([]);
  expect(await filtered({ include: ['a.example.'] })).toEqual(['Cats']);
  expect(await of('ship', { publishedDateFilter: { from: '2020-01-01' } })).toEqual([]);
  const { value } = await search(backend, { query: 'ships', maxResults: 1 }, { maxText: 100 });
  expect((value as { results: { text: string }[] }).results[0]?.text).toHaveLength(100);
});

test('arguments are those of AgentCore: a query of at most 200 characters, dates, no more results than configured', async () => {
  const backend = localIndex(PAGES);
  const inputs: Json[] = [
    { query: 'x'.repeat(201) },
    { query: '' },
    { query: 'a', maxResults: 11 },
    { query: 'a', filters: { publishedDateFilter: { from: 'today' } } },
    { query: 'a', more: 1 },
  ];
  for (const input of inputs) expect((await search(backend, input)).failure).toMatchObject({ code: 'INVALID_ARGUMENTS' });
  await refused('CONFIG_INVALID', () => webSearch({ backend: {} as never }));
  await refused('CONFIG_INVALID', () => webSearch({ backend, results: 0 }));
  await refused('CONFIG_INVALID', () => searxng({ url: 'searx' }));
  await refused('CONFIG_INVALID', () => localIndex([{ title: 'x' } as never]));
});

test('the same search is answered again for its ttl, without a request; with ttl: false it is not', async () => {
  for (const [ttl, times] of [
    [60_000, 1],
    [false, 2],
  ] as const) {
    const service = await reference();
    const own = webSearch({ backend: searxng({ url: service.url }), ttl });
    const { engine, agent, model } = over(own, [asks(['WebSearch', { query: 'tea' }]), asks(['WebSearch', { query: 'tea' }]), 'done'], {
      journal: memoryJournal(),
    });
    service.answers.push(answered({ results: [] }), answered({ results: [] }));
    await ends(engine.run(agent, 'go'), 'completed');
    expect(service.received).toHaveLength(times);
    expect(shown(model.requests[2])).toHaveLength(2);
  }
});
