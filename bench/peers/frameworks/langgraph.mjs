/** `@langchain/langgraph`: createReactAgent with a checkpointer. `version` chooses one of two that are installed. */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { BaseChatModel } from '@langchain/core/language_models/chat_models';
import { AIMessage } from '@langchain/core/messages';
import { tool } from '@langchain/core/tools';

export const langgraph = (name) => ({
  packages: [name],
  durable: "SqliteSaver on node:sqlite, durability: 'sync'",
  none: {},
  async load() {
    const [{ Command, MemorySaver, interrupt }, { createReactAgent }, sqlite] = await Promise.all([
      import(name),
      import(`${name}/prebuilt`),
      import('@langchain/langgraph-checkpoint-sqlite'),
    ]);
    return (o) => make({ ...o, Command, MemorySaver, interrupt, createReactAgent, SqliteSaver: sqlite.SqliteSaver });
  },
});

class Scripted extends BaseChatModel {
  constructor(script) {
    super({});
    this.script = script;
  }
  _llmType() {
    return 'instant';
  }
  bindTools() {
    return this;
  }
  async _generate(messages) {
    const done = messages.filter((m) => m.getType() === 'tool').length;
    const said = await this.script(done);
    const message =
      typeof said === 'string'
        ? new AIMessage(said)
        : new AIMessage({ content: '', tool_calls: [{ id: `call-${done}`, name: said.name, args: said.input }] });
    return { generations: [{ text: String(message.content), message }] };
  }
}

/** What SqliteSaver needs of better-sqlite3, which has to be built for each version of Node. */
function database(path) {
  const db = new DatabaseSync(path, { timeout: 5_000 });
  return {
    exec: (sql) => db.exec(sql),
    pragma: (text) => db.exec(`PRAGMA ${text}`),
    prepare(sql) {
      const statement = db.prepare(sql);
      // better-sqlite3 binds undefined as NULL
      const bound =
        (method) =>
        (...args) =>
          statement[method](...args.map((value) => value ?? null));
      return { run: bound('run'), get: bound('get'), all: bound('all') };
    },
    transaction:
      (work) =>
      (...args) => {
        db.exec('BEGIN');
        try {
          const result = work(...args);
          db.exec('COMMIT');
          return result;
        } catch (error) {
          db.exec('ROLLBACK');
          throw error;
        }
      },
    close: () => db.close(),
  };
}

function make({ model, tools, sub, timeout, file, keep, instructions, ...lib }) {
  const { Command, MemorySaver, SqliteSaver, createReactAgent, interrupt } = lib;
  const one = ({ name, description, input, execute, approve }) =>
    tool(
      async (args) => {
        if (approve && !interrupt({ approve: name })) return 'It was not approved.';
        return JSON.stringify(await execute(args));
      },
      { name, description, schema: input },
    );
  const own = tools.map(one);
  if (sub) {
    const inner = createReactAgent({ name: sub.name, llm: new Scripted(sub.model), tools: sub.tools.map(one), prompt: instructions });
    // docs "Subgraphs": called in a tool, it inherits the checkpointer
    own.push(
      tool(async (_, config) => (await inner.invoke({ messages: [{ role: 'user', content: 'go' }] }, config)).messages.at(-1).content, {
        name: sub.name,
        description: sub.description,
        schema: sub.input,
      }),
    );
  }
  const checkpointer = file ? new SqliteSaver(database(join(file, 'langgraph.db'))) : keep === false ? undefined : new MemorySaver();
  const graph = createReactAgent({ name: 'bench', llm: new Scripted(model), tools: own, prompt: instructions, checkpointer });
  const config = (thread) => ({
    configurable: { thread_id: thread },
    recursionLimit: 1_000_000,
    // a checkpoint is written before the next step begins
    ...(file && { durability: 'sync' }),
    ...(timeout && { timeout }),
  });
  const told = (state) =>
    state.__interrupt__?.length ? { status: 'paused' } : { status: 'completed', text: String(state.messages.at(-1).content) };
  return {
    start: async (thread, question) => told(await graph.invoke({ messages: [{ role: 'user', content: question }] }, config(thread))),
    answer: async (thread, _paused, approved) => told(await graph.invoke(new Command({ resume: approved }), config(thread))),
    resume: async (thread) => told(await graph.invoke(null, config(thread))),
    forget: (thread) => checkpointer?.deleteThread(thread),
    close: () => checkpointer?.db?.close(),
  };
}
