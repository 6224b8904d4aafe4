/** Where the program runs. */
import { existsSync } from 'node:fs';
import { Engine } from '../../../engine/engine.ts';
import { invalid } from '../../../errors.ts';
import { warnOnce } from '../../../reliability/warn.ts';
import { TOKEN_VARIABLE } from '../session-token.ts';

/** The token of a session of the local server, which acts as the platform there. */
export const sessionToken = (env: NodeJS.ProcessEnv = process.env): string | undefined => env[TOKEN_VARIABLE] || undefined;

/**
 * Whether the program runs in a container of AgentCore Runtime, or in a session of the local server, by what is set there. `LOCAL_DEV`, which the
 * CLI sets, says that it does not.
 */
export function inContainer(env: NodeJS.ProcessEnv = process.env): boolean {
  if (isOn(env.LOCAL_DEV)) return false;
  return (
    sessionToken(env) !== undefined || isOn(env.DOCKER_CONTAINER) || env.AGENTCORE_RUNTIME_URL !== undefined || existsSync('/.dockerenv')
  );
}

/** Whether nothing but `/.dockerenv` says that this is a container: it may be one in which somebody develops. */
const isGuessed = (env: NodeJS.ProcessEnv): boolean =>
  inContainer(env) && sessionToken(env) === undefined && !isOn(env.DOCKER_CONTAINER) && env.AGENTCORE_RUNTIME_URL === undefined;

/** What to do in a container in which somebody develops, after a space; nothing where this is surely one of AgentCore Runtime, or no container. */
export const ifLocal = (env: NodeJS.ProcessEnv = process.env): string =>
  isGuessed(env) ? ' If this is a container in which you develop, such as a devcontainer, set LOCAL_DEV=1 in its environment.' : '';

/** Warns once if an application is served to all machines, with what they say of users believed, because of `/.dockerenv` alone. */
export function warnIfGuessed(where: string, env: NodeJS.ProcessEnv = process.env): void {
  const remedy = ifLocal(env);
  if (remedy === '') return;
  warnOnce(
    process,
    'guessed',
    `${where}: /.dockerenv says that this is a container of AgentCore Runtime, so all addresses are listened on, and callers are believed who the user is.${remedy} Else set DOCKER_CONTAINER=1, or pass container: true.`,
  );
}

const isOn = (value: string | undefined) => value === '1' || value?.toLowerCase() === 'true';

/** The port that the environment asks for. @throws RondoError `CONFIG_INVALID`. */
export function portFrom(value: string | undefined, where: string): number | undefined {
  if (value === undefined || value === '') return undefined;
  const port = Number(value);
  if (!/^\d{1,5}$/.test(value) || port > 65_535) throw invalid(`${where}: PORT is a number from 0 to 65535, not "${value.slice(0, 20)}".`);
  return port;
}

/** @throws RondoError `CONFIG_INVALID` if the runs would end with the session, and it was not said that this is meant. */
export function checkJournal(engine: Engine, meant: 'ephemeral' | undefined, where: string): void {
  if (meant !== undefined && meant !== 'ephemeral') throw invalid(`${where}: journal is 'ephemeral' or left out.`);
  const { durable, local } = Engine.settings(engine).journal;
  if (meant === 'ephemeral' || (durable && !local)) return;
  const what = durable ? 'is on the disk of this session' : 'is in the memory of this process';
  throw invalid(
    `${where}: the journal ${what}, and is lost with it, with every paused run. Pass a shared one, such as postgresJournal(), or journal: 'ephemeral' if that is meant.${ifLocal()}`,
  );
}
