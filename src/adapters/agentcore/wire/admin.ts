/** The routes under `/_rondo/`, for the one who started the server: clock, faults, calls, state. */
import { timingSafeEqual } from 'node:crypto';
import { RondoError } from '../../../errors.ts';
import type { MovableClock } from './clock.ts';
import { AwsError, type Encoded } from './codec/error.ts';
import { type Faults, faultOf } from './faults.ts';
import type { CallLog } from './log.ts';
import type { State } from './state.ts';

export interface Administered {
  readonly token: string;
  readonly clock: MovableClock;
  readonly faults: Faults;
  readonly log: CallLog;
  readonly state: State;
  sessions(): object;
  streams(): Promise<object>;
  explainMemory(id: string, search?: { namespace: string; text: string }): Promise<object>;
  /** Stops what runs, and forgets everything. */
  reset(): Promise<void>;
}

export const PREFIX = '/_rondo/';

const json = (status: number, body: unknown): Encoded => ({
  status,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
});
const wrong = (message: string) => json(400, { message });

type Act = (of: Administered, body: unknown, query: URLSearchParams) => Encoded | Promise<Encoded>;

const clockOf = ({ clock }: Administered) => json(200, { now: clock.now(), iso: new Date(clock.now()).toISOString() });
const faultsOf = ({ faults }: Administered) => json(200, { faults: faults.list });

const ROUTES: Readonly<Record<string, Act>> = {
  'GET clock': clockOf,
  async 'POST clock'(of, body) {
    const { advance, to } = (body ?? {}) as { advance?: unknown; to?: unknown };
    const ms = typeof to === 'string' && advance === undefined ? Date.parse(to) - of.clock.now() : advance;
    if (typeof ms !== 'number' || !(ms >= 0))
      return wrong('The body is { "advance": milliseconds } or { "to": "2030-01-01T00:00:00Z" }. The time moves forward only.');
    await of.clock.advance(ms);
    return clockOf(of);
  },
  'GET faults': faultsOf,
  'PUT faults'(of, body) {
    const texts = (body as { faults?: unknown } | null)?.faults;
    if (!Array.isArray(texts)) return wrong('The body is { "faults": ["throttle=CreateEvent:0.2"] }. An empty list ends all faults.');
    of.faults.list = texts.map((text) => faultOf(String(text)));
    return faultsOf(of);
  },
  'GET calls': ({ log }) => json(200, { calls: log.list() }),
  'GET explain'({ log }, _, query) {
    const id = query.get('id');
    const found = log.list().findLast((record) => (id === null ? record.error !== undefined : record.id === id));
    return found ? json(200, found) : json(404, { message: 'No call of this id is in the log, or none was refused.' });
  },
  'GET state': ({ state }) => json(200, { resources: state.counts() }),
  'GET sessions': (of) => json(200, of.sessions()),
  'GET streams': async (of) => json(200, await of.streams()),
  async 'GET memory'(of, _, query) {
    const [id, namespace, text] = ['id', 'namespace', 'query'].map((name) => query.get(name));
    if (!id || Boolean(namespace) !== Boolean(text)) return wrong('It takes ?id=, and with &namespace= and &query= it explains a search.');
    return json(200, await of.explainMemory(id, namespace && text ? { namespace, text } : undefined));
  },
  async 'POST reset'(of) {
    await of.reset();
    return json(200, {});
  },
};

/** @param path below the prefix. @param authorization the header of that name. */
export async function administer(
  of: Administered,
  method: string,
  path: string,
  query: URLSearchParams,
  authorization: string | undefined,
  body: Uint8Array,
): Promise<Encoded> {
  const [given, own] = [Buffer.from(authorization ?? ''), Buffer.from(`Bearer ${of.token}`)];
  if (given.length !== own.length || !timingSafeEqual(given, own))
    return json(401, { message: 'The admin token was printed at the start.' });
  const act = ROUTES[`${method} ${path}`];
  if (!act) return json(404, { message: `There is ${Object.keys(ROUTES).join(', ')}, below ${PREFIX}.` });
  try {
    return await act(of, body.length > 0 ? JSON.parse(Buffer.from(body).toString('utf8')) : null, query);
  } catch (error) {
    if (RondoError.is(error, 'CONFIG_INVALID') || error instanceof AwsError || error instanceof SyntaxError) return wrong(error.message);
    throw error;
  }
}
