/** A search of the web as a tool, in the form of AgentCore's web search connector. */
import { invalid } from '../../../errors.ts';
import { sha256 } from '../../../journal/canonical.ts';
import { cut } from '../../../json-schema/size.ts';
import { definition, tool } from '../../../loop/tools/tool.ts';
import { checkOptions } from '../../../options.ts';
import type { Breaker, Retry, ToolSource } from '../../../ports/tool.ts';
import type { JsonSchema } from '../../../schema.ts';
import type { SearchBackend, SearchQuery, SearchResult } from './backend.ts';

export interface WebSearchOptions {
  backend: SearchBackend;
  /** Most results of a search, and how many are given if the model does not say. Default 10, at most 50. */
  results?: number;
  /** Milliseconds that the result of a search is given again to the same one, without asking. Default 300,000; `false`: never. */
  ttl?: number | false;
  /** Most characters of the text of one result. Default 2,000. */
  maxText?: number;
  /** US dollars of one search, as in `tool()`. */
  cost?: number;
  /** Milliseconds of one attempt. Default 20,000, unless the gateway, the agent or the engine says more. */
  timeout?: number;
  /** As in `tool()`; `...reliability(json)` gives them from a configuration. */
  deadline?: number;
  retry?: Retry;
  breaker?: Breaker | false;
}

const EXAMPLES = {
  backend: 'backend: brave()',
  results: 'results: 10',
  ttl: 'ttl: 300_000',
  maxText: 'maxText: 2_000',
  cost: 'cost: 0.005',
  timeout: 'timeout: 20_000',
  deadline: 'deadline: 60_000',
  retry: 'retry: { attempts: 3 }',
  breaker: 'breaker: { failures: 5 }',
} satisfies { [K in keyof WebSearchOptions]-?: string };

const DATE = '^\\d{4}-\\d{2}-\\d{2}$';
const HOSTS = { type: 'array', maxItems: 20, items: { type: 'string', pattern: '^[\\w.-]{1,253}$' } } as const;
const MOST_RESULTS = 50;
const TIMEOUT = 20_000;

const inputOf = (most: number) =>
  ({
    type: 'object',
    required: ['query'],
    additionalProperties: false,
    properties: {
      query: { type: 'string', minLength: 1, maxLength: 200, description: 'What to search for' },
      maxResults: { type: 'integer', minimum: 1, maximum: most },
      filters: {
        type: 'object',
        additionalProperties: false,
        properties: {
          domainFilter: {
            type: 'object',
            additionalProperties: false,
            description: 'Hosts, such as example.com: subdomains count',
            properties: { include: HOSTS, exclude: HOSTS },
          },
          publishedDateFilter: {
            type: 'object',
            additionalProperties: false,
            properties: { from: { type: 'string', pattern: DATE }, to: { type: 'string', pattern: DATE } },
          },
        },
      },
    },
  }) satisfies JsonSchema;

interface Input {
  query: string;
  maxResults?: number;
  filters?: { domainFilter?: { include?: string[]; exclude?: string[] }; publishedDateFilter?: { from?: string; to?: string } };
}

/**
 * One tool, `WebSearch`, which answers `{ id, results: [{ title, url, text, publishedDate? }] }`. What passes no filter is taken out, also where the
 * backend has no such filter. The key of the backend comes from the engine's identity.
 * @throws RondoError `CONFIG_INVALID`.
 */
export function webSearch(o: WebSearchOptions): ToolSource {
  const where = 'webSearch()';
  checkOptions(o, EXAMPLES, where);
  const { backend, results = 10, ttl = 300_000, maxText = 2_000, cost, timeout, deadline, retry, breaker } = o;
  if (typeof backend?.search !== 'function') throw invalid(`${where} needs a backend: { ${EXAMPLES.backend} }.`);
  if (!Number.isInteger(results) || results < 1 || results > MOST_RESULTS)
    throw invalid(`${where}: results is ${results}; it is 1 to ${MOST_RESULTS}.`);
  if (!(maxText > 0)) throw invalid(`${where}: maxText is ${maxText}; it is characters, above 0.`);
  const { credential } = backend;
  const made = tool({
    name: 'WebSearch',
    description: 'Searches the web, and answers with titles, addresses and parts of the texts. What they say is not verified.',
    input: inputOf(results),
    effect: 'read',
    ...(timeout !== undefined && { timeout }),
    ...(deadline !== undefined && { deadline }),
    ...(retry && { retry }),
    ...(breaker !== undefined && { breaker }),
    ...(cost !== undefined && { cost }),
    // without credentials of a caller, all of a tenant get the same
    ...(ttl !== false && { cache: { ttl, ...(!credential && { shared: true }) } }),
    ...(credential && { credentials: { key: credential } }),
    async execute(input, ctx) {
      const { query, maxResults = results, filters = {} } = input as Input;
      const { domainFilter: { include = [], exclude = [] } = {}, publishedDateFilter: { from, to } = {} } = filters;
      const q: SearchQuery = { query, maxResults, include, exclude, from, to };
      const key = (ctx.credentials as { readonly key?: string }).key ?? '';
      const found = await backend.search(q, { signal: ctx.signal, key });
      const passed = found.filter((result) => passes(result, q)).slice(0, maxResults);
      const told = passed.map(({ title, url, text, publishedDate }) => ({
        title: cut(title, 500),
        url,
        text: cut(text, maxText),
        ...(publishedDate !== undefined && { publishedDate }),
      }));
      return { id: sha256(JSON.stringify([query, told])).slice(0, 32), results: told };
    },
  });
  const { options, ...rest } = definition(made);
  const search = { ...rest, options: { ...options, usual: { timeout: TIMEOUT } } };
  return { name: `web search (${backend.name})`, open: async () => ({ list: async () => [search], close: async () => {} }) };
}

/** A dot behind the last name changes nothing about where a name leads. */
const hostOf = (name: string): string => name.toLowerCase().replace(/\.$/, '');

/** Whether a result is of the hosts and the dates that are asked for. */
export function passes(
  { url, publishedDate }: SearchResult,
  { include, exclude, from, to }: Pick<SearchQuery, 'include' | 'exclude' | 'from' | 'to'>,
): boolean {
  const host = URL.canParse(url) ? hostOf(new URL(url).hostname) : '';
  const of = (hosts: readonly string[]) => hosts.map(hostOf).some((own) => host === own || host.endsWith(`.${own}`));
  if ((include.length > 0 && !of(include)) || of(exclude)) return false;
  if (from === undefined && to === undefined) return true;
  const date = publishedDate === undefined ? Number.NaN : Date.parse(publishedDate);
  if (Number.isNaN(date)) return false;
  const day = new Date(date).toISOString().slice(0, 10);
  return (from === undefined || day >= from) && (to === undefined || day <= to);
}
