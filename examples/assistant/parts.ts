/** Where the tokens of users and what is remembered of them are: in files of this machine, or in AgentCore. Nothing else of the program differs. */
import type { Identity } from 'rondo';
import { keyFile, localIdentity, sqliteVault } from 'rondo/identity';
import { facts, type RememberedMemory, remember, sqliteMemory } from 'rondo/memory';

export interface Parts {
  identity: Identity;
  memory: RememberedMemory;
}

/** @param env the settings of the program: see main.ts, which makes them. */
export async function parts(env: NodeJS.ProcessEnv): Promise<Parts> {
  const { AGENTCORE_MEMORY_ID, AGENTCORE_WORKLOAD } = env;
  if (AGENTCORE_MEMORY_ID && AGENTCORE_WORKLOAD) {
    const { agentcoreIdentity } = await import('rondo/agentcore/identity');
    const { agentcoreMemory } = await import('rondo/agentcore/memory');
    return {
      identity: agentcoreIdentity({ workload: AGENTCORE_WORKLOAD, returnUrl: wanted(env, 'ASSISTANT_CALLBACK') }),
      memory: remember(agentcoreMemory({ memoryId: AGENTCORE_MEMORY_ID, namespaces: ['/facts/{actorId}/', '/notes/{actorId}/'] })),
    };
  }
  const folder = wanted(env, 'ASSISTANT_FOLDER');
  const [discovery, clientId, clientSecret] = [
    wanted(env, 'ASSISTANT_DISCOVERY_URL'),
    wanted(env, 'ASSISTANT_CLIENT_ID'),
    wanted(env, 'ASSISTANT_CLIENT_SECRET'),
  ];
  return {
    identity: localIdentity({
      vault: sqliteVault(`${folder}/vault.db`, keyFile(`${folder}/vault.key`)),
      providers: { parcels: { discovery, clientId, clientSecret } },
      callback: wanted(env, 'ASSISTANT_CALLBACK'),
    }),
    // without a model it keeps what users said, sentence by sentence
    memory: remember(sqliteMemory(`${folder}/memory.db`, { strategies: [facts()] })),
  };
}

function wanted(env: NodeJS.ProcessEnv, name: string): string {
  const value = env[name];
  if (!value) throw new Error(`${name} is not set. npm run assistant sets it.`);
  return value;
}
