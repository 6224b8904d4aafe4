import { RondoError } from '../errors.ts';
import { pointsOf } from '../hitl/content.ts';
import { checkGuardrails } from '../hitl/guardrails.ts';
import type { Limits } from '../journal/entries/entries.ts';
import type { Log } from '../journal/log.ts';
import { memoryJournal } from '../journal/memory/journal.ts';
import type { Journal } from '../journal/port.ts';
import { ResultCache } from '../loop/call/result-cache.ts';
import { checkCompaction } from '../loop/context/policies.ts';
import { cleared } from '../loop/context/read-result.ts';
import { checkLimits } from '../loop/definition.ts';
import type { Middleware } from '../loop/middleware.ts';
import { planOf } from '../loop/plan.ts';
import type { AgentDefinition, Host, Plan } from '../loop/types.ts';
import { checkPrices } from '../pricing/prices.ts';
import { Breakers } from '../reliability/breaker.ts';
import { resolvePolicy } from '../reliability/policy.ts';
import { Telemetry } from '../telemetry/telemetry.ts';
import { loadRun } from './drive/history.ts';
import type { LiveRun } from './drive/live-run.ts';
import { newOwner } from './drive/owner.ts';
import { Sources } from './drive/sources.ts';
import { intents } from './ledger/intents.ts';
import { checkEngine, type EngineOptions } from './options.ts';
import { Agents } from './read/agents.ts';
import type { RunEvent } from './read/run-event.ts';

/** The shared services and the state of an engine. */
export class Resources {
  /** Identifies this engine in claims and leases. */
  readonly owner = newOwner();
  readonly journal: Journal;
  readonly host: Host;
  readonly sources = new Sources();
  readonly agents = new Agents();
  readonly telemetry: Telemetry;
  readonly limits: Limits;
  readonly use: readonly Middleware[];
  readonly onEvent: ((event: RunEvent) => void) | undefined;
  /** The runs that this engine is driving. */
  readonly active = new Map<string, LiveRun>();
  /** Runs that were given back while the store could not be told so, each with the end of its lease. */
  readonly untold = new Map<string, number>();
  /** Told when a first run is driven, and when no run is driven any more. */
  readonly onBusy = new Set<(busy: boolean) => void>();
  /** Whether the application named the journal, so that one in memory is meant. */
  readonly journalChosen: boolean;
  readonly #options: EngineOptions;
  readonly #plans = new WeakMap<AgentDefinition, Plan>();
  closed = false;
  /** Called when the engine is closed, before its runs are released. */
  readonly closing = new Set<() => void>();

  constructor(options: EngineOptions) {
    checkEngine(options);
    checkLimits(options.limits, 'new Engine()');
    checkCompaction(options, 'new Engine()');
    this.#options = options;
    this.journal = options.journal ?? memoryJournal();
    this.journalChosen = options.journal !== undefined;
    // invalid numbers fail here, not at the first run
    resolvePolicy(options.reliability?.tools);
    resolvePolicy(options.reliability?.model);
    this.limits = options.limits ?? {};
    this.use = options.use ?? [];
    this.onEvent = options.onEvent;
    this.telemetry = new Telemetry(options.telemetry);
    const { journal } = this;
    const now = () => journal.now?.() ?? Date.now();
    const guardrails = checkGuardrails(options.guardrails, 'new Engine()');
    this.host = {
      intents: intents(journal, { policy: options.policy, now }, (runId) => this.opened(runId)),
      results: new ResultCache(),
      inbox: journal.inbox,
      memory: options.memory,
      identity: options.identity,
      policy: options.policy,
      guardrails,
      checks: pointsOf({ policy: options.policy, guardrails }),
      prices: options.prices && checkPrices(options.prices),
      breakers: new Breakers((_, state, target) => {
        if (state === 'open') this.telemetry.breakerOpened(target);
      }),
      now,
      planOf: (agent) => this.planOf(agent),
      clearedResult: async (runId, ref) => {
        const run = await loadRun(journal, runId);
        return run && cleared(run.root, ref);
      },
      toolsOf: (agent, caller) => this.sources.toolsOf(agent, caller),
      searchable: (agent, caller) => this.sources.searchable(agent, caller),
      revisionOf: (agent, caller) => this.sources.revisionOf(agent, caller),
    };
    for (const agent of options.agents ?? []) this.planOf(this.agents.register(agent));
  }

  planOf(agent: AgentDefinition): Plan {
    let plan = this.#plans.get(agent);
    if (!plan) {
      const { reliability = {}, compact, pin } = this.#options;
      plan = planOf(agent, { use: this.use, reliability, ...(compact && { compact }), ...(pin && { pin }) });
      this.#plans.set(agent, plan);
    }
    return plan;
  }

  /** The log of a run that this engine drives, once it has started; undefined for any other run. */
  async opened(runId: string): Promise<Log | undefined> {
    const live = this.active.get(runId);
    await live?.opened;
    return live?.begun && live.log.run.next > 0 ? live.log : undefined;
  }

  /** The agent that continues a run in this engine; undefined if it is unknown. */
  agentOf(runId: string, name: string): AgentDefinition | undefined {
    return this.active.get(runId)?.agent ?? this.agents.of(runId, name);
  }

  assertOpen(): void {
    if (this.closed) throw new RondoError('ENGINE_CLOSED', 'the engine is closed. Make a new Engine on the same journal; nothing is lost.');
  }
}
