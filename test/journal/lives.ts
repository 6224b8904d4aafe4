/** Short lives of runs, as the entries of each append, and the entries they are made of. */
import type { Draft, Patch } from '../../src/journal/entries/entries.ts';

export const started: Draft = { type: 'run.started', agent: 'a', fingerprint: 'f', input: 'go', owner: 'me' };
export const asks = (...names: string[]): Draft => ({
  type: 'model.responded',
  step: 1,
  model: 'm/m',
  content: names.map((name, i) => ({ type: 'toolCall', id: `p${i}`, name, input: {} })),
  stop: 'tools',
  ms: 1,
});
export const begins = (call: string, frame?: string): Draft => ({ type: 'call.started', call, effect: 'once', frame });
export const ends = (call: string, more: Partial<Extract<Draft, { type: 'call.finished' }>> = {}, frame?: string): Draft => ({
  type: 'call.finished',
  call,
  ok: more.error === undefined,
  attempts: 1,
  ms: 1,
  ...more,
  frame,
});
export const unknown = { code: 'OUTCOME_UNKNOWN', message: '', retryable: false, outcome: 'unknown', attempts: 1 } as const;
export const settled = (status: 'paused' | 'failed' | 'completed'): Draft => ({ type: 'run.settled', status, ms: 1 });
export const claimed = (owner: string): Draft => ({ type: 'run.claimed', owner, epoch: 1, fingerprint: 'f' });
export const asked = (id: string, call: string, expiresAt?: number): Draft => ({
  type: 'approval.requested',
  id,
  call,
  kind: 'tool',
  tool: 't',
  digest: 'd',
  allow: ['approve'],
  ...(expiresAt !== undefined && { expiresAt }),
});
export const decided = (id: string): Draft => ({
  type: 'approval.decided',
  id,
  decision: { type: 'approve', approval: id },
  by: { id: 'p' },
  digest: 'd',
});

/** Adds to the end of a list in the state. */
export const pushed = (note: string): Patch => ({ keys: { notes: { push: [note] } } });

const ask = [started, asks('t', 't'), begins('1.0'), begins('1.1')];
export const lives: Record<string, Draft[][]> = {
  'a call ends unknown, and an operator settles it': [
    ask,
    [ends('1.0', { error: unknown }), ends('1.1')],
    [settled('failed')],
    [{ type: 'outcome.settled', call: '1.0', source: 'operator', outcome: 'done' }],
  ],
  'calls are under way when the run ends, one of them ends in the same append': [ask, [ends('1.0'), settled('failed')], [claimed('me')]],
  'a call ends unknown and is told of late, in one append': [
    ask,
    [ends('1.0', { error: unknown }), { type: 'outcome.settled', call: '1.0', source: 'late', outcome: 'done' }],
  ],
  'a sub-agent ends in the middle of a call': [
    [started, asks('sub')],
    [{ type: 'frame.opened', call: '1.0', agent: 'b', fingerprint: 'f', input: 'go' }],
    [{ ...asks('t'), frame: '1.0' }, begins('3.0', '1.0')],
    [ends('1.0', { error: { ...unknown, code: 'CANCELLED' } })],
    [settled('completed')],
  ],
  'a node ends in the middle of a durable step': [
    [started, { type: 'frame.began', kind: 'graph', state: {}, next: [{ node: 'n' }] }, begins('1.0')],
    [begins('1.0/pay')],
    [ends('1.0')],
  ],
  'it waits for people, the first of whom must hurry': [
    ask.slice(0, 2),
    [asked('x', '1.0', 3e12), asked('y', '1.1', 2e12), settled('paused')],
    [decided('x')],
    [claimed('me'), begins('1.0')],
    [settled('paused')],
  ],
  'it waits for people who may take their time': [[...ask.slice(0, 2), asked('x', '1.0'), settled('paused')]],
  'the list of a state grows, and is set again': [
    [started, { type: 'frame.began', kind: 'graph', state: { notes: [] }, next: [{ node: 'n' }, { node: 'n' }] }],
    [ends('1.0', { state: pushed('one'), next: [{ node: 'n' }] })],
    [ends('1.1', { state: pushed('two') })],
    [{ type: 'state.changed', state: { notes: ['three'] } }],
    [ends('2.0', { state: pushed('four') }), settled('completed')],
  ],
};
