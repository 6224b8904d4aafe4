import { existsSync } from 'node:fs';
import { link, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tool } from 'rondo';
import { z } from 'zod';

/** Writes the brief to a file, once, and only after a person approved. */
export function publish(folder: string) {
  const file = (key: string) => join(folder, `brief-${key.slice(0, 12)}.md`);
  return tool({
    name: 'publish',
    description: 'Publishes a brief that was verified. A person is asked first.',
    input: z.object({ title: z.string().min(1).max(200), brief: z.string().min(1).max(20_000) }),
    effect: 'once',
    approval: { reason: 'it goes to the council', allow: ['approve', 'reject'] },
    async execute({ brief }, { idempotencyKey }) {
      const path = file(idempotencyKey);
      await mkdir(folder, { recursive: true });
      await writeFile(`${path}.part`, brief);
      // all or nothing, and never over an existing file
      await link(`${path}.part`, path);
      await rm(`${path}.part`);
      return { file: path };
    },
    // after a crash in the middle, the file shows whether it was written
    check: ({ idempotencyKey }) => {
      const path = file(idempotencyKey);
      return existsSync(path) ? { outcome: 'done', output: { file: path } } : { outcome: 'not-run' };
    },
  });
}
