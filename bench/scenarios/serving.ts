/** Requests per second and their times: serve() of rondo/agentcore/runtime beside the official SDK's app, each in a process of its own. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { Agent } from 'node:http';
import { fileURLToPath } from 'node:url';
import { ask, freePort } from '../asking.ts';
import { type Contender, interleave, ratio, spread, timesOf } from '../harness.ts';
import type { Scenario, Table, Target } from '../result.ts';

const FILE = fileURLToPath(new URL('../serving.ts', import.meta.url));
/** Requests under way at a time. */
const AT_A_TIME = 16;
const RONDO = 'serve() of Rondo';
const ENGINE = "the official app, its handler runs Rondo's engine";
const BARE = 'the official app, its handler runs the bare loop';

/** A server that is asked by `AT_A_TIME` callers, each with the next request as soon as it has its answer. */
async function asked(
  name: string,
  server: string,
  requests: number,
): Promise<{ contender: Contender; p99: number[]; cpu: number[]; end(): void }> {
  const child: ChildProcess = fork(FILE, [server, String(await freePort())], { stdio: ['ignore', 2, 2, 'ipc'] });
  const [{ port }] = (await once(child, 'message')) as [{ port: number }];
  const agent = new Agent({ keepAlive: true, maxSockets: AT_A_TIME });
  const p99: number[] = [];
  const cpu: number[] = [];
  const used = async () => {
    child.send('cpu');
    const [answer] = (await once(child, 'message')) as [{ cpu: number }];
    return answer.cpu;
  };
  const contender: Contender = {
    name,
    async prepare() {
      const took: number[] = [];
      const before = await used();
      return {
        units: requests,
        async run() {
          let left = requests;
          await Promise.all(
            Array.from({ length: AT_A_TIME }, async () => {
              while (left-- > 0) took.push(await ask(agent, port));
            }),
          );
        },
        async finish() {
          cpu.push(((await used()) - before) / requests);
          took.sort((a, b) => a - b);
          p99.push(took[Math.floor(took.length * 0.99)] as number);
        },
      };
    },
  };
  // until it answers: the official app does not say when it listens
  for (let tries = 0; ; tries++)
    try {
      await ask(agent, port);
      break;
    } catch (error) {
      if (tries > 200) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  return {
    contender,
    p99,
    cpu,
    end() {
      agent.destroy();
      child.disconnect();
    },
  };
}

export const serving: Scenario = async ({ quick }) => {
  const requests = quick ? 100 : 1_000;
  const servers = [
    await asked(RONDO, 'rondo', requests),
    await asked(ENGINE, 'official, engine', requests),
    await asked(BARE, 'official, bare', requests),
  ];
  try {
    const rounds = quick ? { rounds: 2, warmUp: 1 } : { rounds: 21, warmUp: 5, longest: 90_000 };
    const times = await interleave(
      servers.map(({ contender }) => contender),
      rounds,
    );
    const table: Table = {
      title: `POST /invocations, one model call, one tool call and the answer, ${AT_A_TIME} requests at a time, each of a new session`,
      unit: 'requests per second, milliseconds, microseconds of the server per request',
      columns: ['requests/s', 'p99', 'processor time', 'time : official app with the same engine'],
      rows: servers.map(({ contender: { name }, p99, cpu }) => ({
        name,
        cells: [
          spread(timesOf(times, name).map((us) => 1_000_000 / us)),
          // of the rounds that count
          spread(p99.slice(-timesOf(times, name).length)),
          spread(cpu.slice(-timesOf(times, name).length)),
          name === ENGINE ? undefined : ratio(times, name, ENGINE),
        ],
      })),
      notes: [
        'Each server is a process of its own, the callers another one, on the same machine: they share its cores.',
        'The handler of the official app runs the same agent, in the same engine, and in the third row a loop that keeps nothing. `serve()` also recognises repeats, keeps users apart and tells when it is busy.',
      ],
    };
    const p99 = (i: number) => servers[i]?.p99.slice(-timesOf(times, RONDO).length) as number[];
    const targets: Target[] = [
      { name: 'serve(), beside the official app with the same engine', measured: ratio(times, RONDO, ENGINE), unit: 'x', limit: 1 },
      {
        name: 'serve(), p99, beside the official app with the same engine',
        measured: spread(p99(0).map((ms, i) => ms / (p99(1)[i] as number))),
        unit: 'x',
        limit: 1,
      },
    ];
    return { tables: [table], targets };
  } finally {
    for (const { end } of servers) end();
  }
};
