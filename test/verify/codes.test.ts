import { expect, it } from 'vitest';
import { codeProblems, failureCodes } from '../../scripts/codes.ts';

it.each([
  ['an argument', "throw new ToolError('LATE', x);"],
  ['an argument on the next line', "return notRun(\n  'LATE', y);"],
  ['a second argument', "failureOf(error, 'LATE');"],
  ['one of two', "new ToolError(late ? 'LATE' : 'OTHER', z)"],
  ['a field', "const told = { code: 'LATE', retryable: true };"],
  ['a fallback', "throw of(code ?? 'LATE');"],
  ['a default', "const { code = 'LATE' } = error;"],
])('finds the code in %s', (_, text) => {
  expect(failureCodes(new Map([['src/loop/x.ts', text]]))).toContain('LATE');
});

it('takes every text of several words in capitals for a code, but not those of others and those of AWS in the local server', () => {
  const text = "const NAMES = { a: 'TOO_LATE', b: 'ERR_X_Y', c: 'LOG_ONLY' }; const d = 'PLAIN';";
  expect(failureCodes(new Map([['src/loop/x.ts', text]]))).toEqual(['TOO_LATE']);
  expect(failureCodes(new Map([['src/adapters/agentcore/wire/x.ts', text]]))).toEqual([]);
  expect(failureCodes(new Map([['src/bench/x.ts', text]]))).toEqual([]);
});

it('compares them with the rows of the page', () => {
  const page =
    '# E\n`IN_PROSE`\n| `A_B`, `C_D` | why `X_Y` | what |\n| 404 | `GONE_1` | why |\n| `RUN_BUSY` | 409 | why |\n| `A2A_FAILED` | | |';
  expect(codeProblems(page, new Set(['A_B', 'C_D', 'GONE_1', 'RUN_BUSY']))).toEqual([]);
  expect(codeProblems(page, new Set(['A_B', 'RUN_BUSY', 'IN_PROSE', 'X_Y']))).toEqual([
    'docs/errors.md: no row has the code IN_PROSE',
    'docs/errors.md: no row has the code X_Y',
    'docs/errors.md: there is no code C_D',
    'docs/errors.md: there is no code GONE_1',
  ]);
});
