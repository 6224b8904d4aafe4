/** The customer: reads her mail in the folder that the SMTP server delivers into, and answers through her provider's signed webhook. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Webhook } from 'standardwebhooks';

/** @param url of the webhook. @returns her provider's answer, the status of HTTP. */
export async function answer(outbox: string, url: string, secret: string, text: string): Promise<number> {
  const mail = await arrived(outbox);
  const ticket = /^x-ticket: *(\w+)/im.exec(mail)?.[1] ?? '';
  const id = `msg_${ticket}`;
  const body = JSON.stringify({ event: 'reply', key: ticket, data: { text } });
  // providers deliver more than once: the second has no effect
  let status = 0;
  for (const _ of [1, 2]) {
    const now = new Date();
    const headers = {
      'content-type': 'application/json',
      'webhook-id': id,
      'webhook-timestamp': String(Math.floor(now.getTime() / 1_000)),
      'webhook-signature': new Webhook(secret).sign(id, now, body),
    };
    status = (await fetch(url, { method: 'POST', headers, body })).status;
  }
  return status;
}

async function arrived(outbox: string): Promise<string> {
  for (;;) {
    const [mail] = (await readdir(outbox)).filter((name) => name.endsWith('.eml'));
    if (mail) return readFile(join(outbox, mail), 'utf8');
    await sleep(50);
  }
}
