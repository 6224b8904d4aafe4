import type { RunEvent } from 'rondo';
import { safe } from '../../kit/safe.ts';
import { KINDS } from '../desk.ts';
import { dollars, duration, line, number, print, width } from './text.ts';

/** Prints one line per event, with the time since `since` (epoch ms) and the agent's path. */
export function steps(since: number): (event: RunEvent) => void {
  /** Streamed text of another framework's agent, until its line is complete. */
  const partial = new Map<string, string>();
  return (event) => {
    const say = (text: string, right = '', path = event.path) => {
      const time = ((event.at - since) / 1_000).toFixed(2).padStart(6);
      // a narrow terminal has no room for both; the dollars are in the tree at the end
      const narrow = width() < 79;
      const who = safe(path.join(' > '));
      print(
        line(`${time}s ${narrow ? (path.at(-1) ?? '').padEnd(12) : who.padEnd(20)} `, text, narrow ? right.replace(/ \$\S+$/, '') : right),
      );
    };
    switch (event.type) {
      case 'run.started':
        return say(`task: ${String(event.input)}`);
      case 'run.resumed':
        return say('goes on');
      case 'agent.started':
        return say(`begins, ${KINDS[event.agent] ?? 'an agent'}`);
      case 'reasoning.delta': {
        const who = event.path.join();
        const lines = ((partial.get(who) ?? '') + event.text).split('\n');
        partial.set(who, lines.pop() ?? '');
        for (const text of KINDS[event.path.at(-1) ?? ''] === 'own' ? [] : lines) say(text);
        return;
      }
      case 'model.finished': {
        const { usage, costUsd, model, message } = event;
        const about = model.startsWith('standin/') ? '~' : '';
        const thought = message.content.find((p) => p.type === 'reasoning');
        const tokens = usage ? `${about}${number(usage.input)} in ${about}${number(usage.output)} out` : 'tokens unknown';
        return say(thought?.type === 'reasoning' ? thought.text : model, `${tokens} ${dollars(costUsd)}`);
      }
      case 'attempt.failed':
        return say(`attempt ${event.attempt} failed: ${event.code}`);
      case 'tool.finished': {
        const { tool, outcome, ms, path } = event;
        const [who, what] = KINDS[tool] ? [[...path, tool], 'answers'] : [path, tool];
        if (outcome.ok) return say(`${what}: ${gist(outcome.output)}`, `ok ${duration(ms)}`, who);
        const { code, message } = outcome.error;
        return say(`${what}: ${code}, ${message}`, code === 'REJECTED' ? 'NOT RUN' : 'FAIL', who);
      }
      case 'approval.asked':
        return say(`${event.approval.kind === 'tool' ? event.approval.tool : event.approval.kind} wants a person`, 'ASK');
    }
  };
}

/** How an answer begins. */
function gist(output: unknown): string {
  const lines = (typeof output === 'string' ? output : JSON.stringify(output)).split('\n').filter(Boolean);
  return lines.length > 3 ? `${lines.length} lines, "${lines[0]}"` : lines.join(' ');
}
