/** Calls of the tools of a source, each a run of an agent that has no model. */
import { Engine } from '../../../engine/engine.ts';
import type { Failure } from '../../../errors.ts';
import type { EntryOf, Limits } from '../../../journal/entries/entries.ts';
import { copyJson, type JsonObject } from '../../../json.ts';
import { agentDefinition } from '../../../loop/definition.ts';
import type { Agent } from '../../../loop/types.ts';
import type { Carrying } from './carry-out.ts';
import { pausedText } from './decide.ts';
import type { ServedSource } from './gateway-tools.ts';
import { type Caller, INVALID_PARAMS, RpcError } from './offering.ts';

/** Items of a page, unless another number is given. */
export const PAGE = 100;
/** Those of an AgentCore gateway. */
export const RPC_ERRORS = { NOT_PERMITTED: -32002, GATEWAY_RATE_LIMITED: -32003 };

export interface DirectServing extends Carrying {
  readonly agent: Agent;
  readonly limits: Limits | undefined;
  readonly pageSize: number | false;
  readonly rpcErrors: { readonly [code: string]: number };
}

/** Calls `use` with the source, as a run of this caller gets it. */
export const within = <T>(
  { engine, agent }: DirectServing,
  { by, assertion }: Caller,
  use: (source: ServedSource) => Promise<T>,
): Promise<T> =>
  Engine.settings(engine).sources.lookIn(agentDefinition(agent), { by, session: undefined, assertion }, ([source]) =>
    use(source?.opened as ServedSource),
  );

/** How the one call of a run ended. */
export async function finished({ engine }: DirectServing, runId: string, { by }: Caller): Promise<EntryOf<'call.finished'>> {
  let last: EntryOf<'call.finished'> | undefined;
  for await (const entry of engine.entries(runId, { by })) if (entry.type === 'call.finished' && entry.frame === undefined) last = entry;
  if (!last) throw new Error('the run ended without its call');
  return last;
}

/** What a run waits for: in words, and as data. */
export function waits(
  { approvals, waiting }: { approvals: Parameters<typeof pausedText>[0]; waiting: unknown },
  runId: string,
  { mayDecide }: Caller,
): { words: string; data: JsonObject } {
  const data = copyJson({ status: 'paused', run: runId, approvals, waiting } as JsonObject);
  return { words: pausedText(approvals, `run ${JSON.stringify(runId)}`, mayDecide), data };
}

export const noTool = () => new RpcError(INVALID_PARAMS, 'There is no tool of this name. List the tools.');

/** The error of JSON-RPC for a failed call; undefined if its failure is a result. */
export function rpcErrorOf({ code, message, retryAfter }: Failure, { rpcErrors }: DirectServing): RpcError | undefined {
  if (code === 'TOOL_NOT_FOUND') return noTool();
  const number = Object.hasOwn(rpcErrors, code) ? rpcErrors[code] : undefined;
  if (number === undefined) return undefined;
  const said = code === 'NOT_PERMITTED' ? `Tool Execution Denied: ${message}` : message;
  return new RpcError(number, said, { code, ...(retryAfter !== undefined && { retryAfter }) });
}
