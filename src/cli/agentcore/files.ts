/** What `rondo agentcore init` writes into the folder of an agent. */

export interface AgentFiles {
  /** Also the name of the runtime: a letter, then letters, digits and "_". */
  name: string;
  /** A model of Bedrock. */
  model: string;
  protocol: ProtocolName;
  journal: JournalName;
  /** What npm is to install as rondo. Default: a version of the registry. */
  rondo?: string;
}

/** The protocols of `serve()` that are written, by their names in the CLI's configuration. */
export const PROTOCOLS = { http: 'HTTP', 'ag-ui': 'AGUI' } as const;
export type ProtocolName = keyof typeof PROTOCOLS;

export const JOURNALS = ['ephemeral', 'postgres'] as const;
export type JournalName = (typeof JOURNALS)[number];

export const ADOT = '@aws/aws-distro-opentelemetry-node-autoinstrumentation';

/** What the program imports. A test compares them with the versions that this package is tested with. */
export const DEPENDENCIES = {
  '@aws-sdk/client-bedrock-runtime': '^3.1141.0',
  [ADOT]: '0.13.0',
  '@hono/node-server': '^2.1.9',
  hono: '^4.13.19',
  rondo: '^0.1.0',
  ws: '^8.23.0',
  zod: '^4.2.0',
} as const;
/** AG-UI's own package, which only that protocol needs. */
export const AG_UI = { '@ag-ui/core': '^1.0.0' } as const;
export const POSTGRES = { pg: '^8.23.1' } as const;

/** By path. */
export function filesOf(o: AgentFiles): Readonly<Record<string, string>> {
  return {
    'agent.ts': agentFile(o),
    'main.ts': mainFile(o),
    'package.json': packageFile(o),
    'tsconfig.json': TSCONFIG,
    Dockerfile: dockerfile(o),
    '.dockerignore': DOCKERIGNORE,
  };
}

const agentFile = ({ name, model }: AgentFiles) => `import { agent, tool } from 'rondo';
import { bedrock } from 'rondo/bedrock';
import { z } from 'zod';

const orderStatus = tool({
  name: 'order_status',
  description: 'Tells where an order is',
  input: z.object({ orderId: z.string() }),
  effect: 'read',
  execute: ({ orderId }) => ({ orderId, status: 'on its way' }),
});

const refund = tool({
  name: 'refund',
  description: 'Pays an order back',
  input: z.object({ orderId: z.string(), cents: z.number().int().positive() }),
  effect: 'once',
  key: ({ orderId }) => \`refund:\${orderId}\`,
  // the invocation answers with the approval; the next one decides
  approval: true,
  execute: ({ orderId, cents }) => ({ orderId, cents, receipt: \`receipt of \${orderId}\` }),
});

export const served = agent({
  name: '${name}',
  instructions: 'You help customers with their orders.',
  model: bedrock(process.env.MODEL_ID ?? '${model}'),
  tools: [orderStatus, refund],
});
`;

const mainFile = ({ protocol, journal }: AgentFiles) => (journal === 'postgres' ? sharedMain(protocol) : ephemeralMain(protocol));

const ephemeralMain = (protocol: ProtocolName) => `import { Engine } from 'rondo';
import { serve } from 'rondo/agentcore/runtime';
import { served } from './agent.ts';

// this journal ends with the session, and so do runs that wait for an approval: give the engine a shared one to keep them
const engine = new Engine();
const { url } = await serve(engine, served, { protocol: '${protocol}', journal: 'ephemeral' });
console.log(\`Listening on \${url}\`);
`;

const sharedMain = (protocol: ProtocolName) => `import { Engine } from 'rondo';
import { serve } from 'rondo/agentcore/runtime';
import { postgresJournal } from 'rondo/journal/postgres';
import { served } from './agent.ts';

const { DATABASE_URL } = process.env;
if (!DATABASE_URL) throw new Error('Set DATABASE_URL, such as postgres://user:password@host:5432/runs');
const engine = new Engine({ journal: postgresJournal(DATABASE_URL) });
const { url } = await serve(engine, served, { protocol: '${protocol}' });
console.log(\`Listening on \${url}\`);
`;

function packageFile({ name, protocol, journal, rondo = DEPENDENCIES.rondo }: AgentFiles): string {
  const dependencies = { ...DEPENDENCIES, rondo, ...(protocol === 'ag-ui' && AG_UI), ...(journal === 'postgres' && POSTGRES) };
  return json({
    name: name.toLowerCase(),
    private: true,
    type: 'module',
    engines: { node: '>=24' },
    scripts: { start: 'node main.ts', check: 'tsc' },
    dependencies: Object.fromEntries(Object.entries(dependencies).sort(([a], [b]) => a.localeCompare(b))),
    devDependencies: { '@types/node': '^24.0.0', typescript: '>=5.9' },
  });
}

const TSCONFIG = json({
  compilerOptions: {
    target: 'es2024',
    module: 'nodenext',
    strict: true,
    noEmit: true,
    // Node runs the files as they are, without their types
    allowImportingTsExtensions: true,
    erasableSyntaxOnly: true,
    verbatimModuleSyntax: true,
    skipLibCheck: true,
    types: ['node'],
  },
  include: ['*.ts'],
});

/** AgentCore Runtime runs ARM64. The user \`node\` of the image has no rights. */
const dockerfile = ({ rondo }: AgentFiles) => `FROM --platform=linux/arm64 public.ecr.aws/docker/library/node:24-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json* ${rondo?.startsWith('file:') ? '*.tgz ' : ''}./
RUN if [ -f package-lock.json ]; then npm ci --omit=dev; else npm install --omit=dev; fi

FROM --platform=linux/arm64 public.ecr.aws/docker/library/node:24-slim
WORKDIR /app
# the second variable lets serve() know that only the platform can call; the third lets ADOT send spans, with session.id, to CloudWatch
ENV NODE_ENV=production \\
    DOCKER_CONTAINER=1 \\
    AGENT_OBSERVABILITY_ENABLED=true
COPY --from=dependencies /app/node_modules ./node_modules
COPY . .
USER node
EXPOSE 8080
# node is the first process, so that it gets SIGTERM and can drain
CMD ["node", "--require", "${ADOT}/register", "main.ts"]
`;

const DOCKERIGNORE = `node_modules
.env*
.git
*.db
*.db-*
`;

export function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
