/**
 * npm run follow-up: a clerk mails a customer, sleeps until she answers or three days have passed, refunds once, and the ledger says what was
 * done. A day is one second here; `--real-days` makes it a day. `--silent`: she does not answer.
 */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { agent, Engine } from 'rondo';
import { sqliteJournal } from 'rondo/journal/sqlite';
import { eventHandler, listen } from 'rondo/server';
import { modelName, openModel } from '../kit/model.ts';
import { startSmtp } from '../kit/smtp.ts';
import { begin, flags } from '../kit/usage.ts';
import { standin } from './clerk.ts';
import { answer } from './customer.ts';
import { mailCustomer, payments, waitForReply } from './tools.ts';

const options = { 'real-days': { type: 'boolean' }, silent: { type: 'boolean' } } as const;
const { values } = await begin(() => flags({ options }, 'npm run follow-up -- [--real-days] [--silent]'));
const wanted = await begin(() => modelName(process.env.RONDO_MODEL));
const model = await begin(() => (wanted ? openModel(wanted) : standin()));
const DAY = values['real-days'] ? 86_400_000 : 1_000;
const SECRET = `whsec_${Buffer.from('a secret of this example').toString('base64')}`;
const by = { id: 'clerk', tenant: 'shop' };

const folder = mkdtempSync(join(tmpdir(), 'rondo-follow-up-'));
const outbox = join(folder, 'outbox');
const smtp = await startSmtp(outbox);
const { paid, refund } = payments();
const clerk = agent({
  name: 'clerk',
  instructions:
    'You follow up tickets. For a ticket: mail the customer once, asking for a new one or a refund; wait for her reply; refund the order if she asks for it. For a job that is a refund: refund.',
  model,
  tools: [mailCustomer(smtp), waitForReply(3 * DAY), refund],
  limits: { amounts: { usd: 100 } },
});
const engine = new Engine({ journal: sqliteJournal(join(folder, 'runs.db')), agents: [clerk] });
const webhook = await listen(eventHandler(engine, { secrets: [SECRET], by: { id: 'mail', tenant: 'shop' } }), { port: 0 });
const loop = engine.work({ every: 100 });

/** Enqueues a job, and shows it to its end: while it sleeps, no process drives it. */
async function job(input: string): Promise<void> {
  console.log(`> ${input}`);
  const { runId } = await engine.enqueue(clerk, input, { by });
  for (let after = -1; ; await sleep(100)) {
    const before = after;
    for await (const event of engine.watch(runId, { by, after })) {
      after = event.seq ?? after;
      if (event.type !== 'tool.finished') continue;
      const { tool, outcome, repeated } = event;
      console.log(`  ${tool}: ${outcome.ok ? 'ok' : outcome.error.code}${repeated ? ' (done before, not done again)' : ''}`);
    }
    const { status, result, waiting } = await engine.inspect(runId, { by });
    const [wait] = waiting;
    if (wait && after > before) console.log(`  sleeps until ${new Date(wait.until ?? 0).toISOString()}, or a reply`);
    if (status === 'completed' && result?.status === 'completed') return console.log(`  ${String(result.output)}`);
    if (status === 'failed' || status === 'stopped' || status === 'cancelled') return console.log(`  ${status}`);
  }
}

console.log(
  `${wanted ? `MODEL ${model.provider}/${model.id}` : 'OFFLINE STAND-IN: fixed rules, no AI model'}. Journal ${folder}/runs.db\n`,
);
const replied = values.silent ? undefined : answer(outbox, webhook.url, SECRET, 'Please refund it.');
await job('ticket 7, order 42, 1250 cents');
console.log(values.silent ? '' : `  (the webhook answered ${await replied}, twice)`);
await job('refund order 42, 1250 cents');
console.log(`\nThe payment service paid ${paid.length} time(s). What was done:\n`);
const rows = [];
console.log(`  ${'tool'.padEnd(14)} ${'key'.padEnd(10)} ${'usd'.padStart(6)}  outcome  again  receipt`);
for await (const { tool, intent, amount, outcome, output, again } of engine.effects({ by })) {
  rows.push({ tool, again });
  const key = (intent?.key ?? '').padEnd(10);
  const usd = (amount?.usd?.toFixed(2) ?? '').padStart(6);
  console.log(
    `  ${tool.padEnd(14)} ${key} ${usd}  ${outcome.padEnd(7)}  ${String(again).padEnd(5)}  ${Object.values(output ?? {})[0] ?? ''}`,
  );
}

await loop.stop();
await webhook.close();
await smtp.close();
await engine.close();
// the check of `npm run verify`
const again = rows.find(({ tool }) => tool === 'refund')?.again;
if (!wanted && (paid.length !== 1 || rows.length !== 2 || again !== (values.silent ? 0 : 1))) process.exitCode = 1;
