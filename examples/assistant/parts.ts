/**
 * Where the tokens of users, what is remembered of them, and the gateway are: in files of this machine and in this process, or in AgentCore. Nothing else of
 * the program differs.
 */
import type { Identity, ToolSource } from 'rondo';
import { agentcore } from 'rondo/agentcore';
import { agentcoreGateway } from 'rondo/agentcore/gateway';
import { keyFile, localIdentity, sqliteVault } from 'rondo/identity';
import { facts, type RememberedMemory, sqliteMemory } from 'rondo/memory';

export interface Parts {
  identity: Identity;
  memory: RememberedMemory;
  /** A gateway with hundreds of tools. */
  tools: ToolSource;
}

/** @param env the settings of the program: see main.ts, which makes them. */
export async function parts(env: NodeJS.ProcessEnv): Promise<Parts> {
  const { AGENTCORE_MEMORY_ID, AGENTCORE_WORKLOAD, AGENTCORE_GATEWAY_URL } = env;
  const callback = wanted(env, 'ASSISTANT_CALLBACK');
  const file = (name: string) => `${wanted(env, 'ASSISTANT_FOLDER')}/${name}`;
  const { identity, memory } = agentcore({
    memory: {
      memoryId: AGENTCORE_MEMORY_ID,
      namespaces: ['/facts/{actorId}/', '/notes/{actorId}/'],
      // without a model it keeps what users said, sentence by sentence
      local: () => sqliteMemory(file('memory.db'), { strategies: [facts()] }),
    },
    identity: {
      workload: AGENTCORE_WORKLOAD,
      returnUrl: callback,
      local: () =>
        localIdentity({
          vault: sqliteVault(file('vault.db'), keyFile(file('vault.key'))),
          providers: {
            parcels: {
              discovery: wanted(env, 'ASSISTANT_DISCOVERY_URL'),
              clientId: wanted(env, 'ASSISTANT_CLIENT_ID'),
              clientSecret: wanted(env, 'ASSISTANT_CLIENT_SECRET'),
            },
            office: { apiKey: wanted(env, 'OFFICE_KEY') },
          },
          callback,
        }),
    },
  });
  return { identity, memory, tools: AGENTCORE_GATEWAY_URL ? deployedTools(AGENTCORE_GATEWAY_URL) : await localTools(env) };
}

const deployedTools = (url: string): ToolSource =>
  agentcoreGateway({ url, search: true, perCaller: true, auth: ({ assertion }) => assertion?.token ?? '' });

async function localTools(env: NodeJS.ProcessEnv): Promise<ToolSource> {
  const { shopTools } = await import('./tools.ts');
  return shopTools(wanted(env, 'OFFICE_URL'));
}

function wanted(env: NodeJS.ProcessEnv, name: string): string {
  const value = env[name];
  if (!value) throw new Error(`${name} is not set. npm run assistant sets it.`);
  return value;
}
