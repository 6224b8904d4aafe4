import type { Json, Message, ModelRequest, Part } from 'rondo';
import { describe, expect, it } from 'vitest';
import { decide, OTHER_TASK, standIn } from '../../examples/ticket-triage/standin.ts';
import { ISSUES, TICKETS } from '../../examples/ticket-triage/tickets/seed.ts';
import { TASK } from '../../examples/ticket-triage/usage.ts';

const ticket = (id: string) => TICKETS.find((t) => t.id === id);
const three = { tickets: [ticket('T-118'), ticket('T-104'), ticket('T-131')] };
const failure = (code: string, retryable: boolean, outcome = 'failed') => ({ code, message: 'no', retryable, attempts: 1, outcome });
type Answers = Record<string, unknown>;

/** Plays a conversation: what the stand-in asks for is answered from `answers`, by the id of the call, until one is missing. */
function play(answers: Answers, task = TASK) {
  const messages: Message[] = [{ role: 'user', content: [{ type: 'text', text: task }] }];
  const rules: string[] = [];
  for (;;) {
    const { rule, parts } = decide(request(messages));
    rules.push(rule);
    const calls = parts.filter((p) => p.type === 'toolCall');
    if (calls.length === 0 || calls.some((c) => !(c.id in answers))) return { rules, parts, messages };
    messages.push({ role: 'assistant', content: parts });
    messages.push({ role: 'tool', content: calls.map((c) => result(c.id, answers[c.id])) });
  }
}

function result(id: string, answer: unknown): Part {
  const isError = typeof answer === 'object' && answer !== null && 'code' in answer;
  return { type: 'toolResult', id, output: [{ type: 'text', text: JSON.stringify(answer) }], ...(isError && { isError: true }) };
}

const request = (messages: readonly Message[]): ModelRequest => ({ instructions: '', messages, tools: [] });
const textOf = (parts: readonly Part[]) => parts.map((p) => (p.type === 'text' ? p.text : '')).join('');

const found = (id: string) => ({ issues: [ISSUES.find((i) => i.id === id)] });
const checked = { 'list-1': three, 'search-T-118-1': found('KI-31'), 'search-T-104-1': found('KI-27'), 'search-T-131-1': found('KI-40') };
const billingDown = {
  ...checked,
  'search-T-131-1': failure('SERVICE_UNAVAILABLE', true),
  'search-T-131-2': failure('CIRCUIT_OPEN', true, 'not-run'),
};

describe('the stand-in', () => {
  it('lists, searches in parallel, drafts, reports', () => {
    const { rules, parts } = play({ ...checked, 'mail-1': { messageId: 'x' } });
    expect(rules.map((r) => r.slice(0, 6))).toEqual(['rule 1', 'rule 2', 'rule 4', 'rule 7']);
    expect(textOf(parts)).toBe('3 tickets triaged (T-118, T-104, T-131). The drafts were mailed to the support team.');
  });

  it('asks for what the words of each ticket say', () => {
    const { parts } = play({ 'list-1': three });
    expect(parts).toMatchObject([
      { name: 'search_issues', input: { query: 'export hangs', ticket: 'T-118' } },
      { name: 'search_issues', input: { query: 'login loop', ticket: 'T-104' } },
      { name: 'search_issues', input: { query: 'billed twice', ticket: 'T-131' } },
    ]);
  });

  it('tries a retryable error once more, then marks the ticket unchecked', () => {
    const { rules, parts } = play(billingDown);
    expect(rules.slice(2)).toEqual([
      'rule 5: retryable error, try once more',
      'rule 6: still failing, draft three replies, mark T-131 unchecked',
    ]);
    const [mail] = parts as Extract<Part, { type: 'toolCall' }>[];
    const { to, subject, body } = (mail as { input: Json }).input as { to: string; subject: string; body: string };
    expect(to).toBe('support-team@example.test');
    expect(subject).toBe('3 tickets triaged, 1 NOT CHECKED');
    expect(body).toContain('NOT CHECKED: the search for known issues failed');
    expect(body).toContain('KI-31');
    expect(body).not.toContain('KI-40');
    // what a stranger wrote into a ticket is not passed on
    expect(body).not.toContain('eve@example.test');
  });

  it('goes on after a second try that succeeds', () => {
    const { rules } = play({ ...billingDown, 'search-T-131-2': found('KI-40') });
    expect(rules.at(-1)).toBe('rule 4: all are checked, draft three replies');
  });

  it('does not try an error again that would only come again', () => {
    const { rules } = play({ ...checked, 'search-T-131-1': failure('NOT_FOUND', false) });
    expect(rules.at(-1)).toMatch(/^rule 6/);
  });

  it('says where there is no known issue', () => {
    const { parts } = play({ ...checked, 'search-T-104-1': { issues: [] } });
    expect(JSON.stringify(parts)).toContain('No known issue.');
  });

  it.each([
    [
      'reads the list again, once',
      { 'list-1': failure('SERVICE_UNAVAILABLE', true) },
      'rule 3: the list cannot be read, try once more',
      '',
    ],
    [
      'gives up where the list stays unread',
      { 'list-1': failure('SERVICE_UNAVAILABLE', true), 'list-2': failure('CIRCUIT_OPEN', true) },
      'rule 3: the list cannot be read, give up',
      'The tickets could not be read (CIRCUIT_OPEN). Nothing was mailed.',
    ],
    [
      'has nothing to do without tickets',
      { 'list-1': { tickets: [] } },
      'rule 3: no ticket is open',
      'No ticket is open. Nothing was mailed.',
    ],
  ])('%s', (_, answers: Answers, rule, text) => {
    const { rules, parts } = play(answers);
    expect(rules.at(-1)).toBe(rule);
    expect(textOf(parts)).toBe(text);
  });

  it('never sends a mail again of which no one knows whether it was sent', () => {
    const { rules, parts } = play({ ...checked, 'mail-1': failure('OUTCOME_UNKNOWN', false, 'unknown') });
    expect(rules.at(-1)).toMatch(/^rule 8: it is unknown/);
    expect(parts.some((p) => p.type === 'toolCall')).toBe(false);
    expect(textOf(parts)).toContain('UNKNOWN whether the mail was sent');
  });

  it('says that a rejected mail was not sent', () => {
    const { rules, parts } = play({ ...checked, 'mail-1': failure('REJECTED', false, 'not-run') });
    expect(rules.at(-1)).toMatch(/^rule 9/);
    expect(textOf(parts)).toContain('was NOT sent (REJECTED');
  });

  it('says of any other task that it does not know it', () => {
    const { rules, parts } = play({}, 'Write a poem about open support tickets');
    expect(rules).toEqual(['rule 0: a task that no rule knows']);
    expect(textOf(parts)).toBe(OTHER_TASK);
  });

  it('begins again with the next task of a session', () => {
    const { messages } = play({ ...checked, 'mail-1': { messageId: 'x' } });
    const again = [...messages, { role: 'user' as const, content: [{ type: 'text' as const, text: `  ${TASK.toUpperCase()} ` }] }];
    expect(decide(request(again)).rule).toMatch(/^rule 1/);
  });

  it('is a pure function of the request: it changes nothing, and answers the same twice', () => {
    const { messages } = play(billingDown);
    const frozen = JSON.stringify(messages);
    expect(decide(request(messages))).toEqual(decide(request(messages)));
    expect(JSON.stringify(messages)).toBe(frozen);
  });

  it('is a model adapter that says what it is, estimates tokens and streams its rule', async () => {
    const model = standIn();
    expect(model).toMatchObject({ provider: 'standin', standin: true });
    const heard: string[] = [];
    const ask = request([{ role: 'user', content: [{ type: 'text', text: TASK }] }]);
    const answer = await model.generate(ask, { signal: new AbortController().signal, emit: (d) => heard.push(`${d.type}: ${d.text}`) });
    expect(answer.stop).toBe('tools');
    expect(answer.content[0]).toEqual({ type: 'reasoning', text: 'rule 1: nothing read yet, list open tickets' });
    expect(heard).toEqual(['reasoning: rule 1: nothing read yet, list open tickets']);
    expect(answer.usage?.input).toBe(Math.ceil(Buffer.byteLength(JSON.stringify(ask)) / 4));
    expect(answer.usage?.output).toBeGreaterThan(10);
  });
});
