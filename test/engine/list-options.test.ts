/** What the engine's lists do with options that are wrong: a store would compare them in ways of its own, or find nothing. */
import { describe, expect, test } from 'vitest';
import { Engine } from '../../src/index.ts';
import { all, journals } from '../kit/journals.ts';
import { refused } from '../kit/runs.ts';

type List = (engine: Engine, o: object) => Promise<unknown>;

const LISTS: Readonly<Record<string, List>> = {
  runs: (engine, o) => all(engine.runs(o)),
  approvals: (engine, o) => all(engine.approvals(o)),
  effects: (engine, o) => all(engine.effects(o)),
  deadLetters: (engine, o) => all(engine.deadLetters(o)),
  effectSums: (engine, o) => engine.effectSums(o),
  handOuts: (engine, o) => engine.handOuts(o),
  events: (engine, o) => engine.events(o),
  search: (engine, o) => engine.search({ tool: 'pay', ...o }),
};

const CASES: readonly (readonly [lists: string, wrong: object, says: RegExp])[] = [
  ['*', { limt: 5 }, /has no option "limt"/],
  ['effects deadLetters effectSums handOuts search', { since: '2020-01-01' }, /since is a time in epoch milliseconds/],
  ['effects deadLetters effectSums handOuts search', { since: Number.NaN }, /since is a time in epoch milliseconds/],
  ['effects deadLetters effectSums handOuts search', { since: new Date(0) }, /since is a time in epoch milliseconds/],
  ['effects deadLetters effectSums handOuts search', { tool: 5 }, /tool is a text/],
  ['effects deadLetters handOuts runs search', { session: '' }, /session is a text/],
  ['runs approvals effects deadLetters handOuts events search', { limit: 'x' }, /limit is a whole number/],
  ['runs approvals effects deadLetters handOuts events search', { limit: -1 }, /limit is a whole number/],
  ['events search', { limit: 1e9 }, /limit is a whole number from/],
  ['effects deadLetters search', { cursor: {} }, /cursor is that of the page before/],
  ['effects deadLetters search', { cursor: 5 }, /cursor is that of the page before/],
  ['deadLetters', { cursor: { kind: 'call', at: 5 } }, /cursor is the last letter of the page before/],
  ['deadLetters', { cursor: { kind: 'letter', at: 5 } }, /cursor is the last letter of the page before/],
  ['runs approvals', { after: { runId: 5 } }, /after is that of the page before/],
  ['runs', { status: 'done' }, /status is one of queued, running/],
  ['effects search', { outcome: 'good' }, /outcome is one of done, failed/],
  ['deadLetters', { kind: 'letter' }, /kind is one of call, event, firing/],
  ['effectSums', { timeZone: 'Asia/Tokyo' }, /Did you mean "timezone"/],
  ['effectSums', { timezone: 'Mars/Olympus' }, /no time zone "Mars\/Olympus"/],
  ['effects', { outcom: 'done' }, /Did you mean "outcome"/],
  ['search', { text: 'x'.repeat(201) }, /text is a text of 1 to 200/],
];

describe.each(journals)('on $name', ({ make }) => {
  test.each(
    CASES.flatMap(([lists, wrong, says]) =>
      (lists === '*' ? Object.keys(LISTS) : lists.split(' ')).map((list) => [list, wrong, says] as const),
    ),
  )('%s() says what is wrong with %j', async (list, wrong, says) => {
    await using engine = new Engine({ journal: make().journal });
    expect((await refused('CONFIG_INVALID', (LISTS[list] as List)(engine, wrong))).message).toMatch(says);
  });

  test.each(Object.keys(LISTS))('%s() takes options that are undefined, and no options', async (list) => {
    await using engine = new Engine({ journal: make().journal });
    await (LISTS[list] as List)(engine, { by: undefined, limit: undefined, since: undefined });
    await (LISTS[list] as List)(engine, {});
  });

  const by = { id: 'ben' };
  test.each([undefined, null, {}, { kind: 'x' }, { runId: 'r' }, { kind: 'event', nr: 'abc' }, { kind: 'firing', schedule: 's' }])(
    'a dead letter that is %j is refused by dismiss() and retry()',
    async (letter) => {
      await using engine = new Engine({ journal: make().journal });
      await refused('DECISION_INVALID', engine.dismiss(letter as never, { by, reason: 'r' }));
      await refused('DECISION_INVALID', () => engine.retry(letter as never, { by }));
    },
  );

  test.each([undefined, {}, { runId: 5, callId: '1.0' }])('an effect that is %j is refused by reopen()', async (effect) => {
    await using engine = new Engine({ journal: make().journal });
    await refused('DECISION_INVALID', engine.reopen(effect as never, { by, reason: 'r' }));
  });
});
