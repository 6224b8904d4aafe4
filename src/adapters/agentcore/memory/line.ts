/** Calls to Memory, by the official client. */

import type { BedrockAgentCoreClient } from '@aws-sdk/client-bedrock-agentcore';
import { invalid } from '../../../errors.ts';
import { lazy } from '../../../flight.ts';
import type { AgentCoreClient } from '../client.ts';
import { explained } from './errors.ts';
import { type Pace, pace } from './pace.ts';

type Sdk = typeof import('@aws-sdk/client-bedrock-agentcore');

export interface Line {
  readonly memoryId: string;
  /** @param make the command. @param what the operation, in words. @throws RondoError, and what `known` returns true for as it is. */
  call<T>(
    operation: string,
    send: (client: BedrockAgentCoreClient, sdk: Sdk, options: { abortSignal?: AbortSignal }) => Promise<T>,
    o: {
      what: string;
      session?: { key: string; perSecond: number } | undefined;
      signal?: AbortSignal | undefined;
      /** Ends the wait before the call only. A write that is cut off may still be done. */
      begins?: AbortSignal | undefined;
      known?: (error: unknown) => boolean;
    },
  ): Promise<T>;
  close(): void;
}

export interface LineOptions {
  memoryId: string;
  region?: string;
  client?: AgentCoreClient;
  endpoint?: string;
}

const WHERE = 'agentcoreMemory()';
const ID = /^(arn:aws[\w-]*:bedrock-agentcore:([a-z0-9-]+):\d{12}:memory\/)?[a-zA-Z][a-zA-Z0-9-_]{0,99}-[a-zA-Z0-9]{10}$/;

/** @throws RondoError `CONFIG_INVALID`. */
export function line({ memoryId, region, client, endpoint }: LineOptions): Line {
  const match = ID.exec(memoryId ?? '');
  if (!match) throw invalid(`${WHERE}: memoryId is the id or the ARN of a memory, such as 'support-a1b2c3d4e5'.`);
  if (client && (region !== undefined || endpoint !== undefined))
    throw invalid(`${WHERE}: the client has its own region and endpoint. Leave them out.`);
  const waiting: Pace = pace();
  const made = lazy(async () => {
    const sdk = await import('@aws-sdk/client-bedrock-agentcore').catch((cause) => {
      throw invalid(`${WHERE} needs the package @aws-sdk/client-bedrock-agentcore: npm install it.`, { cause });
    });
    const of = region ?? match?.[2];
    return {
      sdk,
      client:
        (client as BedrockAgentCoreClient | undefined) ??
        new sdk.BedrockAgentCoreClient({ ...(of !== undefined && { region: of }), ...(endpoint !== undefined && { endpoint }) }),
    };
  });

  return {
    memoryId,
    async call(operation, send, { what, session, signal, begins = signal, known }) {
      const { sdk, client: found } = await made();
      await waiting.wait(operation, session, begins);
      try {
        return await send(found, sdk, signal ? { abortSignal: signal } : {});
      } catch (error) {
        if (signal?.aborted) throw signal.reason;
        throw known?.(error) ? error : explained(error, memoryId, what);
      }
    },
    close() {
      // a client that was given is the caller's
      if (!client)
        void made.current()?.then(
          (found) => found.client.destroy(),
          // the package is missing, which each call has said
          () => undefined,
        );
    },
  };
}
