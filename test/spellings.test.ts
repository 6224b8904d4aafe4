/** A secret is found in every way in which a program may repeat it. */
import { randomBytes } from 'node:crypto';
import { Script } from 'node:vm';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { Secrets, secretsIn } from '../src/secrets.ts';

const ascii = (text: string) => text.replace(/[\u007f-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
const bytes = (text: string) => Buffer.from(text);
const lines = (text: string, length: number, end: string) => text.replace(new RegExp(`(.{${length}})`, 'g'), `$1${end}`);
const password = (text: string) => {
  const url = new URL('https://host/');
  url.password = text;
  return url.href;
};

/** Writers that a secret may pass through, as programs in use have them. */
const writers: Readonly<Record<string, (text: string) => string>> = {
  plain: (t) => t,
  JSON: (t) => JSON.stringify(t),
  'JSON of Python': (t) => ascii(JSON.stringify(t)),
  'JSON in capital hexadecimal': (t) => ascii(JSON.stringify(t)).replace(/\\u(....)/g, (_, h: string) => `\\u${h.toUpperCase()}`),
  'JSON of PHP': (t) => ascii(JSON.stringify(t)).replaceAll('/', '\\/'),
  'JSON of Go': (t) => JSON.stringify(t).replace(/[<>&\u2028]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`),
  'JSON of C#': (t) => ascii(JSON.stringify(t)).replace(/[+'<>&]/g, (c) => `\\u00${c.charCodeAt(0).toString(16).toUpperCase()}`),
  'JSON in JSON in JSON': (t) => JSON.stringify(JSON.stringify(JSON.stringify({ t }))),
  'a component of a URL': encodeURIComponent,
  'a component of a URL in small hexadecimal': (t) => encodeURIComponent(t).replace(/%../g, (h) => h.toLowerCase()),
  'a component of a URL, twice': (t) => encodeURIComponent(encodeURIComponent(t)),
  encodeURI,
  'the password of a URL': password,
  'a query': (t) => new URL(`https://host/?q=${encodeURI(t)}`).href,
  'a form': (t) => new URLSearchParams({ t }).toString(),
  'HTML text': (t) => t.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`),
  'HTML with names': (t) => t.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;'),
  base64: (t) => bytes(t).toString('base64'),
  'base64 behind one byte': (t) => bytes(`a${t}`).toString('base64'),
  'base64 behind two bytes, with others after it': (t) => bytes(`ab${t}cd`).toString('base64'),
  base64url: (t) => bytes(`:${t}`).toString('base64url'),
  'base64 in lines of 64': (t) => lines(bytes(t).toString('base64'), 64, '\n'),
  'base64 in lines of 7, in JSON': (t) => JSON.stringify(lines(bytes(t).toString('base64'), 7, '\r\n')),
  'base64 in a URL': (t) => encodeURIComponent(bytes(t).toString('base64')),
  hexadecimal: (t) => bytes(t).toString('hex'),
  'capital hexadecimal with colons': (t) => lines(bytes(t).toString('hex').toUpperCase(), 2, ':'),
};

/** What is left of a text that holds a secret in one spelling: a few letters at the seams of base64, quotes, padding. */
const left = (text: string) => text.replace('[secret key]', '').replace(/^https:\/\/(:|host\/\?q=)|@?host\/$|^t=|\\*"|[{}:]|\bt\b/g, '');

describe.each(Object.entries(writers))('%s', (_, written) => {
  test.each([
    ['with everything that writers escape', 'sk-live/ü+8271 4455?9"<&>\\\u{1f511}\'\t~x'],
    ['letters and digits', 'AKIAIOSFODNN7EXAMPLE12'],
    ['long, such as a token', bytes(Array.from({ length: 60 }, (_, i) => `claim-${i * 7919}`).join('.')).toString('base64')],
  ])('a secret %s', (_, secret) => {
    const masked = new Secrets([['key', secret]]).mask(written(secret));
    expect(masked).toContain('[secret key]');
    expect(left(masked).length).toBeLessThanOrEqual(8);
  });
});

test('any secret, in any encoding, within any text', () => {
  const secret = fc.string({ unit: 'binary', minLength: 8, maxLength: 40 }).filter((s) => s.trim().length >= 8);
  const writer = fc.constantFrom(...Object.values(writers));
  fc.assert(
    fc.property(secret, writer, fc.string(), (key, written, before) => {
      // as the address of a URL, a text may be changed beyond spelling
      fc.pre(written !== writers['a query'] && !/[\t\n\r]/.test(key) && !before.includes(key));
      const secrets = new Secrets([['key', key]]);
      const masked = secrets.mask(`${before} ${written(key)}`);
      expect(masked).toContain('[secret key]');
      expect(secrets.mask(masked)).toBe(masked);
      expect(masked).not.toContain(key);
    }),
  );
});

test('a streamed text is masked like a complete one', () => {
  const key = 'sk-live-0123456789';
  fc.assert(
    fc.property(fc.array(fc.constantFrom('sk', '-live', '-0123', '456789', ' ', 'x', key, bytes(key).toString('hex'))), (pieces) => {
      const secrets = new Secrets([['key', key]]);
      const stream = secrets.stream();
      const told = pieces.map((piece) => stream.next(piece)).join('') + stream.end();
      expect(told).toBe(secrets.mask(pieces.join('')));
    }),
  );
});

test('a possible start of a secret is held back, and released once it is not one', () => {
  const stream = new Secrets([['key', 'abcdef']]).stream();
  expect([stream.next('to abc'), stream.next('x and ab'), stream.end(), stream.end()]).toEqual(['to ', 'abcx and ', 'ab', '']);
});

test('JSON: keys, numbers, and keys that are masked alike', () => {
  const secrets = new Secrets([
    ['pin', '827144559'],
    ['key', 'a secret'],
  ]);
  expect(secrets.maskJson({ n: 827144559, m: [1827144559, 5], 'a secret': 1, 'a%20secret': 2, __proto__: { x: 'a secret' } })).toEqual({
    n: '[secret pin]',
    m: ['1[secret pin]', 5],
    '[secret key]': 1,
    '[secret key] (2)': 2,
  });
  expect(new Secrets([['pin', '00827144559']]).maskJson(827144559)).toBe('[secret pin]');
  // as a number it has lost its last digits
  expect(new Secrets([['pin', '12345678901234567890']]).maskJson(Number('12345678901234567890'))).toBe('[secret pin]');
});

test('a secret inside another, a secret that is a part of its own mark, and one added later', () => {
  const secrets = new Secrets([
    ['short', 'cret'],
    ['long', 'a secret key'],
  ]);
  const once = secrets.mask('a secret key, secret');
  expect(once).toBe('[secret long], se[secret short]');
  expect(secrets.mask(once)).toBe(once);
  secrets.add([['late', 'other']]);
  expect(secrets.mask('other')).toBe('[secret late]');
  // a mark that no secret has is a text like any other
  expect(secrets.mask('[secret other]')).toBe('[se[secret short] [secret late]]');
});

test('secrets of fewer than four characters are not masked, because they occur in every text', () => {
  const secrets = new Secrets([
    ['a', 't'],
    ['b', 'abc'],
    ['c', 'wxyz'],
  ]);
  expect(secrets.mask('the abc of wxyz')).toBe('the abc of [secret c]');
});

test('secrets among settings, by name or by form', () => {
  const found = secretsIn({
    NODE_ENV: 'production',
    LOG_LEVEL: 'debug',
    PORT: '3000',
    HOME: '/home/ana/work2',
    LANG: 'en_US.UTF-8',
    BASE_URL: 'https://api.example.com:8443/v1',
    'user-agent': 'myApp/1.20',
    accept: 'application/json, text/event-stream',
    EMPTY: '',
    API_KEY: 'short',
    DB_PASSWORD: 'correcthorse',
    SOMETHING: 'Xk29dk2kdkQ',
    authorization: 'Bearer tok-12345678',
    proxy: `Basic ${bytes('ana:sesame-77').toString('base64')}`,
    DATABASE: 'postgres://ana:p%40ss-word@db/x?sslkey=abc123def',
    cookie: 'theme=darkmode; sid=9f8e7d6c',
  });
  expect(new Set(found.map(([, value]) => value))).toEqual(
    new Set([
      'short',
      'correcthorse',
      'Xk29dk2kdkQ',
      'Bearer tok-12345678',
      'tok-12345678',
      `Basic ${bytes('ana:sesame-77').toString('base64')}`,
      bytes('ana:sesame-77').toString('base64'),
      'ana:sesame-77',
      'sesame-77',
      'postgres://ana:p%40ss-word@db/x?sslkey=abc123def',
      'p@ss-word',
      'abc123def',
      'theme=darkmode; sid=9f8e7d6c',
      'darkmode',
      '9f8e7d6c',
    ]),
  );
});

test('many secrets are masked as one is: none of them makes those that came before it be compiled again', () => {
  let compiled = 0;
  class Counted extends RegExp {
    constructor(...of: ConstructorParameters<typeof RegExp>) {
      super(...of);
      compiled += this.source.length;
    }
  }
  vi.stubGlobal('RegExp', Counted);
  onTestFinished(() => void vi.unstubAllGlobals());
  const secrets = new Secrets();
  const all = Array.from({ length: 20 }, () => randomBytes(30).toString('base64url'));
  const costs = all.map((one) => {
    const before = compiled;
    secrets.add([['token', one]]);
    expect(secrets.mask(`it is ${one}.`)).toBe('it is [secret token].');
    return compiled - before;
  });
  expect(Math.max(...costs)).toBeLessThan(3 * Math.min(...costs));
  expect(secrets.mask(all.join(' '))).toBe(all.map(() => '[secret token]').join(' '));
});

test.each<[string, string, string]>([
  ['a secret that begins with a sign', '+abcdefg1', '\\'],
  ['a secret with backslashes', '\\\\server\\pw1!', '\\'],
  ['a secret that begins with a backslash', '\\abc1234', '\\'],
  ['a secret whose base64 begins with a slash', '\u00ff\u00fe\u00fd\u00fc', '\\'],
  ['a secret whose base64 begins with an r', '++//++', '\\r'],
])('%s, and a text that a hostile program made, end in time', (_, secret, piece) => {
  // each text was gone through again from each of its places, which takes minutes; the loop cannot end what it runs, and a script can be ended
  const mask = new Secrets([['x', secret]]).mask;
  const text = piece.repeat(200_000);
  const masked: unknown = new Script('mask(text)').runInNewContext({ mask, text }, { timeout: 60_000 });
  expect(masked).toBe(text);
});

test.each<[string, readonly (readonly [string, string])[], string, string]>([
  [
    'overlap',
    [
      ['a', 'pay-5d20c9e1'],
      ['b', '5d20c9e1-99f3'],
    ],
    'x pay-5d20c9e1-99f3 y',
    'x [secret b] y',
  ],
  [
    'overlap as three',
    [
      ['a', '1111aaaa'],
      ['b', 'aaaa2222bb'],
      ['c', '22bb3333'],
    ],
    '1111aaaa2222bb3333',
    '[secret b]',
  ],
  [
    'hold each other',
    [
      ['b', 'c9e1'],
      ['a', 'pay-5d20c9e1'],
    ],
    'pay-5d20c9e1, c9e1',
    '[secret a], [secret b]',
  ],
  [
    'stand side by side',
    [
      ['a', '1111aaaa'],
      ['b', '2222bbbb'],
    ],
    '1111aaaa2222bbbb',
    '[secret a][secret b]',
  ],
  [
    'occur in the name of another',
    [
      ['mine1', 'abcd1234'],
      ['x', 'mine1'],
    ],
    'abcd1234 mine1',
    '[secret mine1] [secret x]',
  ],
])('secrets that %s leave nothing of each other', (_, named, text, masked) => {
  for (const order of [named, [...named].reverse()]) {
    const secrets = new Secrets(order);
    expect(secrets.mask(text)).toBe(masked);
    // what is masked stays as it is
    expect(secrets.mask(masked)).toBe(masked);
  }
});
