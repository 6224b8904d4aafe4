import {
  CreateGatewayCommand,
  CreatePolicyCommand,
  CreatePolicyEngineCommand,
  DeleteGatewayCommand,
  DeletePolicyCommand,
  DeletePolicyEngineCommand,
  GetPolicyCommand,
  GetPolicyEngineCommand,
  GetPolicyEngineSummaryCommand,
  GetPolicySummaryCommand,
  ListPoliciesCommand,
  ListPolicyEngineSummariesCommand,
  ListPolicyEnginesCommand,
  ListPolicySummariesCommand,
  ListTagsForResourceCommand,
  UpdatePolicyCommand,
  UpdatePolicyEngineCommand,
} from '@aws-sdk/client-bedrock-agentcore-control';
import { describe, expect, test } from 'vitest';
import { CREATE, started } from '../gateway/kit.ts';
import { about, arnOf, TOKEN, withEngine } from './kit.ts';

const NONE = arnOf('none-abcdefghij');

describe('a policy engine', () => {
  test('is created, changed and deleted, each with its status on the clock of the server', async () => {
    const { controls, server } = await started();
    const made = await controls.send(new CreatePolicyEngineCommand({ name: 'rules', description: 'of the desk', tags: { team: 'a' } }));
    const { policyEngineId = '', policyEngineArn } = made;
    expect(policyEngineId).toMatch(/^rules-[a-z0-9]{10}$/);
    expect(policyEngineArn).toBe(`arn:aws:bedrock-agentcore:us-east-1:123456789012:policy-engine/${policyEngineId}`);
    expect(made).toMatchObject({
      name: 'rules',
      status: 'CREATING',
      statusReasons: [],
      description: 'of the desk',
      createdAt: new Date(server.clock.now()),
    });
    const status = async () => (await controls.send(new GetPolicyEngineCommand({ policyEngineId }))).status;
    await server.clock.advance(1_999);
    expect(await status()).toBe('CREATING');
    await server.clock.advance(1);
    expect(await status()).toBe('ACTIVE');
    expect((await controls.send(new ListTagsForResourceCommand({ resourceArn: policyEngineArn }))).tags).toEqual({ team: 'a' });
    const { policyEngineArn: _, ...summary } = await controls.send(new GetPolicyEngineSummaryCommand({ policyEngineId }));
    expect(summary).not.toHaveProperty('description');

    expect(await controls.send(new UpdatePolicyEngineCommand({ policyEngineId, description: {} }))).toMatchObject({ status: 'UPDATING' });
    await expect(controls.send(new UpdatePolicyEngineCommand({ policyEngineId }))).rejects.toMatchObject({ name: 'ConflictException' });
    await server.clock.advance(2_000);
    expect((await controls.send(new GetPolicyEngineCommand({ policyEngineId }))).description).toBeUndefined();

    const { policyEngines = [] } = await controls.send(new ListPolicyEnginesCommand({}));
    expect(policyEngines.map((engine) => engine.policyEngineId)).toEqual([policyEngineId]);
    expect(await controls.send(new DeletePolicyEngineCommand({ policyEngineId }))).toMatchObject({ status: 'DELETING' });
    await server.clock.advance(2_000);
    await expect(status()).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
    expect((await controls.send(new ListPolicyEngineSummariesCommand({}))).policyEngines).toEqual([]);
  });

  test('is one for a client token; a name is used once', async () => {
    const { controls } = await started();
    const create = (more: object) => controls.send(new CreatePolicyEngineCommand({ name: 'rules', ...more }));
    const { policyEngineId } = await create({ clientToken: TOKEN });
    expect((await create({ clientToken: TOKEN })).policyEngineId).toBe(policyEngineId);
    await expect(create({ clientToken: TOKEN, description: 'other' })).rejects.toMatchObject({ name: 'ConflictException' });
    await expect(create({})).rejects.toMatchObject({ name: 'ConflictException' });
  });

  test('is not deleted while it has a policy or a gateway, and a gateway takes no other', async () => {
    const { controls, engine, engineArn, gateway, policy, server } = await withEngine();
    const remove = () => controls.send(new DeletePolicyEngineCommand({ policyEngineId: engine }));
    const { id } = await policy(about(gateway));
    await expect(remove()).rejects.toMatchObject({ name: 'ConflictException', message: expect.stringContaining('has policies') });
    await controls.send(new DeletePolicyCommand({ policyEngineId: engine, policyId: id }));
    await server.clock.advance(2_000);
    const attach = (arn: string) =>
      controls.send(new CreateGatewayCommand({ ...CREATE, name: 'ruled', policyEngineConfiguration: { arn, mode: 'ENFORCE' } }));
    await expect(attach(engineArn.replace(engine, 'other-abcdefghij'))).rejects.toMatchObject({ name: 'ValidationException' });
    const { gatewayId } = await attach(engineArn);
    await server.clock.advance(2_000);
    await expect(remove()).rejects.toMatchObject({ name: 'ConflictException', message: expect.stringContaining(`${gatewayId}`) });
    await controls.send(new DeleteGatewayCommand({ gatewayIdentifier: gatewayId }));
    await server.clock.advance(2_000);
    expect(await remove()).toMatchObject({ status: 'DELETING' });
  });
});

describe('a policy', () => {
  test('is created, changed and deleted, each with its status on the clock of the server', async () => {
    const { controls, server, engine: policyEngineId, gateway } = await withEngine();
    const definition = { cedar: { statement: about(gateway) } };
    const made = await controls.send(new CreatePolicyCommand({ policyEngineId, name: 'small', definition, description: 'below 500' }));
    const { policyId = '' } = made;
    expect(policyId).toMatch(/^small-[a-z0-9]{10}$/);
    expect(made).toMatchObject({ status: 'CREATING', definition, statusReasons: [], enforcementMode: 'ACTIVE', description: 'below 500' });
    expect(made.policyArn).toMatch(new RegExp(`:policy-engine/${policyEngineId}/policy/${policyId}$`));
    const named = { policyEngineId, policyId };
    const status = async () => (await controls.send(new GetPolicyCommand(named))).status;
    expect(await status()).toBe('CREATING');
    await expect(controls.send(new UpdatePolicyCommand(named))).rejects.toMatchObject({ name: 'ConflictException' });
    await server.clock.advance(2_000);
    expect(await status()).toBe('ACTIVE');
    const summary = await controls.send(new GetPolicySummaryCommand(named));
    expect(summary).toMatchObject({ policyId, status: 'ACTIVE' });
    expect(summary).not.toHaveProperty('definition');

    const changed = { policy: { statement: about(gateway, 'context.input.amount < 100') } };
    const updated = await controls.send(
      new UpdatePolicyCommand({ ...named, definition: changed, enforcementMode: 'LOG_ONLY', description: {} }),
    );
    expect(updated).toMatchObject({ status: 'UPDATING', definition: changed, enforcementMode: 'LOG_ONLY' });
    expect(updated.description).toBeUndefined();
    await server.clock.advance(2_000);
    expect(await status()).toBe('ACTIVE');
    expect(await controls.send(new DeletePolicyCommand(named))).toMatchObject({ status: 'DELETING' });
    expect(await status()).toBe('DELETING');
    await server.clock.advance(2_000);
    await expect(status()).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
  });

  test.each([
    ['a misspelt argument', about('GW', 'context.input.amont < 5'), ['INVALID: line 2, column 8', 'did you mean `amount`?']],
    [
      'a missing tool',
      about('GW', 'true', 'Refund___proces'),
      ['INVALID: line 1', 'did you mean `AgentCore::Action::"Refund___process"`?'],
    ],
    ['a gateway that is not there', about(NONE), [`INVALID: the gateway ${NONE} was not found`]],
    [
      'an action without a gateway',
      'permit(principal, action == AgentCore::Action::"Refund___process", resource);',
      ['INVALID: a policy that names an action names a gateway'],
    ],
    ['a permit of everything', 'permit(principal, action, resource);', ['ALLOW_ALL: it permits every call']],
    ['a forbid of everything', 'forbid(principal, action, resource);', ['DENY_ALL: it forbids every call']],
    ['a permit of one tool for every user', about('GW').replace(/\nwhen.*/, ';'), ['ALLOW_ALL: it permits every call']],
    [
      'a forbid of one tool for everyone',
      'forbid(principal, action == AgentCore::Action::"Refund___process", resource == AgentCore::Gateway::"GW");',
      ['DENY_ALL: it forbids every call'],
    ],
    ['a permit that never applies', about('GW', 'context.input.amount < 5 && false'), ['ALLOW_NONE']],
  ])('with %s fails with the finding, and is kept where findings are ignored', async (_, text, reasons) => {
    const { gateway, policy } = await withEngine();
    const statement = text.replace('GW', gateway);
    const failed = await policy(statement);
    expect(failed.status).toBe('CREATE_FAILED');
    for (const reason of reasons) expect(failed.reasons.join('\n')).toContain(reason);
    expect(await policy(statement, { validationMode: 'IGNORE_ALL_FINDINGS' })).toMatchObject({ status: 'ACTIVE', reasons: [] });
  });

  test.each([
    ['no Cedar', 'allow everything that is asked for politely', 'line 1'],
    [
      'two policies',
      'permit(principal, action, resource);\nforbid(principal, action, resource);',
      'a statement is one policy, and this is 2',
    ],
    [
      'brackets that would overflow the engine',
      `permit(principal, action, resource) when { ${'('.repeat(900)}true${')'.repeat(900)} };`,
      'brackets',
    ],
  ])('that is %s fails, whatever is ignored', async (_, statement, why) => {
    const { policy } = await withEngine();
    const { status, reasons } = await policy(statement, { validationMode: 'IGNORE_ALL_FINDINGS' });
    expect(status).toBe('CREATE_FAILED');
    expect(reasons.join()).toContain(why);
  });

  test('that permits one principal everything has no finding', async () => {
    const { gateway, policy } = await withEngine();
    const principal = 'principal == AgentCore::IamEntity::"arn:aws:iam::123456789012:role/agent"';
    expect(await policy(`permit(${principal}, action, resource == AgentCore::Gateway::"${gateway}");`)).toEqual({
      id: expect.anything(),
      status: 'ACTIVE',
      reasons: [],
    });
  });

  test('that is temporal is not executed by this server, and is told so', async () => {
    const { policy } = await withEngine();
    const creating = policy('permit(principal, action, resource) when temporal { formerly within 1h true };');
    await expect(creating).rejects.toMatchObject({
      name: 'NotImplementedException',
      message: expect.stringContaining('temporal policies'),
    });
  });

  test.each([
    ['a statement of 34 characters', { definition: { cedar: { statement: 'x'.repeat(34) } } }, 'ValidationException'],
    [
      'two definitions',
      { definition: { cedar: { statement: 'x'.repeat(40) }, policy: { statement: 'x'.repeat(40) } } },
      'ValidationException',
    ],
    ['no definition', { definition: {} }, 'ValidationException'],
    [
      'a generation that is not there',
      { definition: { policyGeneration: { policyGenerationId: 'g-abcdefghij', policyGenerationAssetId: 'a-abcdefghij' } } },
      'ResourceNotFoundException',
    ],
    ['an engine that is not there', { policyEngineId: 'other-abcdefghij' }, 'ResourceNotFoundException'],
    ['a name with a dash', { name: 'a-b' }, 'ValidationException'],
    ['a mode that there is not', { validationMode: 'NONE' }, 'ValidationException'],
  ])('with %s is refused', async (_, wrong, name) => {
    const { controls, engine, gateway } = await withEngine();
    const input = { policyEngineId: engine, name: 'small', definition: { cedar: { statement: about(gateway) } }, ...wrong };
    await expect(controls.send(new CreatePolicyCommand(input as never))).rejects.toMatchObject({ name });
  });

  test('whose change fails keeps what was valid, and can be changed again', async () => {
    const { controls, server, engine: policyEngineId, gateway, policy } = await withEngine();
    const { id: policyId } = await policy(about(gateway));
    const update = async (condition: string) => {
      await controls.send(
        new UpdatePolicyCommand({ policyEngineId, policyId, definition: { cedar: { statement: about(gateway, condition) } } }),
      );
      await server.clock.advance(2_000);
      return controls.send(new GetPolicyCommand({ policyEngineId, policyId }));
    };
    expect(await update('context.input.amont < 5')).toMatchObject({
      status: 'UPDATE_FAILED',
      statusReasons: [expect.stringContaining('amount')],
    });
    expect(await update('context.input.amount < 5')).toMatchObject({ status: 'ACTIVE', statusReasons: [] });
  });

  test('is listed with its engine, in pages, and by the gateway that it is for', async () => {
    const { controls, engine: policyEngineId, gateway, policy } = await withEngine();
    const ids: string[] = [];
    for (const of of [gateway, gateway, NONE]) ids.push((await policy(about(of), { validationMode: 'IGNORE_ALL_FINDINGS' })).id);
    const first = await controls.send(new ListPoliciesCommand({ policyEngineId, maxResults: 2 }));
    const rest = await controls.send(new ListPoliciesCommand({ policyEngineId, nextToken: first.nextToken }));
    expect([...(first.policies ?? []), ...(rest.policies ?? [])].map(({ policyId }) => policyId)).toEqual(ids);
    const scoped = await controls.send(new ListPolicySummariesCommand({ policyEngineId, targetResourceScope: NONE }));
    expect(scoped.policies?.map(({ policyId }) => policyId)).toEqual(ids.slice(2));
  });

  test('is one for a client token; a name is used once in an engine', async () => {
    const { controls, engine: policyEngineId, gateway } = await withEngine();
    const create = (more: object) =>
      controls.send(
        new CreatePolicyCommand({ policyEngineId, name: 'small', definition: { cedar: { statement: about(gateway) } }, ...more }),
      );
    const { policyId } = await create({ clientToken: TOKEN });
    expect((await create({ clientToken: TOKEN })).policyId).toBe(policyId);
    await expect(create({ clientToken: TOKEN, description: 'other' })).rejects.toMatchObject({ name: 'ConflictException' });
    await expect(create({})).rejects.toMatchObject({ name: 'ConflictException' });
  });
});
