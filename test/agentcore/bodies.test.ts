import * as control from '@aws-sdk/client-bedrock-agentcore-control';
import { expect, test } from 'vitest';
import { type Deployed, deployed, IMAGE } from './runtime.ts';

const NEW = {
  agentRuntimeName: 'other',
  roleArn: 'arn:aws:iam::123456789012:role/rt',
  networkConfiguration: { networkMode: 'PUBLIC' },
  agentRuntimeArtifact: { containerConfiguration: { containerUri: IMAGE } },
};
const text = (change: object) => JSON.stringify({ ...NEW, ...change });
const DEEP = 100_000;

/** The client encodes a request, and signs this body in its place. */
function createWith(of: Deployed, body: string | Uint8Array) {
  const command = new control.CreateAgentRuntimeCommand(NEW as control.CreateAgentRuntimeCommandInput);
  // after the client has encoded it, and before it is signed
  command.middlewareStack.add(
    (next) => (args) => {
      const request = args.request as { body: unknown; headers: Record<string, string> };
      Object.assign(request, { body });
      request.headers['content-length'] = String(Buffer.byteLength(body));
      return next(args);
    },
    { step: 'build', priority: 'low' },
  );
  return of.controls.send(command);
}

test('a signed body of what the client would send is accepted', async () => {
  const of = await deployed();
  expect(await createWith(of, text({}))).toMatchObject({ status: 'CREATING' });
});

test.each<[string, string | Uint8Array]>([
  ['no JSON', '{'],
  ['nothing', ''],
  ['a list', '[]'],
  ['a text', '"x"'],
  ['null', 'null'],
  ['bytes that are no UTF-8', Uint8Array.of(0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d)],
  ['lists of a depth of 100,000', '['.repeat(DEEP) + ']'.repeat(DEEP)],
  ['objects of a depth of 100,000', `${'{"tags":'.repeat(DEEP)}1${'}'.repeat(DEEP)}`],
  ['a number for a text', text({ agentRuntimeName: 1 })],
  ['a text for an object', text({ agentRuntimeArtifact: 'x' })],
  ['an object for a list', text({ filesystemConfigurations: {} })],
  ['a list for a map', text({ tags: [] })],
  ['a union with two members', text({ agentRuntimeArtifact: { containerConfiguration: { containerUri: IMAGE }, codeConfiguration: {} } })],
  ['a union with none', text({ agentRuntimeArtifact: {} })],
  ['a number out of range', text({ lifecycleConfiguration: { maxLifetime: 1e308 } })],
  ['a fraction for a whole number', text({ lifecycleConfiguration: { maxLifetime: 60.5 } })],
  ['a tag that is an object', text({ tags: { a: {} } })],
])('a signed body of %s is a ValidationException, and has no effect', async (_, body) => {
  const of = await deployed({}, { throttle: false });
  const creating = createWith(of, body);
  await expect(creating).rejects.toMatchObject({
    name: 'ValidationException',
    reason: expect.stringMatching(/^(CannotParse|FieldValidationFailed)$/),
    $metadata: { httpStatusCode: 400 },
  });
  expect((await of.controls.send(new control.ListAgentRuntimesCommand({}))).agentRuntimes).toHaveLength(1);
});

test('keys of a body that name what every object has are data, and not more', async () => {
  const of = await deployed({}, { throttle: false });
  const tags = JSON.parse('{"__proto__":"a","constructor":"b","toString":"c"}') as Record<string, string>;
  const resourceArn = of.arn;
  await of.controls.send(new control.TagResourceCommand({ resourceArn, tags }));
  const listed = await of.controls.send(new control.ListTagsForResourceCommand({ resourceArn }));
  expect(Object.keys(listed.tags ?? {})).toEqual(expect.arrayContaining(['constructor', 'toString']));
  expect(({} as { a?: string }).a).toBeUndefined();
});
