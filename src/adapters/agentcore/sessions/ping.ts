/** What the answers of `/ping` say: whether a session works on its own, and since when it is idle. */

/** An answer of `/ping`. `time`: its `time_of_last_update`, in seconds. */
export interface Ping {
  readonly status: 'Healthy' | 'HealthyBusy';
  readonly time?: number;
}

/**
 * What a `HealthyBusy` without `time_of_last_update` does. `reap`: it protects nothing, as was measured on AWS. `protect`: it keeps the session, as
 * AWS documents it.
 */
export type Untimed = 'reap' | 'protect';

export interface Activity {
  /** Epoch milliseconds from which the idle time counts. */
  readonly since: number;
  /** The session works on its own: its idle time does not count. */
  readonly busy: boolean;
  readonly last?: Ping;
}

/** @throws Error that says what is wrong with the answer. */
export function pingOf(status: number, text: string): Ping {
  if (status !== 200) throw new Error(`/ping answered ${status}`);
  let body: { status?: unknown; time_of_last_update?: unknown } | null;
  try {
    body = JSON.parse(text);
  } catch {
    throw new Error('/ping did not answer JSON');
  }
  const { status: named, time_of_last_update: time } = body ?? {};
  if (named !== 'Healthy' && named !== 'HealthyBusy') throw new Error(`/ping has the status ${JSON.stringify(named)}`);
  return typeof time === 'number' ? { status: named, time } : { status: named };
}

/**
 * A time that changed restarts the idle time, whatever the status: a program that stamps each answer with the present is never idle. The value is
 * compared with the one before, not with the clock, because the clocks of the program and of the server may differ.
 */
export function afterPing(before: Activity, ping: Ping, now: number, untimed: Untimed): Activity {
  const { last } = before;
  const busy = ping.status === 'HealthyBusy';
  if (ping.time === undefined && untimed === 'reap') return { since: before.since, busy: false, last: ping };
  const changed = last !== undefined && (last.time !== ping.time || last.status !== ping.status);
  return { since: changed ? now : before.since, busy, last: ping };
}
