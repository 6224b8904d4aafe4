import { fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** Starts the verification agent in its own process, with its files in `folder`. */
export async function startPeer(folder: string) {
  const token = randomBytes(32).toString('base64url');
  const child = fork(fileURLToPath(new URL('./verification.ts', import.meta.url)));
  const ended = once(child, 'exit');
  child.send({ token, folder });
  const [said] = (await Promise.race([once(child, 'message'), ended.then(() => [])])) as [{ url: string }?];
  if (!said) throw new Error('The verification agent could not be started; it says why above.');
  return {
    url: said.url,
    token,
    pid: child.pid,
    async close() {
      if (child.connected) child.disconnect();
      await ended;
    },
  };
}
