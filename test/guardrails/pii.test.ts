import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type PiiOptions, piiGuardrail } from '../../src/adapters/guardrails/index.ts';
import type { GuardrailRuling, Json } from '../../src/index.ts';
import { refused } from '../kit/runs.ts';

async function ruled(value: Json, o?: PiiOptions, form?: 'content'): Promise<GuardrailRuling> {
  const signal = new AbortController().signal;
  return piiGuardrail(o).check({
    point: 'input',
    by: undefined,
    agent: 'a',
    runId: 'r',
    session: undefined,
    value,
    ...(form && { form }),
    conversation: [],
    signal,
  });
}
const masked = async (value: Json, o?: PiiOptions, form?: 'content'): Promise<Json> => {
  const ruling = await ruled(value, o, form);
  return ruling.action === 'mask' ? ruling.value : value;
};

const IBANS = [
  'DE89 3704 0044 0532 0130 00',
  'GB82WEST12345698765432',
  'FR14 2004 1010 0505 0001 3M02 606',
  'nl91 abna 0417 1643 00',
  'NO93-8601-1117-947',
  'MT84MALT011000012345MTLCAST001S',
  'SA03 8000 0000 6080 1016 7519',
];
const CARDS = [
  '4111 1111 1111 1111',
  '4111111111111111',
  '5500-0000-0000-0004',
  '3782 822463 10005',
  '6011000990139424',
  '30569309025904',
  '2223003122003222',
  '4111.1111.1111.1111',
];
const PHONES = [
  '+49 30 1234567',
  '+1 (415) 555-2671',
  '+442079460958',
  '0044 20 7946 0958',
  '(415) 555-2671',
  '415-555-2671',
  '1-415-555-2671',
  '020 7946 0958',
  '06 12 34 56 78',
  '(030) 1234567',
];
const EMAILS = [
  'ana@example.com',
  'a.b+tag@mail.example.co.uk',
  'ana_99@sub.exämple.de',
  "o'neil@example.ie",
  'ANA@EXAMPLE.COM',
  'jürgen@example.de',
  `ana@${'host.'.repeat(30)}example.com`,
];
const KEYS = [
  'AKIAIOSFODNN7EXAMPLE',
  'ghp_abcdefghijklmnopqrstuvwxyz0123456789',
  'xoxb-123456789012-abcdefGHIJKL',
  'sk_live_abcdefghijklmnopqrst1234',
  'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U',
  'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
  '-----BEGIN RSA PRIVATE KEY-----\nMIIB\nabc=\n-----END RSA PRIVATE KEY-----',
];

describe('what is masked', () => {
  test.each<[string, readonly string[]]>([
    ['EMAIL', EMAILS],
    ['IBAN', IBANS],
    ['CARD', CARDS],
    ['PHONE', PHONES],
    ['KEY', KEYS],
    ['SSN', ['123-45-6789', '078 05 1120']],
    ['MAC', ['00:1A:2b:3C:4d:5E', '00-1a-2b-3c-4d-5e', '001a.2b3c.4d5e']],
    ['IP', ['192.168.0.1', '8.8.8.8', '2001:db8::8a2e:370:7334', 'fe80::1ff:fe23:4567:890a']],
  ])('%s in a sentence, alone, and in quotes', async (label, texts) => {
    for (const text of texts) {
      for (const [before, after] of [
        ['it is ', ', yes'],
        ['', ''],
        ['"', '"'],
        ['(see ', ').'],
        ['über ', '。'],
      ])
        expect(await masked(`${before}${text}${after}`), text).toBe(`${before}[${label}_1]${after}`);
    }
  });

  test.each([
    'order 4111 1111 1111 1112',
    'ISBN 978-3-16-148410-0',
    'DE00 3704 0044 0532 0130 00 is not an account',
    'at 12:30:45 on 2026-11-29, 29.11.2026, 11/29/2026',
    'room 12, 1,234,567.89 dollars, v1.2.3, 100 000 people',
    'std::vector<int> a::b foo@bar @ana user@localhost',
    '000-12-3456 666-12-3456 900-12-3456 123-00-4567 123-45-0000',
    '256.1.1.1 and 1.2.3 and 1.2.3.4.5',
    'the token holders and the secret garden of passwords',
    'd41d8cd98f00b204e9800998ecf8427e /usr/local/lib/node_modules/typescript/lib/tsserver.js',
    'https://example.com/a/b?c=d#e 00:1A:2B:3C:4D',
  ])('%s is left as it is', async (text) => {
    expect(await masked(text)).toBe(text);
  });

  test('a date of birth, where asked for, and no other date', async () => {
    const text = 'born on 3.4.1985, date of birth: 1990-12-31, DOB 12/31/1990, née le 3 mars 1985; met 2020-01-01';
    expect(await masked(text)).toBe(text);
    expect(await masked(text, { mask: ['birthDate'] })).toBe(
      'born on [BIRTH_DATE_1], date of birth: [BIRTH_DATE_2], DOB [BIRTH_DATE_3], née le [BIRTH_DATE_4]; met 2020-01-01',
    );
  });

  test('passwords in addresses and behind their names', async () => {
    expect(
      await masked('postgres://app:s3cr3t@db/x password=hunter2hunter, "api_key": "Ab1!xyz-99", Authorization: Bearer abc-def-123'),
    ).toBe('postgres://app:[KEY_1]@db/x password=[KEY_2], "api_key": "[KEY_3]", Authorization: Bearer [KEY_4]');
  });

  test('other digits, wide letters, odd spaces and dashes, and invisible characters hide nothing', async () => {
    const zero = '\u200b';
    expect(await masked('４１１１ １１１１ １１１１ １１１１')).toBe('[CARD_1]');
    expect(await masked('4111\u00a01111\u20111111\u20131111')).toBe('[CARD_1]');
    expect(await masked(`ana${zero}@exa\u00admple.com!`)).toBe('[EMAIL_1]!');
    expect(await masked('ａｎａ＠example．com')).toBe('[EMAIL_1]');
    expect(await masked('٤١١١ ١١١١ ١١١١ ١١١١')).toBe('[CARD_1]');
    for (const form of ['NFC', 'NFD'] as const) {
      const texts = ['andré@example.com!', 'ana@müller.de!', 'jürgen.schmidt@example.com!', 'a@example.आईएनसी!'];
      for (const text of texts) expect(await masked(text.normalize(form)), text).toBe('[EMAIL_1]!');
    }
    // an accent on a digit is none
    expect(await masked('4\u03381\u035611 1111 1111 1111')).toBe('[CARD_1]');
    expect(await masked(`4${'\u0301'.repeat(50)}111 1111 1111 1111`)).toBe('[CARD_1]');
    expect(await masked(`\u{1f600} DE89 3704 0044 0532${zero} 0130 00 \u{1f600}`)).toBe('\u{1f600} [IBAN_1] \u{1f600}');
  });

  test('the same thing has the same placeholder in the whole value, however it is written; numbers go on behind earlier ones', async () => {
    const value = {
      to: ['ana@example.com', 'ben@example.com'],
      note: 'ANA@example.com paid with 4111 1111 1111 1111 (4111-1111-1111-1111)',
    };
    expect(await masked(value)).toEqual({ to: ['[EMAIL_1]', '[EMAIL_2]'], note: '[EMAIL_1] paid with [CARD_1] ([CARD_1])' });
    expect(await masked('[EMAIL_3] and ana@example.com')).toBe('[EMAIL_3] and [EMAIL_4]');
  });

  test('JSON is walked: names of fields, nested lists, whole numbers; parts of a conversation keep their structure', async () => {
    expect(await masked({ 'ana@example.com': [{ card: 4111111111111111, n: 12, deep: [null, true, 'x'] }] })).toEqual({
      '[EMAIL_1]': [{ card: '[CARD_1]', n: 12, deep: [null, true, 'x'] }],
    });
    const id = 'AKIAIOSFODNN7EXAMPLE';
    const data = Buffer.from('wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY wJalrXUtn').toString('base64');
    const messages: Json = [
      {
        role: 'user',
        content: [
          { type: 'image', mediaType: 'image/png', data },
          { type: 'text', text: 'ana@example.com' },
        ],
      },
      { role: 'assistant', content: [{ type: 'toolCall', id, name: 'look', input: { type: 'ana@example.com' } }] },
      { role: 'tool', content: [{ type: 'toolResult', id, output: [{ type: 'text', text: 'ana@example.com' }] }] },
    ];
    expect(await masked(messages, {}, 'content')).toEqual(JSON.parse(JSON.stringify(messages).replaceAll('ana@example.com', '[EMAIL_1]')));
    // the same as data: the fields mean nothing, and anyone may have chosen them
    const told = JSON.stringify(await masked(messages));
    expect(told).not.toContain(id);
    // what a part is not made of is data
    const odd = [{ type: 'text', text: 'x', id: 'ana@example.com', data: { role: 'ben@example.com' } }];
    expect(await masked(odd, {}, 'content')).toEqual([{ type: 'text', text: 'x', id: '[EMAIL_1]', data: { role: '[EMAIL_2]' } }]);
    // two names that become one stay two fields
    expect(await masked({ 'ana@example.com': 1, 'ANA@example.com': 2 })).toEqual({ '[EMAIL_1]': 1, '[EMAIL_1]*': 2 });
  });

  test('an overlap is masked as a whole, by what says most about it', async () => {
    expect(await masked('https://ana:pa55word@example.com/')).toBe('https://ana:[KEY_1]/');
  });
});

describe('what is ruled', () => {
  test('only what is asked for; blocked categories block, with counts and no text', async () => {
    const value = 'ana@example.com, ben@example.com, 4111 1111 1111 1111';
    expect(await masked(value, { mask: ['card'] })).toBe('ana@example.com, ben@example.com, [CARD_1]');
    const ruling = await ruled(value, { block: ['card'] });
    expect(ruling).toEqual({
      action: 'block',
      reason: 'it holds CARD',
      findings: [
        { category: 'EMAIL', count: 2 },
        { category: 'CARD', count: 1 },
      ],
    });
    expect(await ruled('nothing here')).toEqual({ action: 'allow' });
  });

  test('what was masked holds nothing more', async () => {
    const things = fc.constantFrom(...EMAILS, ...IBANS, ...CARDS, ...PHONES, ...KEYS);
    const between = fc.stringMatching(/^[ ,;\n"(]{1,3}[a-z]{2,8}[ ,;\n")]{1,3}$/);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(between, things), { minLength: 1, maxLength: 8 }), async (list) => {
        const told = (await masked(list.flat().join(''))) as string;
        for (const [, thing] of list) expect(told).not.toContain(thing);
        expect(await masked(told)).toBe(told);
      }),
      { numRuns: 200 },
    );
  });

  test.each<[string, unknown]>([
    ['a category that there is not', { mask: ['emails'] }],
    ['a category to block that there is not', { block: ['cards'] }],
    ['no list', { mask: 'email' }],
    ['an option that there is not', { masks: ['email'] }],
  ])('%s is refused', async (_, o) => {
    await refused('CONFIG_INVALID', () => piiGuardrail(o as PiiOptions));
  });
});

test('a secret that only the name of its field tells is found, as in a text', async () => {
  const given = {
    user: 'ana',
    password: 'hunter2-hunter2',
    nested: { api_key: 'abcd1234efgh', tokens: 3, token: ['first-1234', 'plain words'] },
  };
  expect(await masked(given)).toEqual({
    user: 'ana',
    password: '[KEY_1]',
    nested: { api_key: '[KEY_2]', tokens: 3, token: ['[KEY_3]', 'plain words'] },
  });
  // the name alone makes no secret of a value
  expect((await ruled({ 'ana@example.com': 'see you at 9' }, { mask: ['key'] })).action).toBe('allow');
  expect((await ruled(given, { mask: ['email'] })).action).toBe('allow');
});

test.each<[string, string]>([
  ['DE89.3704.0044.0532.0130.00', '[IBAN_1]'],
  ['DE8 937 040 044 053 201 300 0', '[IBAN_1]'],
  ['0049 170 1234567 / 0049 171 7654321', '[PHONE_1] / [PHONE_2]'],
  ['0049 170 1234567 0049 171 7654321', '[PHONE_1] [PHONE_2]'],
  ['ip:2001:db8::ff00:42:8329', 'ip:[IP_1]'],
  ['AKIAIOSFODNN7EXAMPLE...', '[KEY_1]...'],
  ['-----BEGIN PGP PRIVATE KEY BLOCK-----\nabc\n-----END PGP PRIVATE KEY BLOCK-----', '[KEY_1]'],
])('%s is masked', async (text, told) => {
  expect(await masked(text)).toBe(told);
});
