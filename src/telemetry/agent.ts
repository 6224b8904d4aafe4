import type { ModelRequest } from '../ports/model.ts';
import { ChatRecorder, NodeRecorder, type Open, ToolRecorder, usageAttributes } from './calls.ts';
import { quietly } from './guard.ts';
import { ATTR, EVENT, errorType, OPERATION } from './names.ts';
import { type Claim, Recorder } from './recorder.ts';
import type { AgentTrace, ChatTrace, NodeTrace, Settled, ToolStart, ToolTrace, Totals, TracedModel } from './trace.ts';

/** The error of a claim that ended without a result: its process lost the run, or the engine failed. */
const LOST = { code: 'CLAIM_LOST' };

/** Records one claim of a run as spans, as metrics, or both. */
export class AgentRecorder extends Recorder implements AgentTrace {
  readonly #open: Open = new Set();

  constructor(claim: Claim) {
    super(claim, claim.span, claim.context, claim.start);
  }

  chat(step: number, model: TracedModel, request?: ModelRequest, at?: number, summary?: boolean): ChatTrace {
    return new ChatRecorder(this.claim, this.#open, { step, model, request, at: at ?? Date.now(), summary });
  }

  tool(step: number, call: ToolStart, at?: number): ToolTrace {
    return new ToolRecorder(this.claim, this.#open, step, call, at ?? Date.now());
  }

  node(step: number, node: { call: string; name: string }, at?: number): NodeTrace {
    return new NodeRecorder(this.claim, this.#open, step, node, at ?? Date.now());
  }

  agent(o: { agent: string; description?: string; path: readonly string[] }, at?: number): AgentTrace | undefined {
    return quietly(() => this.claim.below(o, at));
  }

  approvalRequested(a: { id: string; kind: string; tool: string; call?: string }, at?: number): void {
    this.event(
      EVENT.approvalRequested,
      { [ATTR.approval]: a.id, [ATTR.approvalKind]: a.kind, [ATTR.tool]: a.tool, [ATTR.call]: a.call },
      at,
    );
  }

  waitBegan(w: { call: string; until: number }, at?: number): void {
    this.event(EVENT.waitBegan, { [ATTR.call]: w.call, [ATTR.waitUntil]: w.until }, at);
  }

  contextCompacted(c: { policy: string; dropped: number; cleared: number; tokens: { before: number; after: number } }, at?: number): void {
    const { before, after } = c.tokens;
    this.event(
      EVENT.contextCompacted,
      {
        [ATTR.policy]: c.policy,
        [ATTR.dropped]: c.dropped,
        [ATTR.cleared]: c.cleared,
        [ATTR.tokensBefore]: before,
        [ATTR.tokensAfter]: after,
      },
      at,
    );
  }

  approvalDecided(a: { id: string; decision: { type: string }; by?: { id: string } }, at?: number): void {
    const by = this.claim.content ? a.by?.id : undefined;
    this.event(EVENT.approvalDecided, { [ATTR.approval]: a.id, [ATTR.approvalDecision]: a.decision.type, [ATTR.user]: by }, at);
  }

  guardrailRuled({ guardrail, action, findings, code, point, call }: Parameters<AgentTrace['guardrailRuled']>[0], at?: number): void {
    this.event(
      EVENT.guardrailRuled,
      {
        [ATTR.guardrail]: guardrail,
        [ATTR.guardrailAction]: action,
        [ATTR.guardrailPoint]: point,
        [ATTR.guardrailFindings]: findings?.map(({ category }) => category),
        [ATTR.errorType]: code,
        [ATTR.call]: call,
      },
      at,
    );
  }

  evaluated({ name, pass, score, reason, failed }: Parameters<AgentTrace['evaluated']>[0]): void {
    this.event(
      EVENT.evaluated,
      {
        [ATTR.evaluation]: name,
        [ATTR.evaluationScore]: failed ? undefined : score,
        [ATTR.evaluationLabel]: failed ? 'failed' : pass ? 'pass' : 'fail',
        [ATTR.evaluationReason]: this.claim.content ? reason : undefined,
      },
      undefined,
    );
  }

  end({ status, error, limit }: Settled, totals: Totals = {}, at?: number): void {
    for (const call of this.#open) call.end({ error: { code: 'UNFINISHED' } }, at);
    const failed = error ?? (status === undefined ? LOST : status === 'failed' ? { code: '_OTHER' } : undefined);
    const seconds = this.close(
      {
        [ATTR.runStatus]: status,
        [ATTR.limit]: limit?.name,
        [ATTR.limitMax]: limit?.max,
        [ATTR.limitUsed]: limit?.used ?? undefined,
        [ATTR.limitNeeded]: limit?.needed,
        ...(totals.usage && usageAttributes(totals.usage)),
        [ATTR.costUsd]: totals.usd,
      },
      { error: failed, ok: true, at },
    );
    const { instruments, agent } = this.claim;
    if (seconds === undefined || !instruments) return;
    quietly(() =>
      instruments.agent.record(
        seconds,
        {
          [ATTR.operation]: OPERATION.agent,
          [ATTR.agent]: agent,
          [ATTR.runStatus]: status,
          ...(failed && { [ATTR.errorType]: errorType(failed.code) }),
        },
        this.context,
      ),
    );
  }
}
