/** `rondo agentcore init`: an agent as a runtime in a project of the official CLI (`@aws/agentcore`), which builds and deploys it. */
import { constants, copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { EXIT, type ExitCode, type Io, Unusable } from '../io.ts';
import { filesOf, JOURNALS, type JournalName, json, PROTOCOLS, type ProtocolName } from './files.ts';

export interface InitOptions {
  /** Makes a project of this name, without the CDK part that the official CLI adds. */
  project?: string;
  model?: string;
  protocol?: string;
  journal?: string;
  /** What npm is to install as rondo: the path of a tarball, which is copied beside the agent, or what else npm takes. */
  rondo?: string;
}

/** The version of the configuration's format. */
const FORMAT = 1;
const SCHEMA = 'https://schema.agentcore.aws.dev/v1/agentcore.json';
const MODEL = 'global.anthropic.claude-sonnet-4-5-20250929-v1:0';
/** As the CLI checks them: both names together are the name of the runtime on AWS. */
const PROJECT = /^[A-Za-z][A-Za-z0-9]{0,22}$/;
const RUNTIME = /^[A-Za-z][A-Za-z0-9_]{0,47}$/;
const LONGEST = 48;
const MODEL_ID = /^[\w.:/-]{1,2048}$/;
const CLI = 'npx @aws/agentcore@0.30.0';

/** Writes nothing where it refuses. @throws Unusable */
export async function init(name: string, o: InitOptions, io: Io): Promise<ExitCode> {
  const { model = MODEL, protocol = 'http', journal = 'ephemeral' } = o;
  if (!RUNTIME.test(name)) throw new Unusable(`"${name}" is not the name of a runtime: a letter, then up to 47 letters, digits and "_".`);
  if (!MODEL_ID.test(model)) throw new Unusable(`--model is the id of a model of Bedrock, such as ${MODEL}.`);
  if (!Object.hasOwn(PROTOCOLS, protocol)) throw new Unusable(`--protocol is one of ${Object.keys(PROTOCOLS).join(', ')}.`);
  if (!(JOURNALS as readonly string[]).includes(journal)) throw new Unusable(`--journal is one of ${JOURNALS.join(', ')}.`);
  const tarball = tarballOf(o.rondo, io.cwd);
  const config = join(io.cwd, 'agentcore', 'agentcore.json');
  const isNew = !existsSync(config);
  const project = isNew ? newProject(o.project) : projectIn(config, o.project);
  if (`${project.name}_${name}`.length > LONGEST)
    throw new Unusable(
      `The name of the runtime on AWS is "${project.name}_${name}", which has more than ${LONGEST} characters. Take a shorter one.`,
    );
  const { runtimes } = project;
  if (runtimes.some((one) => one?.name === name))
    throw new Unusable(`The project has a runtime "${name}" already. Take another name, or remove it: ${CLI} remove agent --name ${name}.`);
  const codeLocation = `app/${name}/`;
  const folder = join(io.cwd, codeLocation);
  if (existsSync(folder) && readdirSync(folder).length > 0)
    throw new Unusable(`${codeLocation} has files already, and none is overwritten.`);
  const targets = join(io.cwd, 'agentcore', 'aws-targets.json');

  const rondo = tarball ? `file:${basename(tarball)}` : o.rondo;
  const files = filesOf({ name, model, protocol: protocol as ProtocolName, journal: journal as JournalName, ...(rondo && { rondo }) });
  const runtime = {
    name,
    build: 'Container',
    entrypoint: 'main.ts',
    codeLocation,
    networkMode: 'PUBLIC',
    protocol: PROTOCOLS[protocol as ProtocolName],
  };
  for (const [file, text] of Object.entries(files)) write(join(folder, file), text, 'wx');
  if (tarball) copyFileSync(tarball, join(folder, basename(tarball)), constants.COPYFILE_EXCL);
  write(config, json({ ...project, runtimes: [...runtimes, runtime] }), isNew ? 'wx' : 'w');
  if (isNew && !existsSync(targets)) write(targets, json([]), 'wx');
  const written = [...Object.keys(files), ...(tarball ? [basename(tarball)] : [])];
  io.out(said({ name, codeLocation, files: written, isNew, project: project.name, rondo }));
  return EXIT.ok;
}

/** The path of the tarball that `--rondo` names. Undefined if it names something else, which npm finds. @throws Unusable */
function tarballOf(rondo: string | undefined, cwd: string): string | undefined {
  if (rondo === undefined) return undefined;
  if (!/^[^\s"'\\]{1,1000}$/.test(rondo))
    throw new Unusable('--rondo is a tarball of `npm pack`, such as ../rondo/rondo-0.1.0.tgz, or a version or an address that npm takes.');
  if (!rondo.endsWith('.tgz') || /^[a-z+]+:/.test(rondo)) return undefined;
  const file = resolve(cwd, rondo);
  if (!statSync(file, { throwIfNoEntry: false })?.isFile())
    throw new Unusable(`--rondo: there is no ${rondo} here. Make it in a clone of rondo: npm ci && npm pack.`);
  return file;
}

function write(file: string, text: string, flag: 'w' | 'wx'): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text, { flag });
}

interface Project {
  readonly name: string;
  readonly runtimes: readonly { name?: unknown }[];
}

function newProject(name: string | undefined): Project {
  if (name === undefined)
    throw new Unusable(
      `There is no agentcore/agentcore.json here. Make a project, and run this in its folder: ${CLI} create --project-name desk --no-agent. Or write --project desk to get the configuration alone.`,
    );
  if (!PROJECT.test(name)) throw new Unusable(`"${name}" is not the name of a project: a letter, then up to 22 letters and digits.`);
  return { $schema: SCHEMA, name, version: FORMAT, managedBy: 'CDK', runtimes: [] } as Project;
}

/** All that the file has is kept. */
function projectIn(file: string, name: string | undefined): Project {
  if (name !== undefined) throw new Unusable('This folder is a project already: leave out --project.');
  const wrong = (why: string, cause?: unknown) =>
    new Unusable(`agentcore/agentcore.json ${why}. Nothing was written. See ${CLI} validate.`, { cause });
  let found: Partial<Project & { version: unknown }> | null;
  try {
    found = JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw wrong('cannot be read as JSON', cause);
  }
  const { name: own, version, runtimes = [] } = found ?? {};
  if (version !== FORMAT) throw wrong(`has the version ${JSON.stringify(version)} of the format, and version ${FORMAT} is known here`);
  if (typeof own !== 'string' || !Array.isArray(runtimes)) throw wrong('has no name, or no list of runtimes');
  return { ...found, name: own, runtimes };
}

interface Told {
  name: string;
  codeLocation: string;
  files: readonly string[];
  isNew: boolean;
  project: string;
  rondo: string | undefined;
}

const said = ({ name, codeLocation, files, isNew, project, rondo }: Told) => `${codeLocation}: ${files.join(', ')}
agentcore/agentcore.json: runtime "${name}", built as a container
${isNew ? `\nagentcore/cdk, which deploys, is of the official CLI. It is in a project that it makes: ${CLI} create --project-name ${project} --no-agent\n` : ''}${rondo ? '' : '\nrondo is not in the npm registry yet. Make its tarball in a clone (npm ci && npm pack), copy it beside the Dockerfile, and name it in package.json: --rondo <tarball> does both.\n'}
Next:
  cd ${codeLocation} && npm install && npm start   on this machine, with the credentials of AWS that the model needs
  ${CLI} validate
  ${CLI} deploy
`;
