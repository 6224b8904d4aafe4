/** Tests with separate processes on one storage. Two handles in one process are not enough, because their code never runs at once. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { VERSION } from '../../journal/entries/entries.ts';
import type { Journal } from '../../journal/port.ts';
import { all, entry, head, read, start } from './kit.ts';

/** How another process opens a storage: it imports a module and calls one of its exports. */
export interface Opening {
  /** URL or path. It must load in a plain Node process with `execArgv`. */
  module: string | URL;
  /** The name of the export that opens the journal. Default: `default`. */
  open?: string;
  /** The arguments of the export, as JSON values. */
  args?: readonly unknown[];
  /** Default: those of this process. */
  execArgv?: readonly string[];
}

export type ProcessCase = readonly [name: string, check: (journal: Journal, opening: Opening) => Promise<void>];

/** Appends of each process to the run that both write to. */
const APPENDS = 200;
/** Rounds in which both processes compete for the same thing. */
const ROUNDS = 40;

/** The program of a child process: plain JavaScript that imports only the given module. It reads commands from stdin and answers each. */
const CHILD = `
import { createInterface } from 'node:readline';
const { module, open, args, who } = JSON.parse(process.argv[1]);
const journal = await (await import(module))[open](...args);
const say = (line) => process.stdout.write(JSON.stringify(line) + '\\n');
const entryOf = (seq) => ({ v: ${VERSION}, seq, at: 1750000000000, type: 'call.finished', call: seq + '.0', ok: true, output: who, attempts: 1, ms: 1 });
const headOf = (runId, over) => ({ runId, agent: who, status: 'running', startedAt: 1750000000000, version: ${VERSION}, seq: 0, ...over });
async function patient(attempt) {
  for (let tries = 0; ; tries++) {
    try { return { ok: await attempt() }; } catch (error) {
      if (error?.code !== 'JOURNAL_UNAVAILABLE' || tries > 200) return { code: error?.code ?? String(error) };
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}
async function both(runId, count) {
  const written = [];
  let next = 0;
  for (let refusals = 0; written.length < count; ) {
    const at = next;
    const { code } = await patient(() => journal.append(runId, next, [entryOf(next)], headOf(runId, { seq: next + 1 })));
    if (code === undefined) written.push(next++);
    else if (code !== 'JOURNAL_CONFLICT') return { code };
    else for await (const { seq } of journal.read(runId, next - 1)) next = seq + 1;
    // a conflict, yet no new entry to read: the store hides entries, or returns some twice
    if (next !== at) refusals = 0;
    else if (++refusals > 100) return { code: 'refused at ' + next + ', where the run ends' };
    if (written.length % 5 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  return { written };
}
async function record(key, count) {
  const written = [];
  let held = 0;
  for (let refusals = 0; written.length < count; ) {
    const at = held;
    const { code } = await patient(() => journal.records.append('suite', key, [who], { expected: at }));
    if (code === undefined) written.push(held++);
    else if (code !== 'JOURNAL_CONFLICT') return { code };
    else for await (const _ of journal.records.read('suite', key, at)) held++;
    if (held !== at) refusals = 0;
    else if (++refusals > 100) return { code: 'refused at ' + held + ', where the record ends' };
    if (written.length % 5 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  return { written };
}
const commands = {
  record: ({ key, count }) => record(key, count),
  both: ({ runId, count }) => both(runId, count),
  start: ({ runId, session }) => patient(() => journal.append(runId, 0, [entryOf(0)], headOf(runId, { seq: 1, session }))),
  renew: ({ runId, until }) => patient(() => journal.renew(runId, who, until)),
  claim: ({ runId, claims }) => patient(() => journal.append(runId, 0, [entryOf(0)], headOf(runId, { seq: 1 }), { claims })),
  claimed: ({ key }) => patient(() => journal.claim(key)),
};
say({ ready: true });
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  while (Date.now() < command.at);
  say(await commands[command.do](command));
}
await journal.close?.();
`;

export type Answer = { ready?: true; ok?: unknown; code?: string; written?: number[] };

export interface Processes {
  /** Sends a command to all that live; they start it at the same time. */
  ask(command: (i: number) => object): Promise<Answer[]>;
  /** Kills one, as by SIGKILL. */
  kill(i: number): Promise<void>;
}

/** Runs `work` with processes of these names that have the storage open. */
export async function withProcesses(opening: Opening, names: readonly string[], work: (processes: Processes) => Promise<void>) {
  const { module, open = 'default', args = [], execArgv = process.execArgv } = opening;
  const url = module instanceof URL || /^[a-z]+:/.test(module) ? String(module) : pathToFileURL(module).href;
  let children = names.map((who, i) => {
    const child = spawn(
      process.execPath,
      [...execArgv, '--input-type=module', '-e', CHILD, JSON.stringify({ module: url, open, args, who })],
      {
        stdio: ['pipe', 'pipe', 'pipe'],
      },
    );
    let said = '';
    child.stderr.on('data', (chunk) => {
      said += chunk;
    });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const answer = async (): Promise<Answer> => {
      const { value } = await lines.next();
      return value === undefined ? assert.fail(`the other process ended: ${said.slice(-2_000)}`) : JSON.parse(value);
    };
    return { i, child, answer, ended: once(child, 'close') };
  });
  try {
    await Promise.all(children.map(({ answer }) => answer()));
    await work({
      ask(command) {
        // all busy-wait until this time, so that they start within microseconds of each other
        const at = Date.now() + 3;
        for (const { i, child } of children) child.stdin.write(`${JSON.stringify({ ...command(i), at })}\n`);
        return Promise.all(children.map(({ answer }) => answer()));
      },
      async kill(i) {
        const [killed] = children.filter((each) => each.i === i);
        children = children.filter((each) => each !== killed);
        killed?.child.kill('SIGKILL');
        await killed?.ended;
      },
    });
  } finally {
    for (const { child } of children) child.stdin.end();
    await Promise.all(children.map(({ ended }) => ended));
  }
}

/** Runs `work` with two processes. */
const twoProcesses = (opening: Opening, work: (ask: (command: (i: number) => object) => Promise<[Answer, Answer]>) => Promise<void>) =>
  withProcesses(opening, ['ana', 'ben'], ({ ask }) => work(ask as (command: (i: number) => object) => Promise<[Answer, Answer]>));

export const codes = (answers: readonly Answer[]) => answers.map(({ ok, code }) => code ?? (ok === false ? 'refused' : 'stored')).sort();

export const processCases: readonly ProcessCase[] = [
  [
    'two processes append to one run as fast as they can: every entry has one writer, and nothing acknowledged is lost',
    async (journal, opening) => {
      await twoProcesses(opening, async (ask) => {
        const answers = await ask(() => ({ do: 'both', runId: 'r', count: APPENDS }));
        for (const { code } of answers) assert.equal(code, undefined);
        const found = (await read(journal, 'r')) as unknown as { seq: number; output: string }[];
        assert.deepEqual(
          found.map(({ seq }) => seq),
          found.map((_, i) => i),
        );
        assert.equal(found.length, 2 * APPENDS, `${found.length} entries where ${2 * APPENDS} appends were acknowledged`);
        for (const [i, who] of ['ana', 'ben'].entries())
          assert.deepEqual(
            answers[i]?.written,
            found.flatMap(({ seq, output }) => (output === who ? seq : [])),
            `an entry that ${who} was told is stored is not, or is another's`,
          );
      });
    },
  ],
  [
    'of two processes that start the same run at once, exactly one succeeds',
    async (journal, opening) => {
      await twoProcesses(opening, async (ask) => {
        for (let round = 0; round < ROUNDS; round++) {
          const answers = await ask(() => ({ do: 'start', runId: `r${round}` }));
          assert.deepEqual(codes(answers), ['JOURNAL_CONFLICT', 'stored']);
          assert.equal((await read(journal, `r${round}`)).length, 1);
        }
      });
    },
  ],
  [
    'of two processes that open the same session at once, exactly one succeeds',
    async (journal, opening) => {
      await twoProcesses(opening, async (ask) => {
        for (let round = 0; round < ROUNDS; round++) {
          const session = `s${round}`;
          const answers = await ask((i) => ({ do: 'start', runId: `${session} ${i}`, session }));
          assert.deepEqual(codes(answers), ['SESSION_BUSY', 'stored']);
          assert.equal((await all(journal.heads({ session }))).length, 1);
        }
      });
    },
  ],
  [
    'of two processes that take a free lease at once, exactly one gets it',
    async (journal, opening) => {
      const now = journal.now ? await journal.now() : Date.now();
      for (let round = 0; round < ROUNDS; round++) await start(journal, `r${round}`);
      await twoProcesses(opening, async (ask) => {
        for (let round = 0; round < ROUNDS; round++) {
          const answers = await ask(() => ({ do: 'renew', runId: `r${round}`, until: now + 600_000 }));
          assert.deepEqual(codes(answers), ['refused', 'stored']);
          const [found] = await all(journal.heads({ runId: `r${round}` }));
          assert.equal(found?.owner, answers[0].ok === true ? 'ana' : 'ben');
        }
      });
    },
  ],
  [
    'an append that was acknowledged to a process survives its end',
    async (journal, opening) => {
      await twoProcesses(opening, async (ask) => {
        assert.deepEqual(codes(await ask((i) => ({ do: 'start', runId: `r${i}` }))), ['stored', 'stored']);
      });
      for (const [i, who] of ['ana', 'ben'].entries()) assert.deepEqual(await read(journal, `r${i}`), [entry(0, who)]);
      await journal.append('r0', 1, [entry(1)], head('r0'));
    },
  ],
];

/** Tests of records with two processes. */
export const recordProcessCases: readonly ProcessCase[] = [
  [
    'two processes append to one record as fast as they can: every value has one writer, and nothing acknowledged is lost',
    async (journal, opening) => {
      await twoProcesses(opening, async (ask) => {
        const answers = await ask(() => ({ do: 'record', key: 'k', count: APPENDS }));
        for (const { code } of answers) assert.equal(code, undefined);
        const found = await all(journal.records?.read('suite', 'k') ?? []);
        assert.equal(found.length, 2 * APPENDS, `${found.length} values where ${2 * APPENDS} appends were acknowledged`);
        for (const [i, who] of ['ana', 'ben'].entries())
          assert.deepEqual(
            answers[i]?.written,
            found.flatMap((value, at) => (value === who ? at : [])),
            `a value that ${who} was told is stored is not, or is another's`,
          );
      });
    },
  ],
];
