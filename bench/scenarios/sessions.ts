/** A session of AgentCore Runtime from the start of its process to its first answer, and 100 of them held by the local server. */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Agent } from 'node:http';
import { fileURLToPath } from 'node:url';
import { BedrockAgentCoreClient, InvokeAgentRuntimeCommand } from '@aws-sdk/client-bedrock-agentcore';
import { ask, freePort } from '../asking.ts';
import { type Contender, interleave, ratio, type Spread, spread, timesOf } from '../harness.ts';
import { BARE, OFFICIAL, programs, RONDO } from '../programs.ts';
import { exactly, type Row, type Scenario, type Table } from '../result.ts';
import type { Memory, Reached } from '../twin.ts';

const TWIN = fileURLToPath(new URL('../twin.ts', import.meta.url));
const SESSIONS = 100;
/** Sessions that start at a time. */
const AT_A_TIME = 4;
/** Milliseconds between two attempts to connect. */
const KNOCK = 2;

export const sessions: Scenario = async ({ quick }) => {
  const { from, files, remove } = programs();
  const rounds = quick ? { rounds: 1, warmUp: 0 } : { rounds: 21, warmUp: 2, longest: 60_000 };
  const times = await interleave(
    [...files].map(([name, file]) => cold(name, file)),
    rounds,
  );
  const first: Table = {
    title: `From the start of a process to its first answer, from ${from}`,
    unit: 'ms',
    columns: ['POST /invocations'],
    rows: [RONDO, OFFICIAL, BARE].map((name) => ({ name, cells: [spread(timesOf(times, name).map((us) => us / 1_000))] })),
    notes: ['The caller knocks every two milliseconds until the port is open. A new microVM of AWS is not in it.'],
  };
  const count = quick ? 5 : SESSIONS;
  const rows: Row[] = [];
  for (const [name, file] of files) rows.push({ name, cells: await held(file, count) });
  remove();
  const many: Table = {
    title: `${count} sessions held by the local server, asked by the AWS client`,
    unit: 'milliseconds, MB of 1,000,000 bytes',
    columns: ['first answer', 'further answer', 'MB of a session', 'resident set', 'MB of the server more, for each'],
    rows,
    notes: [
      `Sessions start ${AT_A_TIME} at a time; further answers are one at a time, in turn, with all of them held. The time has the client's signature in it.`,
      'The memory of a session is its share: what several processes hold is divided by their number. Its resident set counts that whole.',
    ],
  };
  return {
    tables: [first, many],
    targets: [
      {
        name: 'serve(), from its process to the first answer, beside the official app',
        measured: ratio(times, RONDO, OFFICIAL),
        unit: 'x',
        limit: 1,
      },
    ],
  };
};

/** A process for each sample. */
const cold = (name: string, file: string): Contender => ({
  name,
  async prepare() {
    const port = await freePort();
    const agent = new Agent();
    let child: ChildProcess | undefined;
    return {
      units: 1,
      async run() {
        child = spawn(process.execPath, [file], {
          env: { PORT: String(port), LOCAL_DEV: '1', NODE_NO_WARNINGS: '1' },
          stdio: ['ignore', 'ignore', 'inherit'],
        });
        let code: number | null = null;
        child.once('exit', (given) => {
          code = given ?? 1;
        });
        for (;;)
          try {
            await ask(agent, port);
            return;
          } catch (error) {
            if ((error as NodeJS.ErrnoException).code !== 'ECONNREFUSED') throw error;
            if (code !== null) throw new Error(`${name} ended with ${code}`);
            await new Promise((resolve) => setTimeout(resolve, KNOCK));
          }
      },
      async finish() {
        const ended = once(child as ChildProcess, 'exit');
        child?.kill('SIGKILL');
        await ended;
        agent.destroy();
      },
    };
  },
});

async function held(file: string, count: number): Promise<Spread[]> {
  const twin = fork(TWIN, [file], { stdio: ['ignore', 2, 2, 'ipc'] });
  const { env, agentRuntimeArn } = await told<Reached>(twin);
  Object.assign(process.env, env);
  const memory = () => {
    twin.send('memory');
    return told<Memory>(twin);
  };
  const client = new BedrockAgentCoreClient({ maxAttempts: 1 });
  /** Milliseconds of one turn of a session. */
  const turn = async (session: number): Promise<number> => {
    const started = performance.now();
    const { response } = await client.send(
      new InvokeAgentRuntimeCommand({
        agentRuntimeArn,
        runtimeSessionId: `session-${session}`.padEnd(33, '-'),
        contentType: 'application/json',
        payload: Buffer.from('{"prompt":"Where is order 7?"}'),
      }),
    );
    const text = (await response?.transformToString()) ?? '';
    if (!text.includes('It is on its way.')) throw new Error(`a session answered ${text}`);
    return performance.now() - started;
  };
  try {
    const none = await memory();
    const starts: number[] = [];
    let next = 0;
    await Promise.all(
      Array.from({ length: AT_A_TIME }, async () => {
        while (next < count) starts.push(await turn(next++));
      }),
    );
    const further: number[] = [];
    for (let round = 0; round < 5; round++) for (let i = 0; i < count; i++) further.push(await turn(i));
    const all = await memory();
    if (all.sessions.length !== count) throw new Error(`${all.sessions.length} of ${count} sessions are held`);
    return [
      spread(starts),
      spread(further),
      spread(all.sessions.map(({ pss }) => pss / 1e6)),
      spread(all.sessions.map(({ rss }) => rss / 1e6)),
      exactly((all.server - none.server) / count / 1e6),
    ];
  } finally {
    client.destroy();
    if (twin.connected) {
      const ended = once(twin, 'exit');
      twin.disconnect();
      await ended;
    }
  }
}

/** The next message of a process. Rejects if it ends without one. */
async function told<T>(child: ChildProcess): Promise<T> {
  const gone = new AbortController();
  const end = (code: number | null) => gone.abort(new Error(`the local server ended with ${code}`));
  child.once('exit', end);
  try {
    const [message] = (await once(child, 'message', gone)) as [T];
    return message;
  } finally {
    child.off('exit', end);
  }
}
