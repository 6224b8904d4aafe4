/** Where the program runs. */
import { existsSync } from 'node:fs';
import { Engine } from '../../../engine/engine.ts';
import { invalid } from '../../../errors.ts';
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
    `${where}: the journal ${what}, and is lost with it, with every paused run. Pass a shared one, such as postgresJournal(), or journal: 'ephemeral' if that is meant.`,
  );
}
