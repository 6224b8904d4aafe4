/** The whole job, in processes of its own, as `npm start` runs it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { copied, mails, run, temp } from './process.ts';

describe('the job without a terminal', () => {
  it('pauses, prints a command, and that command in another process sends one mail', async () => {
    const dir = temp();
    const first = await run(dir, []);
    expect(first).toMatchObject({ code: 0, err: '' });
    expect(first.out).toMatch(/^OFFLINE STAND-IN: fixed rules, no AI model\. Real: RONDO_MODEL=<provider>:<id> npm start\n/);
    // lines, and nothing that moves a cursor
    expect(first.out).not.toContain('\u001b');
    expect(first.out).not.toContain('\r');
    expect(first.out).toContain('faults: search fails once for T-104, always for T-131 (off: --faults none)');
    expect(first.out).toMatch(/search_issues "login loop"\n +attempt 1: SERVICE_UNAVAILABLE, wait \d+ ms\n +attempt 2 +ok/);
    expect(first.out).toMatch(/SERVICE_UNAVAILABLE, gave up +FAIL/);
    expect(first.out).toMatch(/CIRCUIT_OPEN, not run +FAIL[\s\S]*breaker OPEN .*error returned to agent/);
    expect(first.out).toMatch(
      /send_mail +ASK\n {2}\+- APPROVAL ap_\w+ {3}effect: once {3}arguments sha256 \w+\.\.\n.*"3 tickets triaged, 1 NOT CHECKED"/,
    );
    expect(mails(dir)).toEqual([]);

    const command = copied(first.out);
    expect(command).toEqual(['resume', expect.stringMatching(/^\w{26}$/), '--approve']);
    const second = await run(dir, command);
    expect(second).toMatchObject({ code: 0, err: '' });
    expect(second.out).toMatch(/COMPLETED {2}5 steps, 5 tools ran, \d retries, 1 breaker, 1 approval\n/);
    expect(second.out).toMatch(/cost {2}\$0, no model was called; ~ means estimated/);
    expect(mails(dir)).toEqual([`${command[1]}.eml`]);
    const mail = readFileSync(join(dir, 'outbox', `${command[1]}.eml`), 'utf8');
    expect(mail).toContain('To: support-team@example.test');
    for (const said of ['T-118 Export hangs', 'KI-31', 'T-104 Login loop', 'KI-27', 'T-131 Billed twice', 'NOT CHECKED'])
      expect(mail).toContain(said);

    // again, by mistake: it has ended, and nothing more is sent
    const third = await run(dir, command);
    expect(third.code).toBe(0);
    expect(mails(dir)).toHaveLength(1);

    const listed = await run(dir, ['runs']);
    expect(listed.out).toMatch(new RegExp(`^${command[1]} .* completed +ticket-triage\n$`));
    const shown = await run(dir, ['show', (command[1] as string).slice(0, 12)]);
    expect(shown.out).toMatch(/0 +\+0\.00s {2}run\.started agent ticket-triage/);
    expect(shown.out).toContain('call.started send_mail "3 tickets triaged, 1 NOT CHECKED" (once)');
    expect(shown.out).toMatch(/run\.settled completed\n$/);
  });

  it('finds everything without the faults, and takes a decision from the command line', async () => {
    const dir = temp();
    const { code, out, err } = await run(dir, ['--faults', 'none', '--approve']);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toMatch(/COMPLETED {2}4 steps, 5 tools ran, 1 approval\n/);
    const [file] = mails(dir);
    expect(readFileSync(join(dir, 'outbox', file as string), 'utf8')).toContain('KI-40');
  });

  it('sends nothing where a person says no', async () => {
    const dir = temp();
    const { code, out, err } = await run(dir, ['--faults', 'none', '--reject', 'not today']);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toMatch(/rejected by .*NOT RUN[\s\S]*was NOT sent[\s\S]*not today[\s\S]*mail {2}none was sent/);
    expect(mails(dir)).toEqual([]);
  });

  it('loses nothing to Ctrl-C in the middle', async () => {
    const dir = temp();
    let pressed = false;
    const stopped = await run(dir, [], {
      onOutput(out, kill) {
        if (!pressed && out.includes('step 2')) {
          pressed = true;
          // twice, as under npm, which passes on what the terminal has sent to both
          kill('SIGINT');
          kill('SIGINT');
        }
      },
    });
    expect(stopped.code, stopped.err).toBe(130);
    expect(stopped.out).toMatch(/nothing lost; go on with: RONDO_DIR=\S+ npm start -- resume \w{26}\n$/);
    const gone = await run(dir, [...copied(stopped.out), '--approve']);
    expect(gone).toMatchObject({ code: 0, err: '' });
    expect(gone.out).toMatch(/COMPLETED {2}/);
    // the list was read before Ctrl-C, and is not read again
    expect(gone.out).not.toContain('list_tickets');
    expect(mails(dir)).toHaveLength(1);
  });

  it('says of another task that it does not know it', async () => {
    const { code, out, err } = await run(temp(), ['--task', 'Write a poem']);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toContain('I only know this job');
    expect(out).toContain('mail  none was sent');
  });

  it('survives a kill at the worst moment', async () => {
    const { code, out, err } = await run(temp(), [], { name: 'demo-crash' });
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toMatch(/KILLED\. mails in the outbox: 1[\s\S]*call\.started send_mail "3 tickets triaged" \(once\)\nit holds the intent/);
    expect(out).toMatch(/call\.finished send_mail .* OUTCOME_UNKNOWN, outcome unknown/);
    expect(out).toContain('1 mail, outcome unknown, agent told');
  });
});

describe('bad input', () => {
  it.each<[string, string[], Record<string, string>, RegExp]>([
    [
      'an unknown model',
      [],
      { RONDO_MODEL: 'foo' },
      /^RONDO_MODEL is "foo"\. Begin it with one of openai:, anthropic:, google:, ollama:, bedrock:, as in openai:gpt-5-mini, or/,
    ],
    ['an unknown run', ['resume', 'nope'], {}, /^There is no run "nope"\. RONDO_DIR=\S+ npm start -- runs lists them\.$/],
    ['an unknown run to show', ['show', 'nope'], {}, /^There is no run "nope"/],
    ['an unknown flag', ['--foo'], {}, /^Unknown option '--foo'\./],
    ['a mail server that is none', [], { SMTP_URL: 'localhost' }, /^SMTP_URL is "localhost"; it must be like smtp:/],
  ])('%s: one clear error, and exit 2', async (_, args, env, message) => {
    const { code, out, err } = await run(temp(), args, { env });
    expect(code).toBe(2);
    expect(out).toBe('');
    expect(err.trim().split('\n')[0]).toMatch(message);
    expect(err).not.toMatch(/^ +at /m);
  });
});
