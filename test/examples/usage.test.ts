import { describe, expect, it } from 'vitest';
import { UsageError } from '../../examples/kit/usage.ts';
import { parseCommand, TASK } from '../../examples/ticket-triage/usage.ts';

describe('the command line', () => {
  it.each([
    [[], { do: 'start', task: TASK, faults: 'demo', decide: { type: 'ask' } }],
    [['--faults', 'none', '--task', 'x'], { do: 'start', task: 'x', faults: 'none', decide: { type: 'ask' } }],
    [['resume', '01', '--approve'], { do: 'resume', run: '01', faults: 'demo', decide: { type: 'approve' } }],
    [['resume', '01', '--reject', 'no'], { do: 'resume', run: '01', faults: 'demo', decide: { type: 'reject', reason: 'no' } }],
    [['show', '01'], { do: 'show', run: '01' }],
    [['runs'], { do: 'runs' }],
    [['--help'], { do: 'help' }],
  ])('%j', (args, command) => expect(parseCommand(args)).toEqual(command));

  it.each([
    [['--foo'], /Unknown option '--foo'/],
    [['--faults', 'some'], /--faults is "some"; it is one of demo, none/],
    [['--task', ''], /--task is empty/],
    [['--task'], /argument missing/],
    [['dance'], /There is no command "dance"/],
    [['resume'], /Which run\?/],
    [['show'], /Which run\?/],
    [['start', 'triage'], /A task goes in --task/],
    [['resume', '01', 'two'], /one word too many/],
    [['resume', '01', '--approve', '--reject', 'x'], /exclude each other/],
    [['resume', '01', '--task', 'x'], /"resume" does not take --task/],
    [['runs', '01'], /"runs" takes no "01"/],
    [['runs', '--approve'], /"runs" does not take --approve/],
  ])('%j is refused', (args, message) => {
    expect(() => parseCommand(args)).toThrow(UsageError);
    expect(() => parseCommand(args)).toThrow(message);
  });
});
