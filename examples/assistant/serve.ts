/**
 * What a session of AgentCore Runtime runs: the assistant, behind /invocations, /ws and /ping. Settings are in the environment: `DATABASE_URL` for a
 * journal that outlives the session, else `ASSISTANT_JOURNAL`, a file whose disk must outlive it. In a container one of them must be set.
 */
import { Engine } from 'rondo';
import { serve } from 'rondo/agentcore/runtime';
import { postgresJournal } from 'rondo/journal/postgres';
import { sqliteJournal } from 'rondo/journal/sqlite';
import { modelName, openModel } from '../kit/model.ts';
import { assistant } from './assistant.ts';

const { RONDO_MODEL, DATABASE_URL, ASSISTANT_JOURNAL } = process.env;
const wanted = modelName(RONDO_MODEL);
const agent = assistant(wanted && (await openModel(wanted)), (order, cents) => console.log(JSON.stringify({ refunded: order, cents })));
const engine = new Engine({
  journal: DATABASE_URL ? postgresJournal(DATABASE_URL) : sqliteJournal(ASSISTANT_JOURNAL ?? 'assistant.db'),
  agents: [agent],
});
// a container refuses a journal on its own disk: who names the file says that its disk is another
export const server = await serve(engine, agent, { signals: true, ...(ASSISTANT_JOURNAL && { journal: 'ephemeral' }) });
