/** What a session of AgentCore Runtime runs: the assistant, behind /invocations, /ws and /ping. Settings are in the environment. */
import { Engine } from 'rondo';
import { serve } from 'rondo/agentcore/runtime';
import { sqliteJournal } from 'rondo/journal/sqlite';
import { modelName, openModel } from '../kit/model.ts';
import { assistant } from './assistant.ts';

const wanted = modelName(process.env.RONDO_MODEL);
const agent = assistant(wanted && (await openModel(wanted)), (order, cents) => console.log(JSON.stringify({ refunded: order, cents })));
// a disk that outlives the session, or in its place postgresJournal()
const journal = sqliteJournal(process.env.ASSISTANT_JOURNAL ?? 'assistant.db');
const engine = new Engine({ journal, agents: [agent] });
export const server = await serve(engine, agent, { signals: true });
