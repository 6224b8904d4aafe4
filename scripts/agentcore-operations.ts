/**
 * Writes docs/agentcore/operations.md: every operation of AgentCore, whether the local server executes it, and where its behaviour is from.
 *
 *     node --import ./scripts/source.ts scripts/agentcore-operations.ts
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as data from '@aws-sdk/client-bedrock-agentcore';
import * as control from '@aws-sdk/client-bedrock-agentcore-control';
import { startAgentCore } from '../src/adapters/agentcore/wire/index.ts';
import { model, type Operation, type Plane, shapeOf } from '../src/adapters/agentcore/wire/model/model.ts';
import { NOT_VERIFIED, SOURCES, SWITCHES } from './agentcore-sources.ts';
import { root } from './doors.ts';

export const OPERATIONS_FILE = join(root, 'docs', 'agentcore', 'operations.md');

interface Client {
  send(command: unknown): Promise<unknown>;
  destroy(): void;
}
type Command = new (input: unknown) => unknown;
const PACKAGES = { data, control } as unknown as Record<Plane, Record<string, Command>>;

/** What the server answers to each operation of the official clients, by name: undefined for a success. */
export async function answers(): Promise<ReadonlyMap<string, Error | undefined>> {
  await using server = await startAgentCore({ throttle: false });
  const options = {
    endpoint: server.url,
    region: server.env.AWS_REGION as string,
    credentials: {
      accessKeyId: server.env.AWS_ACCESS_KEY_ID as string,
      secretAccessKey: server.env.AWS_SECRET_ACCESS_KEY as string,
    },
    maxAttempts: 1,
  };
  const clients = { data: new data.BedrockAgentCoreClient(options), control: new control.BedrockAgentCoreControlClient(options) };
  const found = new Map<string, Error | undefined>();
  for (const operation of model().operations) {
    const { [`${operation.name}Command`]: Made } = PACKAGES[operation.plane];
    const sent = (clients[operation.plane] as unknown as Client).send(new (Made as Command)(labelsOf(operation)));
    found.set(
      operation.name,
      await sent.then(
        () => undefined,
        (error) => error as Error,
      ),
    );
  }
  clients.data.destroy();
  clients.control.destroy();
  return found;
}

/** What a client cannot send a request without. */
const labelsOf = ({ plane, input }: Operation) =>
  Object.fromEntries(
    Object.entries(shapeOf(plane, input).members).flatMap(([name, { binding }]) => (binding?.in === 'label' ? [[name, 'x']] : [])),
  );

/** The operations that the server executes: it answers 501 to the others. */
export const executed = (found: ReadonlyMap<string, Error | undefined>): Operation[] =>
  model().operations.filter(({ name }) => found.get(name)?.name !== 'NotImplementedException');

const PLANES: Readonly<Record<Plane, string>> = { data: 'Data plane', control: 'Control plane' };
const routeOf = ({ method, path }: Operation) => `\`${method} ${path}\``;
const table = (head: readonly string[], rows: readonly (readonly string[])[]) =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
const listed = (lines: readonly string[]) => lines.map((line) => `- ${line}`).join('\n');

/** A table of each plane that has such operations. */
function planes(
  from: readonly Operation[],
  titles: Readonly<Record<Plane, string>>,
  head: readonly string[],
  row: (operation: Operation) => readonly string[],
): string[] {
  return Object.entries(titles).flatMap(([plane, title]) => {
    const rows = from.filter((operation) => operation.plane === plane).map(row);
    return rows.length === 0 ? [] : [`### ${title}`, table(head, rows)];
  });
}

/** The text of the page. */
export function pageOf(found: ReadonlyMap<string, Error | undefined>): string {
  const own = executed(found);
  const names = new Set(own.map(({ name }) => name));
  const { versions, operations } = model();
  const parts = [
    '# Operations of the local server',
    '<!-- Written by scripts/agentcore-operations.ts. A change here is lost. -->',
    `The local server knows all ${operations.length} operations of both planes by their schemas (${Object.entries(versions)
      .map(([name, version]) => `\`${name}\` ${version}`)
      .join(
        ', ',
      )}). It executes ${own.length} of them. To the others it answers 501, \`NotImplementedException\`, with the operation's name. No answer is canned.`,
    "Routes, members, errors and their statuses are those of the schemas. Lengths, patterns, ranges and enums of members are checked for what is executed, and are from the service models of botocore and the API reference. The columns say where the rest of an operation's behaviour is from:",
    listed([
      '**documentation**: the developer guide or the API reference of AWS.',
      '**measured**: others ran it on AWS, and published what they saw.',
      '**guess**: what the server does where neither says anything. AWS may do otherwise.',
    ]),
    'No operation was compared with AWS by the authors of Rondo: that needs an account.',
    '## Executed',
    ...planes(own, PLANES, ['Operation', 'Route', 'From', 'Guess'], (operation) => {
      const { from, guess = '' } = SOURCES[operation.name] ?? { from: 'MISSING: add it to scripts/agentcore-sources.ts' };
      return [operation.name, routeOf(operation), from, guess];
    }),
    '## Disputed points',
    "Sources disagree on these. `rondo agentcore --switch namespace=exact`, repeatable, takes the other way; in a program it is an option of `startAgentCore()` of the same name, such as `memory: { namespace: 'exact' }`.",
    table(['Point', 'The server', 'The other way'], SWITCHES),
    '## What could not be verified without an account',
    listed(NOT_VERIFIED),
    '## Answered with 501',
    ...planes(
      operations.filter(({ name }) => !names.has(name)),
      { data: 'The rest of the data plane', control: 'The rest of the control plane' },
      ['Operation', 'Route'],
      (operation) => [operation.name, routeOf(operation)],
    ),
  ];
  return `${parts.join('\n\n')}\n`;
}

if (process.argv[1] === import.meta.filename) writeFileSync(OPERATIONS_FILE, pageOf(await answers()));
