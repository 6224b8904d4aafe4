/** Calls of `read` tools with a cache: a hit does not run, and is journaled with the call that got its result. */
import type { Call } from '../../journal/fold/fold.ts';
import { copyJson, type Json, toldJson } from '../../json.ts';
import { Halted, unlessHalted } from '../../reliability/patience.ts';
import type { Scope } from '../types.ts';
import type { Ready } from './call.ts';
import { cancelledBefore, type End } from './wrapped-tool.ts';

/** @param run the call itself. `waited`: time has passed since its start was appended. @param changed the input from a wrapper. */
export async function throughCache(
  scope: Scope,
  call: Call,
  ready: Ready,
  run: (waited: boolean) => Promise<End>,
  changed?: Json,
): Promise<End> {
  const { results } = scope.host;
  const { by } = scope.run.started;
  const { cache, cost } = ready.tool.options;
  const { ttl = 0, shared = false } = cache ?? {};
  const context = toldJson(ready.context ?? null);
  ready.cached = undefined;
  // a cost that is a number was counted when the call started
  const free = typeof cost === 'number' && { charge: { usd: 0 } };
  // two contexts, or inputs, that are told alike may differ
  if (!context.exact || !(changed === undefined ? ready.exact : toldJson(changed).exact)) return run(false);
  const key = results.key({ tool: ready.tool.options, by, shared, context: context.json, input: changed ?? ready.shown });
  // other processes may have had effects of this run before it was claimed here
  const since = scope.run.root.acted ? scope.run.claimedAt : 0;
  const found = () => results.get(key, { by, ttl, since });
  let hit = found();
  const running = hit ? undefined : results.running(key);
  if (running) {
    try {
      await unlessHalted(running, scope.cancel);
    } catch (error) {
      if (error instanceof Halted) return { ...cancelledBefore(), ...free };
      throw error;
    }
    hit = found();
  }
  if (hit) {
    ready.cached = { ...hit.from };
    // secrets that this run has handed out, and the other did not know
    const seen = scope.secrets.maskJson(hit.seen);
    return { ok: true, seen: copyJson(seen), attempts: 0, ...free };
  }
  ready.cached = 'missed';
  const done = results.begin(key, { run: scope.run.runId, call: call.id });
  let end: End | undefined;
  try {
    end = await run(running !== undefined);
    return end;
  } finally {
    done(end?.ok ? copyJson(end.seen) : undefined);
  }
}
