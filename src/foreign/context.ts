/** The input and the context of a foreign agent's turn. */
import { sha256 } from '../journal/canonical.ts';
import type { Call, Frame, RunFold } from '../journal/fold/fold.ts';
import { idempotencyKey } from '../loop/call/effects.ts';
import { levelOf } from '../loop/delegation.ts';
import { flat } from '../loop/sub-agent-call.ts';
import type { Scope } from '../loop/types.ts';
import type { Turn, TurnContext } from '../ports/foreign.ts';
import type { Prompt } from '../ports/model.ts';
import { isSamePrincipal, type Principal } from '../ports/principal.ts';
import { messageOf } from '../reliability/classify.ts';
import type { AttemptContext } from '../reliability/timeout.ts';
import { Secrets } from '../secrets.ts';

/**
 * The agent's task, preceded by the part of the conversation that it may see. A turn takes a prompt, so calls are described as text.
 */
export function promptOf({ frame }: Scope): Prompt {
  const { messages } = frame;
  const task = messages.at(-1)?.content ?? [];
  if (messages.length < 2) return task.length === 1 && task[0]?.type === 'text' ? task[0].text : task;
  const before = flat(messages.slice(0, -1)).flatMap(({ role, content }) => [{ type: 'text' as const, text: `${role}:` }, ...content]);
  return [...before, { type: 'text', text: 'user:' }, ...task];
}

/** The fields that the context of a turn and that of `cancel` share. */
const shared = (run: RunFold, frame: Frame) => ({
  thread: sha256(JSON.stringify([run.runId, frame.position])).slice(0, 32),
  runId: run.runId,
  session: run.started.session,
  by: run.started.by,
  context: run.started.context ?? {},
  depth: levelOf({ run, frame }),
});

/** @param talk `over` is set when the turn has ended. An attempt that timed out may still emit text, which is dropped then. */
export function contextOf(
  scope: Scope,
  call: Call,
  turn: Turn,
  attempt: AttemptContext,
  traceparent: string | undefined,
  talk: { readonly over: boolean },
): TurnContext {
  const { drive, frame, secrets } = scope;
  const held = scope.host.checks.output.held;
  const emit: TurnContext['emit'] = ({ type, text }) => {
    if (talk.over || attempt.signal.aborted) return;
    attempt.alive();
    // what it says is checked first, as a whole
    if (held) return;
    // tool calls inside the agent are not calls of this run
    if (type === 'toolCall') return;
    const said = secrets.mask(typeof text === 'string' ? text : messageOf(text));
    const event = { type: type === 'text' ? 'text.delta' : 'reasoning.delta', text: said, attempt: attempt.attempt } as const;
    drive.emit?.(event, call.step, frame);
  };
  return {
    ...shared(scope.run, scope.frame),
    // a getter, because the signal is created when it is first read
    get signal() {
      return attempt.signal;
    },
    idempotencyKey: idempotencyKey(scope, call),
    attempt: attempt.attempt,
    decidedBy: deciderOf(turn),
    traceparent,
    alive: () => attempt.alive(),
    secrets,
    get emit() {
      return drive.emit && emit;
    },
  };
}

/** The person who gave all answers of a turn; undefined if there were several. */
function deciderOf(turn: Turn): Principal | undefined {
  if (turn.type === 'start') return undefined;
  const [first, ...others] = turn.answers.map(({ by }) => by);
  return first && others.every((by) => isSamePrincipal(by, first)) ? first : undefined;
}

/** The context of `cancel`, which runs outside a turn. @param ms milliseconds until its signal is aborted. */
export function cancelContext(run: RunFold, frame: Frame, ms: number): TurnContext {
  const common = shared(run, frame);
  return {
    ...common,
    signal: AbortSignal.timeout(ms),
    idempotencyKey: sha256(JSON.stringify([common.thread, 'cancel'])),
    attempt: 1,
    decidedBy: undefined,
    traceparent: run.trace,
    alive: () => {},
    secrets: new Secrets(),
    emit: undefined,
  };
}
