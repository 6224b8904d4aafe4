// One of several processes that record into one file: large messages, so that a write is more than one page.
import { record, scripted } from '../../src/testing/index.ts';

const [file, name, count] = process.argv.slice(2) as [string, string, string];
const model = record(
  scripted((_, n) => `${name} ${n}`),
  file,
  { existing: 'add' },
);
for (let n = 0; n < Number(count); n++) {
  const text = `${name} asks ${n} `.padEnd(20_000, '.');
  const messages = [{ role: 'user', content: [{ type: 'text', text }] }] as const;
  await model.generate({ instructions: 'Be kind.', tools: [], messages }, { signal: new AbortController().signal });
}
