import { expect, test } from 'vitest';
import { piiGuardrail } from '../../src/adapters/guardrails/index.ts';

// with work that grows with the square of a text, each of these would take hours
test.each<[string, string]>([
  ['letters', 'a'],
  ['at signs', '@'],
  ['addresses without an end', 'a@'],
  ['labels', 'a@a.a-'],
  ['labels of one name', `@${'a.'.repeat(126)}`],
  ['dots', 'a.'],
  ['digits', '4'],
  ['digits in groups', '4 '],
  ['digits and brackets', '1(('],
  ['colons', ':'],
  ['hex and colons', 'a:'],
  ['quads', '1.1.'],
  ['countries', 'DE89 '],
  ['tokens without an end', 'eyJaaaaaaaa.'],
  ['tokens in one', 'eyJ'],
  ['keys that begin', '-----BEGIN RSA PRIVATE KEY-----'],
  ['keys that never are private', '-----BEGIN X '],
  ['passwords', 'password: '],
  ['users in addresses', '://a:'],
  ['births', 'born 1'],
  ['plus signs', '+1'],
  ['invisible characters', '\u200b@'],
  ['digits of another script', '٤'],
  ['accents', '\u0301\u0316'],
  ['letters with accents', 'e\u0301@'],
  ['placeholders', '[EMAIL_'],
])('a megabyte of %s takes work in proportion to its length', async (_, piece) => {
  const text = piece.repeat(Math.ceil(1_000_000 / piece.length));
  const guard = piiGuardrail({ mask: ['email', 'phone', 'card', 'iban', 'ip', 'ssn', 'key', 'mac', 'birthDate'] });
  const ruling = await guard.check({
    point: 'input',
    by: undefined,
    agent: 'a',
    runId: 'r',
    session: undefined,
    value: text,
    conversation: [],
    signal: new AbortController().signal,
  });
  expect(['allow', 'mask']).toContain(ruling.action);
});
