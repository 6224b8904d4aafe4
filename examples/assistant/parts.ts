/**
 * Where the tokens of users, what is remembered of them, and the gateway are: in files of this machine and in this process, or in AgentCore. Nothing else of
 * the program differs.
 */
import type { Identity, ToolSource } from 'rondo';
import { keyFile, localIdentity, sqliteVault } from 'rondo/identity';
import { facts, type RememberedMemory, remember, sqliteMemory } from 'rondo/memory';

export interface Parts {
  identity: Identity;
  memory: RememberedMemory;
  /** A gateway with hundreds of tools. */
  tools: ToolSource;
}

/** @param env the settings of the program: see main.ts, which makes them. */
export async function parts(env: NodeJS.ProcessEnv): Promise<Parts> {
  const { AGENTCORE_MEMORY_ID, AGENTCORE_WORKLOAD, AGENTCORE_GATEWAY_URL } = env;
  if (AGENTCORE_MEMORY_ID && AGENTCORE_WORKLOAD && AGENTCORE_GATEWAY_URL) {
    const { agentcoreIdentity } = await import('rondo/agentcore/identity');
    const { agentcoreMemory } = await import('rondo/agentcore/memory');
    const { agentcoreGateway } = await import('rondo/agentcore/gateway');
    return {
      identity: agentcoreIdentity({ workload: AGENTCORE_WORKLOAD, returnUrl: wanted(env, 'ASSISTANT_CALLBACK') }),
      memory: remember(agentcoreMemory({ memoryId: AGENTCORE_MEMORY_ID, namespaces: ['/facts/{actorId}/', '/notes/{actorId}/'] })),
      tools: agentcoreGateway({
        url: AGENTCORE_GATEWAY_URL,
        search: true,
        perCaller: true,
        auth: ({ assertion }) => assertion?.token ?? '',
      }),
    };
  }
  const folder = wanted(env, 'ASSISTANT_FOLDER');
  const [discovery, clientId, clientSecret] = [
    wanted(env, 'ASSISTANT_DISCOVERY_URL'),
    wanted(env, 'ASSISTANT_CLIENT_ID'),
    wanted(env, 'ASSISTANT_CLIENT_SECRET'),
  ];
  const { shopTools } = await import('./tools.ts');
  return {
    identity: localIdentity({
      vault: sqliteVault(`${folder}/vault.db`, keyFile(`${folder}/vault.key`)),
      providers: { parcels: { discovery, clientId, clientSecret }, office: { apiKey: wanted(env, 'OFFICE_KEY') } },
      callback: wanted(env, 'ASSISTANT_CALLBACK'),
    }),
    // without a model it keeps what users said, sentence by sentence
    memory: remember(sqliteMemory(`${folder}/memory.db`, { strategies: [facts()] })),
    tools: await shopTools(wanted(env, 'OFFICE_URL')),
  };
}

function wanted(env: NodeJS.ProcessEnv, name: string): string {
  const value = env[name];
  if (!value) throw new Error(`${name} is not set. npm run assistant sets it.`);
  return value;
}
