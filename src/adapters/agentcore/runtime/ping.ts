import { Engine } from '../../../engine/engine.ts';
import { json } from '../../../server/answer.ts';

/**
 * The answers to `GET /ping`: `HealthyBusy` while the engine drives a run in this process, and since when it is so. The platform ends a session that is
 * not busy for its idle time, so the time changes only with the status: a new time in each answer would keep an idle session, and none would end a busy one.
 */
export function pings(engine: Engine, now: () => number = Date.now): { answer(): Response; stop(): void } {
  let status: 'Healthy' | 'HealthyBusy' = 'Healthy';
  let since = seconds(now());
  const stop = Engine.onBusy(engine, (busy) => {
    const next = busy ? 'HealthyBusy' : 'Healthy';
    if (next === status) return;
    status = next;
    since = seconds(now());
  });
  return { answer: () => json(200, { status, time_of_last_update: since }), stop };
}

const seconds = (ms: number) => Math.floor(ms / 1_000);
