/** Listens to changes by every process, on a connection of its own. */

import { setTimeout as sleep } from 'node:timers/promises';
import { lazy } from '../../../flight.ts';
import { type Listener, Listeners, type SubscribeOptions } from '../../../journal/listeners.ts';
import type { Access } from './access.ts';
import { quote } from './schema.ts';

/** Milliseconds until an echo of a notification. A pool of transactions (PgBouncer) never gives one. */
const ECHO = 2_000;
/** Milliseconds between attempts to listen again. */
const PAUSE = 500;

export class Watch {
  readonly #access: Access;
  readonly #listeners = new Listeners();
  readonly #listening = lazy(() => this.#listen());
  /** Ends the connection that listens. */
  #end: (() => void) | undefined;
  #echo: (() => void) | undefined;
  /** When the listening began or was seen last, by the server's clock. */
  #since = 0;
  #closed = false;

  constructor(access: Access) {
    this.#access = access;
  }

  /** @returns whether changes by every process are told. */
  async add(listener: Listener, o: SubscribeOptions): Promise<boolean> {
    this.#access.refuseClosed();
    this.#listeners.add(listener, o);
    return this.#listening();
  }

  async #listen(): Promise<boolean> {
    const { names } = this.#access;
    // makes the tables, and tells at once if the server cannot be reached
    this.#since = await this.#access.now();
    const client = await this.#access.client();
    let ended = false;
    const end = () => {
      if (ended) return;
      ended = true;
      client.release(true);
      if (this.#end !== end) return;
      this.#end = undefined;
      if (!this.#closed) void this.#again();
    };
    client.on('error', end);
    client.on('end', end);
    try {
      const heard = new Promise<boolean>((resolve) => {
        this.#echo = () => resolve(true);
        setTimeout(resolve, ECHO, false).unref();
      });
      client.on('notification', ({ channel, payload = '' }) => {
        if (channel !== names.channel) return;
        if (payload === '') this.#echo?.();
        else this.#listeners.changed(payload);
      });
      await client.query({ text: `LISTEN ${quote(names.channel)}` });
      await this.#access.query('SELECT pg_notify($1::text, $2::text)', [names.channel, '']);
      if (ended || this.#closed || !(await heard)) {
        end();
        return false;
      }
    } catch (error) {
      end();
      throw error;
    }
    client.unref?.();
    this.#end = end;
    return true;
  }

  /** The connection was lost: listens on another one, and tells what was changed meanwhile. */
  async #again(): Promise<void> {
    const { names, query } = this.#access;
    while (!this.#closed && !this.#access.closed) {
      try {
        const since = this.#since;
        if (await this.#listen()) {
          const text = `SELECT run_id FROM ${names.of('head')} WHERE changed_at >= $1`;
          for (const { run_id } of await query<{ run_id: string }>(text, [since])) this.#listeners.changed(run_id);
          return;
        }
      } catch {
        // the server cannot be reached yet
      }
      await sleep(PAUSE, undefined, { ref: false });
    }
  }

  close(): void {
    this.#closed = true;
    this.#end?.();
  }
}
