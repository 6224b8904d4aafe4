/** A decision by prepared policies in Cedar, beside one call of Cedar's own engine with the same policies, prepared too. */
import * as cedar from '@cedar-policy/cedar-wasm/nodejs';
import { cedarPolicy } from '../../src/adapters/policy/index.ts';
import type { CallRequest } from '../../src/index.ts';
import { type Contender, interleave, ratio, spread, timesOf } from '../harness.ts';
import type { Scenario } from '../result.ts';

const OWN = 'Cedar’s own call, prepared';
const RONDO = 'rondo/policy';
const OFFERS = 'rondo/policy: which of 300 tools to show';
/** A decision takes at most this times the engine's own call. */
const TIMES = 1.2;
const CALLS = 200;
const TOOLS = 300;

const input = {
  type: 'object',
  properties: { orderId: { type: 'string' }, amount: { type: 'integer' }, note: { type: 'string' } },
  required: ['amount'],
};
const tools = Array.from({ length: TOOLS }, (_, i) => ({ name: `shop${i % 20}___tool${i}`, input }));
const [tool = { name: '' }] = tools;

/** A few policies about each target, and some about all of them. */
const policies = [
  ...Array.from(
    { length: 20 },
    (_, i) => `permit(principal is AgentCore::OAuthUser, action in AgentCore::Action::"shop${i}", resource)
when { principal.hasTag("role:lead") && context.input.amount < ${500 + i} };`,
  ),
  'forbid(principal, action, resource) when { context.input has note && context.input.note like "*secret*" };',
  'forbid(principal, action, resource) when { context.agent == "intern" };',
].join('\n');

const call = (amount: number): CallRequest => ({
  by: { id: 'ana', roles: ['lead'] },
  agent: 'support',
  tool: tool.name,
  input: { orderId: '7', amount, note: 'as asked' },
  effect: 'once',
  context: undefined,
  runId: 'run',
  session: 's1',
});

/** The call of the engine that has what the policies look at, and no more. */
function own(amount: number): boolean {
  const action = { type: 'AgentCore::Action', id: tool.name };
  const principal = { type: 'AgentCore::OAuthUser', id: 'ana' };
  const resource = { type: 'AgentCore::Gateway', id: 'local' };
  const answer = cedar.statefulIsAuthorized({
    principal,
    action,
    resource,
    context: { input: { amount, note: 'as asked' }, agent: 'support' },
    preparsedPolicySetId: 'bench',
    entities: [
      { uid: principal, attrs: { id: 'ana' }, parents: [], tags: { roles: 'lead', 'role:lead': 'lead' } },
      { uid: resource, attrs: {}, parents: [] },
      {
        uid: action,
        attrs: {},
        parents: [
          { type: 'AgentCore::Action', id: 'shop0' },
          { type: 'AgentCore::Action', id: 'CallTool' },
        ],
      },
    ],
  });
  return answer.type === 'success' && answer.response.decision === 'allow';
}

export const policy: Scenario = async ({ quick }) => {
  const prepared = cedar.preparsePolicySet('bench', { staticPolicies: policies });
  if (prepared.type === 'failure') throw new Error('Cedar refused the policies');
  const made = await cedarPolicy({ policies, tools });
  const names = tools.map(({ name }) => name);
  const each = (name: string, decide: (amount: number) => boolean): Contender => ({
    name,
    prepare: () => ({
      units: CALLS,
      run() {
        for (let i = 0; i < CALLS; i++) if (decide(i * 5) !== i * 5 < 500) throw new Error(`${name} decided ${i * 5} wrongly`);
      },
    }),
  });
  const times = await interleave(
    [
      each(OWN, own),
      each(RONDO, (amount) => {
        const ruling = made.decide(call(amount));
        return 'allow' in ruling && ruling.allow;
      }),
      {
        name: OFFERS,
        prepare: () => ({
          units: 10,
          run() {
            for (let i = 0; i < 10; i++)
              if (made.offers({ by: { id: 'ana', roles: ['lead'] }, tools: names }).length !== TOOLS) throw new Error('a tool is hidden');
          },
        }),
      },
    ],
    quick ? { rounds: 2, warmUp: 1 } : { rounds: 25, warmUp: 5, longest: 20_000 },
  );
  return {
    tables: [
      {
        title: 'A decision by policies in Cedar',
        unit: 'µs',
        columns: ['22 policies, 300 tools'],
        rows: [OWN, RONDO, OFFERS].map((name) => ({ name, cells: [spread(timesOf(times, name))] })),
      },
    ],
    targets: [
      {
        name: 'A decision by prepared policies, beside Cedar’s own call',
        measured: ratio(times, RONDO, OWN),
        unit: 'x',
        limit: TIMES,
      },
    ],
  };
};
