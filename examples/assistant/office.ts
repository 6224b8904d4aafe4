/**
 * The back office of the shop: an API of 300 operations over thirty kinds of records, with its OpenAPI document. No model is offered 300 tools: it searches
 * them through a gateway.
 */
import { type Listening, listen } from 'rondo/server';

type Fields = Readonly<Record<string, 'string' | 'integer'>>;
interface Kind {
  one: string;
  about: string;
  fields: Fields;
}

const kind = (one: string, about: string, fields: Fields = {}): Kind => ({ one, about, fields });
const KINDS: Readonly<Record<string, Kind>> = {
  stores: kind('store', 'the stores of the shop, with their address and opening hours', {
    city: 'string',
    opens: 'string',
    closes: 'string',
  }),
  credits: kind('credit', 'credits that a customer may spend, an amount of money given for their trouble', {
    customer: 'string',
    cents: 'integer',
  }),
  customers: kind('customer', 'the customers, with how they want to be addressed', { name: 'string', greeting: 'string' }),
  invoices: kind('invoice', 'what was billed', { customer: 'string', cents: 'integer' }),
  returns: kind('return', 'goods that were sent back', { order: 'string', reason: 'string' }),
  suppliers: kind('supplier', 'who the shop buys from', { name: 'string', country: 'string' }),
  employees: kind('employee', 'who works here', { name: 'string', store: 'string' }),
  shifts: kind('shift', 'who works when', { employee: 'string', day: 'string' }),
  products: kind('product', 'what is sold, with its price', { name: 'string', cents: 'integer' }),
  stocks: kind('stock', 'how many pieces of a product a warehouse has', { product: 'string', pieces: 'integer' }),
  warehouses: kind('warehouse', 'where goods are kept', { city: 'string' }),
  shipments: kind('shipment', 'goods on their way from a supplier', { supplier: 'string', due: 'string' }),
  carriers: kind('carrier', 'who brings parcels', { name: 'string' }),
  coupons: kind('coupon', 'codes that make an order cheaper', { code: 'string', percent: 'integer' }),
  campaigns: kind('campaign', 'advertisements and when they run', { title: 'string', starts: 'string' }),
  newsletters: kind('newsletter', 'letters to subscribers', { subject: 'string' }),
  reviews: kind('review', 'what customers write of products, with stars', { product: 'string', stars: 'integer' }),
  tickets: kind('ticket', 'complaints and questions for support', { customer: 'string', subject: 'string' }),
  surveys: kind('survey', 'questions to customers, and their answers', { title: 'string' }),
  contracts: kind('contract', 'agreements with suppliers', { supplier: 'string', ends: 'string' }),
  payments: kind('payment', 'money that came in', { invoice: 'string', cents: 'integer' }),
  payouts: kind('payout', 'money that went out', { supplier: 'string', cents: 'integer' }),
  taxes: kind('tax', 'rates of value added tax by country', { country: 'string', percent: 'integer' }),
  budgets: kind('budget', 'what a department may spend', { department: 'string', cents: 'integer' }),
  expenses: kind('expense', 'what an employee has paid for the shop', { employee: 'string', cents: 'integer' }),
  reports: kind('report', 'figures of a month', { month: 'string' }),
  devices: kind('device', 'tills, scanners and printers', { store: 'string', model: 'string' }),
  badges: kind('badge', 'keys to doors', { employee: 'string' }),
  meetings: kind('meeting', 'who meets when', { subject: 'string', day: 'string' }),
  documents: kind('document', 'files in the archive', { title: 'string' }),
};

/** What is there when the office opens. */
const SEEDS: Readonly<Record<string, readonly object[]>> = {
  stores: [
    { city: 'Lyon', opens: '9:00', closes: '19:00' },
    { city: 'Bremen', opens: '10:00', closes: '18:00' },
  ],
  customers: [{ name: 'Ana', greeting: 'Dear Ana' }],
};

const title = (text: string) => text[0]?.toUpperCase() + text.slice(1);
const parameter = (name: string, at: 'path' | 'query', type: string) => ({ name, in: at, required: at === 'path', schema: { type } });
const answers = { responses: { 200: { description: 'what is asked for' } } };

/** Ten operations of a kind of record. */
function pathsOf(plural: string, { one, about, fields }: Kind): [string, object][] {
  const [a, many] = [title(one), title(plural)];
  const schema = { type: 'object', properties: Object.fromEntries(Object.entries(fields).map(([name, type]) => [name, { type }])) };
  const body = (required: boolean) => ({
    requestBody: {
      required: true,
      content: { 'application/json': { schema: { ...schema, ...(required && { required: Object.keys(fields) }) } } },
    },
  });
  const operation = (operationId: string, summary: string, more: object = {}) => ({ operationId, summary, ...answers, ...more });
  const filters = Object.entries(fields).map(([name, type]) => parameter(name, 'query', type));
  const id = { parameters: [parameter('id', 'path', 'string')] };
  return [
    [
      `/${plural}`,
      {
        get: operation(`list${many}`, `Lists ${plural}: ${about}`, { parameters: filters }),
        post: operation(`create${a}`, `Creates a ${one}: ${about}`, body(true)),
      },
    ],
    [
      `/${plural}/{id}`,
      {
        get: operation(`get${a}`, `Gets one ${one} by its id`, id),
        patch: operation(`update${a}`, `Changes a ${one}`, { ...id, ...body(false) }),
        delete: operation(`delete${a}`, `Deletes a ${one} for ever`, id),
      },
    ],
    [`/${plural}/{id}/history`, { get: operation(`history${a}`, `Tells who changed a ${one}, and when`, id) }],
    [`/${plural}/{id}/archive`, { post: operation(`archive${a}`, `Puts a ${one} into the archive`, id) }],
    [`/${plural}/{id}/restore`, { post: operation(`restore${a}`, `Takes a ${one} out of the archive`, id) }],
    [`/${plural}:count`, { get: operation(`count${many}`, `Counts the ${plural}`) }],
    [`/${plural}:export`, { get: operation(`export${many}`, `Exports all ${plural} as lines of JSON`) }],
  ];
}

/** @param url where the API is. */
export const officeDocument = (url: string) => ({
  openapi: '3.1.0',
  info: { title: 'Back office', version: '1' },
  servers: [{ url }],
  paths: Object.fromEntries(Object.entries(KINDS).flatMap(([plural, of]) => pathsOf(plural, of))),
});

/** The operations that delete a record. */
export const DELETIONS = Object.values(KINDS).map(({ one }) => `delete${title(one)}`);

interface Stored {
  record: { id: string; archived?: boolean; [field: string]: unknown };
  history: string[];
}

/** @param key that requests must have in `x-api-key`. @param called is told of each call that changes something. */
export function office(key: string, called: (method: string, path: string, body: unknown) => void = () => undefined): Promise<Listening> {
  const shelves = new Map(Object.keys(KINDS).map((plural) => [plural, new Map<string, Stored>()]));
  let last = 0;
  const add = (plural: string, fields: object) => {
    const record = { id: String(++last), ...fields };
    shelves.get(plural)?.set(record.id, { record, history: ['created'] });
    return record;
  };
  for (const [plural, records] of Object.entries(SEEDS)) for (const record of records) add(plural, record);

  const all = (plural: string, filters: URLSearchParams) =>
    [...(shelves.get(plural)?.values() ?? [])]
      .map(({ record }) => record)
      .filter((record) => !record.archived && [...filters].every(([name, value]) => String(record[name]) === value));

  return listen(async (request) => {
    if (request.headers.get('x-api-key') !== key) return Response.json({ error: 'a key is needed' }, { status: 401 });
    const { pathname, searchParams } = new URL(request.url);
    const [, name = '', id, deed] = pathname.split('/');
    const [plural = '', whole] = decodeURIComponent(name).split(':');
    const shelf = shelves.get(plural);
    if (!shelf) return Response.json({ error: 'not found' }, { status: 404 });
    const { method } = request;
    const body = method === 'POST' || method === 'PATCH' ? await request.json().catch(() => ({})) : undefined;
    if (method !== 'GET') called(method, pathname, body);
    if (whole === 'count') return Response.json({ count: shelf.size });
    if (whole === 'export')
      return new Response(
        all(plural, searchParams)
          .map((record) => `${JSON.stringify(record)}\n`)
          .join(''),
      );
    if (id === undefined) return Response.json(method === 'POST' ? add(plural, body as object) : { [plural]: all(plural, searchParams) });
    const found = shelf.get(decodeURIComponent(id));
    if (!found) return Response.json({ error: 'not found' }, { status: 404 });
    if (deed === 'history') return Response.json({ history: found.history });
    if (method === 'DELETE') shelf.delete(id);
    else if (method === 'PATCH') Object.assign(found.record, body);
    else if (deed !== undefined) found.record.archived = deed === 'archive';
    if (method !== 'GET') found.history.push(deed ?? method.toLowerCase());
    return Response.json(found.record);
  });
}
