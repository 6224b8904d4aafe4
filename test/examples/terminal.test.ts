/** The path with a terminal, in process: the streams are ours, everything behind them is real but for the ticket service. */
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { agent, Engine, type Json, type ModelRequest, type Part, tool } from 'rondo';
import { sqliteJournal } from 'rondo/journal/sqlite';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { Screen } from '../../examples/kit/screen.ts';
import type { Decide } from '../../examples/kit/usage.ts';
import type { Desk } from '../../examples/ticket-triage/desk.ts';
import { attend, type Ending } from '../../examples/ticket-triage/session.ts';
import { folder } from '../kit/folder.ts';

const MENU = 'decide later > ';
const MAIL = { to: 'support-team@example.test', subject: 'Hello\u001b[2K', body: 'Line one\nLine two\u200b' };

// biome-ignore lint/suspicious/noControlCharactersInRegex: it is what a terminal is told
const CURSOR = /\u001b\[\d*[GJ]/g;

interface Played {
  ending: Ending;
  screen: string;
  sent: Json[];
  told: string;
  status: string;
}

/**
 * A run that wants to send one mail, and a person who answers each prompt with the next of `keys`.
 * @param keys `^C` presses Ctrl-C, `^D` ends the input.
 */
async function play(
  keys: readonly string[],
  o: { decide?: Decide; isTTY?: boolean; env?: Record<string, string>; approval?: object } = {},
): Promise<Played> {
  const sent: Json[] = [];
  let told = '';
  const mailer = tool({
    name: 'send_mail',
    description: 'mails',
    input: z.object({ to: z.string(), subject: z.string().max(40), body: z.string() }),
    approval: { reason: 'it mails people', ...o.approval },
    execute: (input) => {
      sent.push(input);
      return 'sent';
    },
  });
  const model = {
    provider: 'test',
    id: 'rules',
    generate: async ({ messages }: ModelRequest) => {
      const result = messages.at(-1)?.content.find((p) => p.type === 'toolResult');
      if (result?.type === 'toolResult') told = result.output.map((p) => (p.type === 'text' ? p.text : '')).join('');
      const ask: Part[] = [
        { type: 'reasoning', text: 'it is time\u001b[1A to write' },
        { type: 'toolCall', id: '1', name: 'send_mail', input: MAIL },
      ];
      return result
        ? { content: [{ type: 'text' as const, text: 'all done\u0007' }], stop: 'end' as const }
        : { content: ask, stop: 'tools' as const };
    },
  };
  const desk = agent({ name: 'desk', instructions: '', model, tools: [mailer] });
  const journal = sqliteJournal(join(folder('terminal'), 'runs.db'));
  const engine = new Engine({ journal, agents: [desk] });
  const input = Object.assign(new PassThrough(), { isTTY: o.isTTY ?? true });
  let shown = '';
  let seen = 0;
  const left = [...keys];
  const output = Object.assign(new PassThrough(), { isTTY: o.isTTY ?? true, columns: 100 });
  output.on('data', (chunk) => {
    shown += chunk;
    // one key press for each prompt that appears
    for (let at = shown.indexOf('> ', seen); at >= 0 && left.length > 0; at = shown.indexOf('> ', seen)) {
      seen = at + 2;
      const key = left.shift() as string;
      setImmediate(() => (key === '^D' ? input.end() : input.write(key === '^C' ? '\u0003' : `${key}\r`)));
    }
  });
  const terminal = { input, output, env: { TERM: 'xterm', NO_COLOR: '1', CI: '1', ...o.env } };
  let run = '';
  const start = () => {
    const started = engine.run(desk, 'go', { by: { id: 'ana' } });
    run = started.id;
    return started;
  };
  try {
    const session = {
      desk: { engine, journal } as unknown as Desk,
      terminal,
      screen: new Screen(terminal),
      decide: o.decide ?? { type: 'ask' as const },
      started: Date.now(),
      interrupt: new Promise<void>(() => {}),
    };
    const ending = await attend(session, { start });
    // the keys that readline moved the cursor with are its own
    const screen = shown.replace(CURSOR, '').replaceAll('\r', '');
    return { ending, screen, sent, told, status: (await engine.inspect(run, { by: { id: 'ana' } })).status };
  } finally {
    await engine.close();
  }
}

describe('a person at a terminal', () => {
  it('approves: the call runs as it was shown', async () => {
    const { ending, screen, sent, status } = await play(['a']);
    expect(sent).toEqual([MAIL]);
    expect([ending, status]).toEqual(['completed', 'completed']);
    expect(screen).toContain(`[a]pprove [e]dit [r]eject [s]how [w]hy [q]uit and ${MENU}`);
    expect(screen).toMatch(/approved by .* after \d+ ms +ok/);
    expect(screen).toMatch(/COMPLETED {2}2 steps, 1 tool ran, 1 approval/);
    expect(screen).toMatch(/time .*you \d/);
  });

  it('sees what strangers wrote as what it is', async () => {
    const { screen } = await play(['s', 'w', 'a']);
    expect(screen).not.toContain('\u001b');
    expect(screen).not.toContain('\u200b');
    expect(screen).not.toContain('\u0007');
    expect(screen).toContain('"Hello<ESC>[2K"');
    expect(screen).toContain('Line two<U+200B>');
    expect(screen).toContain('it is time<ESC>[1A to write');
    expect(screen).toContain('all done<BEL>');
  });

  it('asks to be shown everything, and why', async () => {
    const { screen } = await play(['s', 'w', 'x', 'a']);
    expect(screen).toMatch(/effect: once {3}arguments sha256 [0-9a-f]{6}\.\./);
    expect(screen).toMatch(/arguments sha256 [0-9a-f]{64}/);
    expect(screen).toContain('asked because it mails people');
    expect(screen).toContain('body:\n  |    Line one\n');
    expect(screen).toContain('run.started agent desk for ana: go');
    expect(screen).toContain('approval.requested');
    expect(screen).toContain('"x" is none of these');
  });

  it('edits a field: the call runs with that', async () => {
    const { sent, screen } = await play(['e', '', 'Better', '', '']);
    expect(sent).toEqual([{ ...MAIL, subject: 'Better' }]);
    expect(screen).toContain('edited and approved by');
  });

  it('edits in an editor', async () => {
    const editor = `${process.execPath} -e 'const fs=require("node:fs");const f=process.argv[1];fs.writeFileSync(f,fs.readFileSync(f,"utf8").replace("Line one","Line 1"))'`;
    const { sent } = await play(['e'], { env: { EDITOR: editor } });
    expect(sent).toEqual([{ ...MAIL, body: MAIL.body.replace('Line one', 'Line 1') }]);
  });

  it('edits field by field where only npm set EDITOR', async () => {
    const { sent } = await play(['e', '', 'Better', '', ''], { env: { EDITOR: 'vi', npm_lifecycle_event: 'start' } });
    expect(sent).toEqual([{ ...MAIL, subject: 'Better' }]);
  });

  it('edits nothing, or writes no JSON: is asked again', async () => {
    const { sent, screen } = await play(['e', '', '', '', 'a']);
    expect(screen).toContain('nothing is changed');
    expect(sent).toEqual([MAIL]);
    const rubbish = `${process.execPath} -e 'require("node:fs").writeFileSync(process.argv[1],"{")'`;
    const again = await play(['e', 'a'], { env: { EDITOR: rubbish } });
    expect(again.screen).toContain('that is not JSON');
    expect(again.sent).toEqual([MAIL]);
  });

  it('edits into something the tool refuses: is told why, and asked again', async () => {
    const { sent, screen } = await play(['e', '', 'x'.repeat(60), '', 'a']);
    expect(screen).toContain('DECISION_INVALID');
    expect(sent).toEqual([MAIL]);
  });

  it('rejects: the agent is told why', async () => {
    const { sent, told, screen } = await play(['r', 'not today']);
    expect(sent).toEqual([]);
    expect(told).toContain('not today');
    expect(screen).toMatch(/rejected by .*NOT RUN/);
  });

  it.each(['q', '^D'])('leaves with %s: it stays as it is, with the command to go on', async (key) => {
    const { ending, status, sent, screen } = await play([key]);
    expect([ending, status, sent]).toEqual(['later', 'paused', []]);
    expect(screen).toMatch(/PAUSED[\s\S]*npm start -- resume \w{26} --approve/);
  });

  it('presses Ctrl-C at the question: nothing is lost', async () => {
    const { ending, status, screen } = await play(['^C']);
    expect([ending, status]).toEqual(['interrupted', 'paused']);
    expect(screen).toMatch(/nothing lost; go on with: npm start -- resume \w{26}\n$/);
  });

  it('is not offered what the tool does not allow', async () => {
    const { screen, sent } = await play(['e', 'a'], { approval: { allow: ['approve', 'reject'] } });
    expect(screen).not.toContain('[e]dit');
    expect(screen).toContain('"e" is none of these');
    expect(sent).toEqual([MAIL]);
  });

  it('is not asked without a terminal', async () => {
    const { ending, screen } = await play([], { isTTY: false });
    expect(ending).toBe('later');
    expect(screen).not.toContain('[a]pprove');
    expect(screen).toContain('PAUSED');
  });

  it('has decided on the command line', async () => {
    expect((await play([], { isTTY: false, decide: { type: 'approve' } })).sent).toEqual([MAIL]);
    const { sent, told } = await play([], { isTTY: false, decide: { type: 'reject', reason: 'never' } });
    expect(sent).toEqual([]);
    expect(told).toContain('never');
  });
});
