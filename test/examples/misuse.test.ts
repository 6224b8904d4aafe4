/** What the programs say when they are started wrongly: one sentence without a stack, and the exit code 2. */
import { expect, it } from 'vitest';
import { run, temp } from './process.ts';

const MODEL = /^RONDO_MODEL is "foo"\. Begin it with one of openai:, .*\n$/;
const PACKAGE = /^RONDO_MODEL is "openai:x", which needs @ai-sdk\/openai\. Install it first: npm install @ai-sdk\/openai\n$/;

it.each<[string, string[], Record<string, string>, RegExp]>([
  ['follow-up', [], { RONDO_MODEL: 'foo' }, MODEL],
  ['follow-up', [], { RONDO_MODEL: 'openai:x' }, PACKAGE],
  ['follow-up', ['--foo'], {}, /^Unknown option '--foo'\.\nnpm run follow-up -- /],
  ['assistant', [], { RONDO_MODEL: 'foo' }, MODEL],
  ['assistant', ['--script'], { RONDO_MODEL: 'openai:x' }, PACKAGE],
  ['assistant', ['dance'], {}, /^Unexpected argument 'dance'\.\nnpm run assistant -- /],
  ['assistant', [], { ASSISTANT_PORT: 'abc' }, /^ASSISTANT_PORT is "abc"; it is a port from 1 to 65535, such as 3000\.\n$/],
  ['research-desk', [], { RONDO_MODEL: 'foo' }, MODEL],
  ['research-desk', [], { RONDO_MODEL: 'openai:x' }, PACKAGE],
])('%s %j with %j', async (example, args, env, said) => {
  const { code, out, err } = await run(temp(), args, { name: `../${example}/main`, env });
  expect({ code, out }).toEqual({ code: 2, out: '' });
  expect(err).toMatch(said);
});
