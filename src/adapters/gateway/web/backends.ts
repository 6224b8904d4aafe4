/** Backends of the web search: the requests and answers of Brave, Tavily and SearXNG, and documents of your own. */

import { invalid, ToolError } from '../../../errors.ts';
import type { Json } from '../../../json.ts';
import { isObject } from '../../../json-schema/keywords.ts';
import { checkOptions } from '../../../options.ts';
import { Words } from '../../ranking/words.ts';
import { contentOf, send } from '../outbound/send.ts';
import type { SearchBackend, SearchContext, SearchQuery, SearchResult } from './backend.ts';

export interface KeyedBackendOptions {
  /** The provider of the key in the engine's identity. Default: the name of the backend. */
  provider?: string;
  /** Default: the service's own. */
  endpoint?: string;
}

const KEYED = { provider: "provider: 'search'", endpoint: "endpoint: 'https://search.example.com'" } satisfies Record<
  keyof KeyedBackendOptions,
  string
>;

/** Bytes of an answer of a service. */
const MOST_BYTES = 2_000_000;

/** Brave Search: `GET /res/v1/web/search`, the key in `X-Subscription-Token`. @throws RondoError `CONFIG_INVALID` */
export function brave(o: KeyedBackendOptions = {}): SearchBackend {
  checkOptions(o, KEYED, 'brave()');
  const { provider = 'brave', endpoint = 'https://api.search.brave.com' } = o;
  const base = address(endpoint, 'brave()');
  return {
    name: 'brave',
    credential: { provider, flow: 'api-key' },
    async search(q, ctx) {
      const url = new URL(`${base}/res/v1/web/search`);
      const { from = '1970-01-01', to = new Date().toISOString().slice(0, 10) } = q;
      const dates: Record<string, string> = q.from !== undefined || q.to !== undefined ? { freshness: `${from}to${to}` } : {};
      url.search = String(new URLSearchParams({ q: withSites(q), count: String(Math.min(q.maxResults, 20)), ...dates }));
      const answer = await asked('Brave', url, { 'x-subscription-token': ctx.key }, ctx);
      const web = isObject(answer) ? answer.web : undefined;
      return rows(isObject(web) ? web.results : undefined, (row) => ({
        title: plainText(row.title),
        url: row.url,
        text: [row.description, ...(Array.isArray(row.extra_snippets) ? row.extra_snippets : [])].map(plainText).join('\n'),
        publishedDate: row.page_age,
      }));
    },
  };
}

/** Tavily: `POST /search`, the key as a bearer. @throws RondoError `CONFIG_INVALID` */
export function tavily(o: KeyedBackendOptions = {}): SearchBackend {
  checkOptions(o, KEYED, 'tavily()');
  const { provider = 'tavily', endpoint = 'https://api.tavily.com' } = o;
  const base = address(endpoint, 'tavily()');
  return {
    name: 'tavily',
    credential: { provider, flow: 'api-key' },
    async search(q, ctx) {
      const body = {
        query: q.query,
        max_results: Math.min(q.maxResults, 20),
        ...(q.include.length > 0 && { include_domains: q.include }),
        ...(q.exclude.length > 0 && { exclude_domains: q.exclude }),
        ...(q.from !== undefined && { start_date: q.from }),
        ...(q.to !== undefined && { end_date: q.to }),
      };
      const answer = await asked('Tavily', new URL(`${base}/search`), { authorization: `Bearer ${ctx.key}` }, ctx, body as Json);
      return rows(isObject(answer) ? answer.results : undefined, (row) => ({
        title: row.title,
        url: row.url,
        text: row.content,
        publishedDate: row.published_date,
      }));
    },
  };
}

/** A SearXNG of yours, whose format `json` is enabled: `GET /search?format=json`. @throws RondoError `CONFIG_INVALID` */
export function searxng(o: { url: string }): SearchBackend {
  checkOptions(o, { url: "url: 'http://localhost:8888'" }, 'searxng()');
  const base = address(o.url, 'searxng()');
  return {
    name: 'searxng',
    async search(q, ctx) {
      const to = new URL(`${base}/search`);
      to.search = String(new URLSearchParams({ q: withSites(q), format: 'json' }));
      const answer = await asked('SearXNG', to, {}, ctx);
      return rows(isObject(answer) ? answer.results : undefined, (row) => ({
        title: row.title,
        url: row.url,
        text: row.content,
        publishedDate: row.publishedDate,
      }));
    },
  };
}

/** Documents of your own, ranked by words (BM25). The title counts twice. @throws RondoError `CONFIG_INVALID` */
export function localIndex(documents: readonly SearchResult[]): SearchBackend {
  if (!Array.isArray(documents)) throw invalid('localIndex() takes a list of documents: [{ title, url, text }].');
  for (const [i, document] of documents.entries())
    for (const field of ['title', 'url', 'text'] as const)
      if (typeof document?.[field] !== 'string')
        throw invalid(`localIndex(): document ${i} has no ${field}: { title, url, text, publishedDate? }.`);
  const words = new Words(
    documents,
    ({ title, text }) => [
      [title, 2],
      [text, 1],
    ],
    MOST_WORDS,
  );
  return {
    name: 'local index',
    // filters come afterwards, so all that fit are ranked
    search: async ({ query }) => words.best(query, documents.length),
  };
}

/** Words of one document that are looked at. */
const MOST_WORDS = 20_000;

function address(given: string, where: string): string {
  const url = URL.canParse(given) ? new URL(given) : undefined;
  if (url?.protocol === 'https:' || url?.protocol === 'http:') return url.href.replace(/\/$/, '');
  throw invalid(`${where}: ${JSON.stringify(given)} is not an http or https URL.`);
}

/** Hosts by the operators that search engines know. */
function withSites({ query, include, exclude }: SearchQuery): string {
  const sites = include.map((host) => `site:${host}`).join(' OR ');
  return [query, ...(sites ? [include.length > 1 ? `(${sites})` : sites] : []), ...exclude.map((host) => `-site:${host}`)].join(' ');
}

async function asked(name: string, url: URL, headers: Record<string, string>, { signal, key }: SearchContext, body?: Json): Promise<Json> {
  // the error of fetch would quote the header
  if (/[^\x20-\x7e]/.test(key))
    throw new ToolError('CREDENTIALS_INVALID', `The key of ${name} has characters that a header cannot have.`, { outcome: 'not-run' });
  const line = { name, fetch, maxBytes: MOST_BYTES, authorize: async (request: Parameters<typeof send>[1]) => ({ request, secrets: [] }) };
  const request = {
    method: body === undefined ? 'GET' : 'POST',
    url,
    headers: { accept: 'application/json', ...headers, ...(body !== undefined && { 'content-type': 'application/json' }) },
    body: body === undefined ? undefined : Buffer.from(JSON.stringify(body)),
  };
  const { answer } = await send(line, request, signal);
  return contentOf(answer, (text) => text);
}

type Row = { readonly [field: string]: Json };

/** Rows without an address are left out. @throws ToolError `BAD_RESPONSE` for an answer without a list. */
function rows(list: Json | undefined, resultOf: (row: Row) => { [K in keyof SearchResult]: Json | undefined }): SearchResult[] {
  if (list === undefined) return [];
  if (!Array.isArray(list))
    throw new ToolError('BAD_RESPONSE', 'The search service answered with something that is not a list of results.');
  return list.flatMap((row): SearchResult[] => {
    if (!isObject(row)) return [];
    const { title, url, text, publishedDate } = resultOf(row);
    if (typeof url !== 'string' || !URL.canParse(url)) return [];
    const date = typeof publishedDate === 'string' && !Number.isNaN(Date.parse(publishedDate)) ? { publishedDate } : {};
    return [{ title: typeof title === 'string' ? title : url, url, text: typeof text === 'string' ? text : '', ...date }];
  });
}

/** Brave marks the words it found. */
const plainText = (text: Json | undefined): string => (typeof text === 'string' ? text.replace(/<\/?strong>/g, '') : '');
