/** The whole desk, in processes of its own, as `npm run research-desk` runs it. */
import { describe, expect, it } from 'vitest';
import { copied, entriesOf, published, run, temp } from './process.ts';

/** Lines of the steps, in their order. */
const order = (out: string, ...lines: RegExp[]) => {
  const at = lines.map((line) => out.search(line));
  expect(at).not.toContain(-1);
  expect(at).toEqual(at.toSorted((a, b) => a - b));
};

describe('the desk without a terminal', () => {
  it('pauses, prints a command, and that command in another process publishes what was verified', async () => {
    const dir = temp();
    const first = await run(dir);
    expect(first).toMatchObject({ code: 0, err: '' });
    expect(first.out).toMatch(/^OFFLINE STAND-IN: fixed rules, no AI model\. Real: RONDO_MODEL=<provider>:<id> npm run research-desk\n/);
    expect(first.out).toMatch(/^verification: A2A at http:\/\/127\.0\.0\.1:\d+, process \d+/m);
    // lines, and nothing that moves a cursor
    expect(first.out).not.toContain('\u001b');
    expect(first.out).not.toContain('\r');
    // both begin before either has answered
    order(first.out, /desk > research +begins, LangGraph/, /desk > (research|finance) +answers: /);
    order(first.out, /desk > finance +begins, Strands/, /desk > (research|finance) +answers: /);
    order(
      first.out,
      /desk > research +node search: 5 queries, 5 documents\n/,
      /desk > research +node notes: 10 notes\n/,
      /rule 2: both are in/,
      /desk > verification +begins, A2A/,
      /desk > verification +answers: PROBLEMS in 38 figures: - 1824 is not in/,
      /rule 4: problems were found, back/,
      /desk > verification +answers: VERIFIED: 38 figures and 15 citations hold\./,
      /publish wants a person +ASK\n/,
      /APPROVAL desk > publish, sha256 \w{6}\.\.: Night bus pilot/,
      /\nPAUSED /,
    );
    expect(published(dir)).toEqual([]);

    const command = copied(first.out);
    expect(command).toEqual(['resume', expect.stringMatching(/^\w{26}$/), '--approve']);
    const id = command[1] as string;
    const second = await run(dir, command);
    expect(second).toMatchObject({ code: 0, err: '' });
    expect(second.out).toMatch(/\nPublished after 2 drafts\. VERIFIED: 38 figures and 15 citations hold\.\nCOMPLETED\n/);
    // what had finished is not done again
    expect(second.out).not.toContain('begins');
    const [brief = '', ...more] = published(dir);
    expect(more).toEqual([]);
    expect(brief).toContain('The university asked 1,284 passengers');
    expect(brief).toContain('Over two years the pilot cost 2,537,000 euros [=total(cost_eur)]');
    // what a person saw is what was written
    for (const line of brief.trimEnd().split('\n')) expect(first.out).toContain(`  |  ${line}`.trimEnd());

    const rows = [
      ...second.out.matchAll(/^( {0,2}\+? ?\w+) +(own|LangGraph|Strands|A2A|) +[\d.]+ m?s +(\d+|-) +~([\d,]+) +~([\d,]+) +\$([\d.]+)$/gm),
    ].map(([, name = '', kind = '', answers = '', input = '', output = '', usd = '']) => ({
      name: name.trim(),
      kind,
      answers,
      tokens: Number(input.replaceAll(',', '')) + Number(output.replaceAll(',', '')),
      usd: Number(usd),
    }));
    expect(rows.map(({ name, kind, answers }) => `${name} ${kind} ${answers}`)).toEqual([
      'desk own 7',
      '+ research LangGraph -',
      '+ finance Strands -',
      '+ writing own 1',
      '+ verification A2A -',
      '+ writing own 1',
      '+ verification A2A -',
      'total  9',
    ]);
    const total = rows.pop();
    for (const { tokens, usd } of rows) expect(Math.min(tokens, usd)).toBeGreaterThan(0);
    expect(total?.tokens).toBe(rows.reduce((sum, row) => sum + row.tokens, 0));
    expect(total?.usd).toBeCloseTo(
      rows.reduce((sum, row) => sum + row.usd, 0),
      4,
    );
    expect(second.out).toContain('They are no models, and nothing is paid for them');

    // again, by mistake: it has ended, and nothing more is published
    expect((await run(dir, command)).code).toBe(0);
    expect(published(dir)).toEqual([brief]);
    const entries = await entriesOf(dir, id);
    expect(entries.filter((e) => e.type === 'call.started' && e.effect === 'once')).toHaveLength(1);
  });

  it('publishes nothing where a person says no', async () => {
    const dir = temp();
    const { code, out } = await run(dir, ['--reject', 'not before the election']);
    expect(code).toBe(0);
    expect(out).toMatch(/publish: REJECTED, .*NOT RUN\n[\s\S]*\nNOT published: .*not before the election.*\nCOMPLETED\n/);
    expect(out).toMatch(/^published: nothing$/m);
    expect(published(dir)).toEqual([]);
  });
});

describe('a kill in the middle', () => {
  it.each([
    // in a turn of the LangGraph agent; in one of the remote agent, whose process dies too; where it is approved
    ['node search', ['--approve']],
    ['verification +begins', ['--approve']],
    ['wants a person', ['--approve']],
  ])('at "%s" loses nothing, and does nothing twice', async (at, args) => {
    const dir = temp();
    const before = await run(dir, args, {
      onOutput: (out, kill) => {
        if (new RegExp(at).test(out)) kill('SIGKILL');
      },
    });
    const id = /^run (\w{26})$/m.exec(before.out)?.[1] as string;
    const after = await run(dir, ['resume', id, '--approve']);
    expect({ code: after.code, err: after.err }).toEqual({ code: 0, err: '' });
    expect(after.out).toMatch(/\nPublished after 2 drafts\. VERIFIED: 38 figures and 15 citations hold\.\nCOMPLETED\n/);
    expect(published(dir)).toHaveLength(1);
    const entries = await entriesOf(dir, id);
    expect(entries.filter((e) => e.type === 'frame.opened').map((e) => e.agent)).toEqual([
      'research',
      'finance',
      'writing',
      'verification',
      'writing',
      'verification',
    ]);
    expect(entries.filter((e) => e.type === 'approval.requested')).toHaveLength(1);
  });
});

describe('what is asked for wrongly', () => {
  it.each<[string, string[], Record<string, string>, RegExp, number]>([
    [
      'an unknown model',
      [],
      { RONDO_MODEL: 'foo' },
      /^RONDO_MODEL is "foo"\. Begin it with one of openai:, anthropic:, google:, ollama:, bedrock:, as in openai:gpt-5-mini, or/,
      2,
    ],
    ['an unknown run', ['resume', 'nope'], {}, /^There is no run "nope"\. .*npm run research-desk -- runs lists them\.$/m, 2],
    ['an unknown command', ['dance'], {}, /^There is no command "dance"\.\nnpm run research-desk /, 2],
    ['an unknown option', ['--faults', 'none'], {}, /^Unknown option '--faults'\.\n/, 2],
    ['a run that is not named', ['show'], {}, /^Which run\? npm run research-desk -- show <run>/, 2],
    ['two decisions', ['resume', '1', '--approve', '--reject', 'no'], {}, /^--approve and --reject exclude each other\.$/m, 2],
  ])('%s is told in a line, without a stack', async (_, args, env, message, expected) => {
    const { code, err, out } = await run(temp(), args, { env });
    expect({ code, out }).toEqual({ code: expected, out: '' });
    expect(err).toMatch(message);
    expect(err).not.toMatch(/^ +at /m);
  });
});

describe('the other commands', () => {
  it('list the runs, show one by the beginning of its id, and explain themselves', async () => {
    const dir = temp();
    expect(await run(dir, ['runs'])).toMatchObject({ code: 0, out: expect.stringContaining('no runs in') });
    const [, id = ''] = /^run (\S+)$/m.exec((await run(dir)).out) ?? [];
    const listed = await run(dir, ['runs']);
    expect(listed.out).toMatch(new RegExp(`^${id} .*paused.*npm run research-desk -- resume ${id}$`, 'm'));
    const shown = await run(dir, ['show', id.slice(0, 10)]);
    expect(shown).toMatchObject({ code: 0, err: '' });
    expect(shown.out).toMatch(/run\.started agent desk[\s\S]*approval\.requested/);
    expect(await run(dir, ['--help'])).toMatchObject({ code: 0, out: expect.stringContaining('-- show <run>') });
  });
});
