/**
 * What a session of AgentCore Runtime runs: the assistant, behind /invocations, /ws and /ping. Settings are in the environment: `DATABASE_URL` for a
 * journal that outlives the session, else `ASSISTANT_JOURNAL`, a file whose disk must outlive it. In a container one of them must be set. With
 * `ASSISTANT_DISCOVERY_URL` its callers sign in there, and it has an identity and a memory (see parts.ts).
 */
import { Engine } from 'rondo';
import { serve } from 'rondo/agentcore/runtime';
import { piiGuardrail } from 'rondo/guardrails';
import { postgresJournal } from 'rondo/journal/postgres';
import { sqliteJournal } from 'rondo/journal/sqlite';
import { jwtAuthorizer } from 'rondo/server';
import { modelName, openModel } from '../kit/model.ts';
import { assistant, trackParcel } from './assistant.ts';
import { parts } from './parts.ts';

const { RONDO_MODEL, DATABASE_URL, ASSISTANT_JOURNAL, ASSISTANT_DISCOVERY_URL, ASSISTANT_CLIENT_ID, PARCELS_URL } = process.env;
const wanted = modelName(RONDO_MODEL);
/** Undefined where no user signs in. */
export const own = ASSISTANT_DISCOVERY_URL ? await parts(process.env) : undefined;
const more = own && PARCELS_URL ? [trackParcel(PARCELS_URL), ...own.memory.tools(), own.tools] : [];
const agent = assistant(
  wanted && (await openModel(wanted)),
  (order, cents) => console.log(JSON.stringify({ refunded: order, cents })),
  more,
);
export const engine = new Engine({
  journal: DATABASE_URL ? postgresJournal(DATABASE_URL) : sqliteJournal(ASSISTANT_JOURNAL ?? 'assistant.db'),
  agents: [agent],
  ...(own && { identity: own.identity, memory: own.memory }),
  // account numbers and addresses are masked before anything is stored
  guardrails: [piiGuardrail({ points: ['input', 'result'] })],
});
const signedIn = ASSISTANT_DISCOVERY_URL && {
  auth: jwtAuthorizer({ discoveryUrl: ASSISTANT_DISCOVERY_URL, allowedClients: [ASSISTANT_CLIENT_ID ?? ''] }).auth,
};
// a container refuses a journal on its own disk: who names the file says that its disk is another
export const server = await serve(engine, agent, { signals: true, ...(ASSISTANT_JOURNAL && { journal: 'ephemeral' }), ...signedIn });
