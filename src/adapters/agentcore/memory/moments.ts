/** The time of each event, so that no two of a session have the same millisecond: AWS gives those back in any order. */

export interface Moments {
  /** The time of a new event. @param given undefined: now. */
  next(session: string, given: number | undefined): number;
}

/** Sessions that are remembered, and milliseconds of each. */
const MOST = 10_000;
/** How far a new event may be moved behind the newest one of its session. */
const MOST_AHEAD = 1_000;

export function moments(now = Date.now): Moments {
  const sessions = new Map<string, { last: number; used: Set<number> }>();
  return {
    next(session, given) {
      const known = sessions.get(session) ?? { last: 0, used: new Set<number>() };
      // the newest last, so that the oldest goes first
      sessions.delete(session);
      sessions.set(session, known);
      if (sessions.size > MOST) sessions.delete(sessions.keys().next().value as string);
      let at = given ?? now();
      if (given === undefined && known.last >= at && known.last < at + MOST_AHEAD) at = known.last + 1;
      while (known.used.has(at)) at += 1;
      known.used.add(at);
      if (known.used.size > MOST) known.used.delete(known.used.values().next().value as number);
      known.last = Math.max(known.last, at);
      return at;
    },
  };
}

let last = 0;

/** Microseconds since 1970, higher with each call of this process: what orders two processes that wrote in one millisecond. */
export function ordinal(): string {
  last = Math.max(last + 1, Math.floor((performance.timeOrigin + performance.now()) * 1_000));
  return String(last);
}
