import type { Engine } from '../engine/engine.ts';
import type { WorkOptions } from '../engine/work/work.ts';
import { type AuthOption, checkOpen } from './auth.ts';
import { type Handler, type Listening, type ListenOptions, listen } from './listen.ts';
import { report } from './report.ts';

export interface ServedOptions extends Omit<ListenOptions, 'where'> {
  auth?: AuthOption;
  /** Whether to drive runs that need a process, see `engine.work()`. Default true. `false`: the application does it. */
  worker?: boolean | Omit<WorkOptions, 'signal'>;
}

export const SERVED = {
  port: 'port: 8080',
  host: "host: '0.0.0.0'",
  worker: 'worker: false',
} satisfies Record<Exclude<keyof ServedOptions, 'auth'>, string>;

/** Listens, and drives the runs that need a process until the server closes. @throws RondoError `CONFIG_INVALID`. */
export async function served(engine: Engine, handler: () => Handler, o: ServedOptions, where: string): Promise<Listening> {
  const { host = '127.0.0.1', port = 0, worker } = o;
  checkOpen(host, o.auth, where);
  const listening = await listen(handler(), { host, port, where });
  const over = new AbortController();
  if (worker !== false) engine.work({ onError: report(where), ...(typeof worker === 'object' && worker), signal: over.signal });
  const close: Listening['close'] = async (how) => {
    over.abort();
    await listening.close(how);
  };
  return { url: listening.url, port: listening.port, close, [Symbol.asyncDispose]: () => close() };
}
