/** Programs of a session, as files of their own: they import what a user gets, and answer one sentence. The port is in PORT. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { found, imported } from './built.ts';
import { scratch } from './contenders.ts';
import { PRICES } from './workload.ts';

export const RONDO = 'serve() of Rondo';
export const OFFICIAL = "the official SDK's app, without an engine";
export const BARE = 'a server of node:http that answers the same text';

export interface Programs {
  /** Says what was measured. */
  readonly from: string;
  /** The file of each program, by its name. */
  readonly files: ReadonlyMap<string, string>;
  remove(): void;
}

/** No route but `/ping` and an answer that has an output. */
const BARE_CODE = `
import { createServer } from 'node:http';
createServer((request, response) => {
  request.resume().on('end', () => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(request.url === '/ping' ? { status: 'Healthy', time_of_last_update: 1 } : { output: 'It is on its way.' }));
  });
}).listen(Number(process.env.PORT), '127.0.0.1');
`;

export function programs(): Programs {
  const { from, file } = found();
  const at = (path: string, names: string) => imported(path).replace('import ', `import { ${names} } from `);
  const codes: Readonly<Record<string, string>> = {
    [RONDO]: `${at(file('index'), 'agent, Engine')}${at(file('adapters/agentcore/runtime/index'), 'serve')}
const model = { provider: 'bench', id: 'instant', generate: async () => ({ content: [{ type: 'text', text: 'It is on its way.' }], stop: 'end', usage: { input: 10, output: 5 } }) };
await serve(new Engine({ prices: ${JSON.stringify(PRICES)} }), agent({ name: 'bench', instructions: '', model }), { journal: 'ephemeral', worker: false });
`,
    [OFFICIAL]: `${at(fileURLToPath(import.meta.resolve('bedrock-agentcore/runtime')), 'BedrockAgentCoreApp')}
const app = new BedrockAgentCoreApp({ invocationHandler: { process: async () => ({ output: 'It is on its way.' }) }, config: { logging: { enabled: false } } });
app.run({ port: Number(process.env.PORT), host: '127.0.0.1' });
`,
    [BARE]: BARE_CODE,
  };
  const folder = scratch();
  const files = new Map<string, string>();
  for (const [name, code] of Object.entries(codes)) {
    const path = folder.path(`program-${files.size}.mjs`);
    writeFileSync(path, `${code}console.log(process.pid);\n`);
    files.set(name, path);
  }
  return { from, files, remove: folder.remove };
}
