import type { Engine } from '../../engine/engine.ts';
import type { ContextFor, ServedWithoutContext, ServingArgs } from '../../engine/options.ts';
import type { Agent } from '../../loop/types.ts';
import { checkOptions } from '../../options.ts';
import type { AuthOption } from '../../server/auth.ts';
import type { Listening } from '../../server/listen.ts';
import { SERVED, type ServedOptions, served } from '../../server/served.ts';
import { AG_UI, AG_UI_KINDS, type AgUiOptions, handlerOf } from './handler.ts';

export interface ServeAgUiOptions<C = unknown> extends AgUiOptions<C>, ServedOptions {
  auth?: AuthOption;
}

/**
 * Serves agents over AG-UI 1.0, see {@link agUiHandler}, and drives the runs that need a process. `close()` ends streams; runs continue: they
 * belong to the engine.
 * @throws RondoError `CONFIG_INVALID`.
 */
export function serveAgUi<A extends Agent | readonly Agent[]>(
  engine: Engine,
  agents: A,
  ...options: ServingArgs<ContextFor<A>, ServeAgUiOptions<ContextFor<A>>>
): Promise<Listening>;
// its type error says what is missing, instead of "Expected 3 arguments, but got 2"
export function serveAgUi<A extends Agent | readonly Agent[]>(engine: Engine, agents: A & ServedWithoutContext<A>): Promise<Listening>;
export async function serveAgUi(engine: Engine, agents: Agent | readonly Agent[], o: ServeAgUiOptions = {}): Promise<Listening> {
  const where = 'serveAgUi()';
  checkOptions(o, { ...AG_UI, ...SERVED }, where, AG_UI_KINDS);
  return served(engine, () => handlerOf(engine, agents, o, where), o, where);
}
