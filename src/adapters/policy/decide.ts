/** Decides about one call, and about what may be shown, by policies that are prepared. */
import type { CedarValueJson, EntityJson, EntityUidJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { CallRequest } from '../../ports/policy.ts';
import { recordFrom, textOf } from './attributes.ts';
import type { Cedar } from './cedar.ts';
import { prepared } from './cedar.ts';
import { isAbout, Names } from './mentions.ts';
import type { Parsed } from './parsed.ts';
import { type Action, GATEWAY } from './schema.ts';
import type { Decider, Verdict } from './verdict.ts';

/** Everything that decisions are made by. It never changes: policies that are loaded again are another one. */
export interface Rules {
  readonly module: Cedar;
  readonly policies: readonly Parsed[];
  readonly actions: ReadonlyMap<string, Action>;
  readonly gateway: string;
}

/** What of the context the policies about an action look at. */
interface Needed {
  readonly context: Names;
  readonly input: ReadonlySet<string> | undefined;
  readonly amount: ReadonlySet<string> | undefined;
}

export function decider({ module, policies, actions, gateway }: Rules): Decider {
  const owner = {};
  const set = prepared(module, new Map(policies.map(({ id, text }) => [id, text])), owner);
  const effects = new Map(policies.map(({ id, json }) => [id, json.effect]));
  const resource: EntityUidJson = { type: GATEWAY, id: gateway };
  const place: EntityJson = { uid: resource, attrs: {}, parents: [] };
  const abouts = new Map<Action, readonly Parsed[]>();
  const about = (action: Action): readonly Parsed[] => {
    let own = abouts.get(action);
    if (!own) {
      const names = new Set([action.id, ...action.groups]);
      own = policies.filter(({ json }) => isAbout(json, names));
      abouts.set(action, own);
    }
    return own;
  };
  const needs = new Map<Action, Needed>();
  const neededFor = (action: Action): Needed => {
    let needed = needs.get(action);
    if (!needed) {
      const mentions = about(action).map((policy) => policy.mentions);
      needed = {
        context: union(mentions.map(({ context }) => context)),
        input: named(union(mentions.map(({ input }) => input))),
        amount: named(union(mentions.map(({ amount }) => amount))),
      };
      needs.set(action, needed);
    }
    return needed;
  };

  function contextOf(action: Action, r: CallRequest, now: number): Record<string, CedarValueJson> {
    const { context, input, amount } = neededFor(action);
    const parts: Record<string, () => CedarValueJson> = {
      input: () => recordFrom(action.input, r.input, 'input', input),
      system: () => ({ now: { __extn: { fn: 'datetime', arg: new Date(now).toISOString() } } }),
      agent: () => textOf(r.agent, 'the name of the agent'),
      session: () => textOf(r.session ?? '', 'the session'),
      effect: () => r.effect,
      amount: () => recordFrom(action.amount, r.amount ?? {}, 'amount', amount),
      intent: () => textOf(r.intent ?? '', 'the intent'),
      key: () => textOf(r.key ?? '', 'the key'),
    };
    return Object.fromEntries(Object.entries(parts).flatMap(([name, of]) => (context.has(name) ? [[name, of()]] : [])));
  }

  return {
    knows: (tool) => actions.has(tool),
    call(caller, request, now) {
      // keeps the prepared set as long as this may be called
      void owner;
      const action = actions.get(request.tool);
      if (!action) return denied(`the policies were loaded without a tool ${JSON.stringify(request.tool)}; load them again with all tools`);
      if (!caller) return denied('the call has no principal: pass { by } where the run is started');
      const answer = module.statefulIsAuthorized({
        principal: caller.uid,
        action: action.entity.uid,
        resource,
        context: contextOf(action, request, now),
        preparsedPolicySetId: set,
        entities: [caller, place, action.entity],
      });
      if (answer.type === 'failure') return denied(answer.errors.map(({ message }) => message).join('; '));
      const { decision, diagnostics } = answer.response;
      const failed = diagnostics.errors.map(({ policyId, error }) => ({ policyId, told: `${policyId}: ${error.message}` }));
      const errors = failed.map(({ told }) => told);
      // Cedar skips a policy that fails, such as by an overflow: a caller could switch a forbid off by its arguments
      const forbids = failed.filter(({ policyId }) => effects.get(policyId) === 'forbid').map(({ policyId }) => policyId);
      if (decision === 'allow' && forbids.length > 0) return { decision: 'deny', policies: forbids, errors };
      return { decision, policies: diagnostics.reason, errors };
    },
    offers(caller, agent, tools) {
      const known = tools.flatMap((name) => {
        const action = actions.get(name);
        return action ? [{ name, action }] : [];
      });
      if (known.length === 0 || policies.length === 0) return [];
      // one evaluation for all tools: which action a policy is about is in its head, and is looked at below
      const answer = module.isAuthorizedPartial({
        principal: caller.uid,
        action: null,
        resource,
        context: {
          ...Object.fromEntries(UNKNOWN.map((part) => [part, { __extn: { fn: 'unknown', arg: part } }])),
          agent: agent ?? { __extn: { fn: 'unknown', arg: 'agent' } },
        },
        policies: { staticPolicies: Object.fromEntries(policies.map(({ id, anyAction }) => [id, anyAction])) },
        entities: [caller, place],
      });
      if (answer.type === 'failure') throw new Error(answer.errors.map(({ message }) => message).join('; '));
      const { satisfied, errored, nontrivialResiduals } = answer.response;
      const always = new Set(satisfied);
      const fails = new Set(errored);
      const may = new Set(nontrivialResiduals);
      return known.flatMap(({ name, action }) => {
        const own = about(action);
        const forbidden = own.some(({ id, json }) => json.effect === 'forbid' && (always.has(id) || fails.has(id)));
        const permitted = own.some(({ id, json }) => json.effect === 'permit' && (always.has(id) || may.has(id)));
        return permitted && !forbidden ? [name] : [];
      });
    },
  };
}

/** Parts of the context that are not known before a call. */
const UNKNOWN = ['input', 'system', 'session', 'effect', 'amount', 'intent', 'key'];

const denied = (error: string): Verdict => ({ decision: 'deny', policies: [], errors: [error] });

function union(all: readonly Names[]): Names {
  const whole = new Names();
  for (const { all: every, names } of all) {
    whole.all ||= every;
    for (const name of names) whole.names.add(name);
  }
  return whole;
}

/** Undefined: all of them. */
const named = ({ all, names }: Names): ReadonlySet<string> | undefined => (all ? undefined : names);
