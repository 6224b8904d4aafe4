/** `rondo agentcore`: the local server, until it is stopped. */
import { resolve } from 'node:path';
import { type AgentCore, type Keys, movableClock, startAgentCore } from '../../adapters/agentcore/wire/index.ts';
import { EXIT, type ExitCode, type Io, Unusable } from '../io.ts';
import { switched } from './switches.ts';

export interface AgentCoreCommand {
  port?: number;
  host?: string;
  open?: boolean;
  region?: string;
  account?: string;
  key?: readonly string[];
  state?: string;
  bindings?: string;
  fault?: readonly string[];
  seed?: number;
  /** False: `--no-throttle`. */
  throttle: boolean;
  user?: readonly string[];
  redirect?: readonly string[];
  issuer?: readonly string[];
  switch?: readonly string[];
  log?: string;
  time?: string;
  frozen?: boolean;
  json?: boolean;
}

const PORT = 4566;

/** @returns when it has been stopped. */
export async function agentcore(o: AgentCoreCommand, io: Io): Promise<ExitCode> {
  const { port = PORT, host, open, region, account, seed, throttle } = o;
  const file = (path: string) => resolve(io.cwd, path);
  const { identity, ...services } = switched(o.switch ?? []);
  const server = await startAgentCore({
    ...services,
    port,
    throttle,
    clock: clockOf(o),
    ...(host !== undefined && { host }),
    ...(open !== undefined && { open }),
    ...(region !== undefined && { region }),
    ...(account !== undefined && { account }),
    ...(seed !== undefined && { seed }),
    ...(o.key && { keys: o.key.map(keyOf) }),
    ...(o.state !== undefined && { state: file(o.state) }),
    ...(o.bindings !== undefined && { bindings: file(o.bindings) }),
    ...(o.log !== undefined && { log: file(o.log) }),
    ...(o.fault && { faults: o.fault }),
    identity: {
      ...identity,
      ...(o.issuer && { issuers: o.issuer }),
      authorization: { ...(o.user && { users: o.user }), ...(o.redirect && { redirectUrls: o.redirect }) },
    },
  });
  try {
    io.out(
      o.json
        ? `${JSON.stringify({ url: server.url, adminToken: server.adminToken, env: server.env, authorization: server.authorization })}\n`
        : shown(server),
    );
    io.err('Listening. Ctrl-C ends it.\n');
    await new Promise<void>((end) => {
      if (io.signal.aborted) end();
      io.signal.addEventListener('abort', () => end(), { once: true });
    });
  } finally {
    await server.close();
  }
  return EXIT.ok;
}

/** Comments and exports, so that a shell can read all of it. */
const shown = ({ url, env, adminToken, authorization }: AgentCore) => `# AgentCore on this machine: ${url}
${Object.entries(env)
  .map(([name, value]) => `export ${name}=${value}`)
  .join('\n')}
# its authorization server: ${authorization.discoveryUrl}
# a client of it: ${authorization.clientId} with the secret ${authorization.clientSecret}
# what it did: curl -H 'authorization: Bearer ${adminToken}' ${url}/_rondo/calls
`;

function keyOf(text: string): Keys {
  const [accessKeyId, secretAccessKey, sessionToken, ...more] = text.split(':');
  if (!accessKeyId || !secretAccessKey || more.length > 0)
    throw new Unusable(
      'A --key is id:secret, or id:secret:token for one with a session token. Leave it out to have one made. The value is not shown here.',
    );
  return { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) };
}

function clockOf({ time, frozen = false }: AgentCoreCommand) {
  const start = time === undefined ? Date.now() : Date.parse(time);
  if (Number.isNaN(start)) throw new Unusable(`--time is in ISO 8601, such as 2030-01-01T00:00:00Z, and not ${JSON.stringify(time)}.`);
  return movableClock({ start, frozen });
}
