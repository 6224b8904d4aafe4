import { BaseChatModel } from '@langchain/core/language_models/chat_models';
import { AIMessage, type BaseMessage } from '@langchain/core/messages';
import type { ChatResult } from '@langchain/core/outputs';
import { estimate } from './model.ts';

/** A stand-in for a LangChain chat model: it makes queries from a list of subjects, and notes from the documents. */
export class RulesChat extends BaseChatModel {
  override _llmType() {
    return 'standin';
  }

  override async _generate(messages: BaseMessage[]): Promise<ChatResult> {
    const asked = messages.at(-1)?.text ?? '';
    const sources = [...asked.matchAll(/<source id="([^"]*)">\n([\s\S]*?)<\/source>/g)];
    const text = sources.length ? sources.flatMap(([, id = '', body = '']) => notesOf(id, body)).join('\n') : queriesOf(asked).join('\n');
    const input_tokens = estimate(messages.map((m) => m.text).join('\n'));
    const output_tokens = estimate(text);
    const usage_metadata = { input_tokens, output_tokens, total_tokens: input_tokens + output_tokens };
    return { generations: [{ text, message: new AIMessage({ content: text, usage_metadata }) }] };
  }
}

/** `topic: one, two` gives `topic one` and `topic two`. */
function queriesOf(task: string): string[] {
  const [topic = '', subjects = ''] = task.split(':');
  return subjects.split(',').map((subject) => `${topic.trim()} ${subject.trim()}`);
}

/** The first two sentences with a figure, each with its source. */
function notesOf(id: string, text: string): string[] {
  const lines = text.split('\n').filter((line) => !line.startsWith('#') && /\d/.test(line));
  return lines.slice(0, 2).map((line) => `- ${line.replace(/\.$/, '')} [${id}]`);
}
