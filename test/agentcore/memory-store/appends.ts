// Appends events and records one after the other, and says after each that it is there. It is killed on the way.
import { sqliteMemory } from '../../../src/adapters/memory/index.ts';

const [path, actor] = process.argv.slice(2) as [string, string];
const store = sqliteMemory(path);
for (let n = 0; ; n++) {
  const { id } = await store.append({
    actor,
    session: 's1',
    key: `${actor} ${n}`,
    items: Array.from({ length: 20 }, (_, i) => ({ kind: 'text', role: 'user', text: `${actor} ${n} ${i} ${'x'.repeat(500)}` })),
    metadata: { n: `${n}` },
  });
  const [written] = await store.add([
    { namespace: `/facts/${actor}/`, text: `${actor} said ${n}`, from: { actor, session: 's1', events: [id] } },
  ]);
  process.stdout.write(`${JSON.stringify({ n, event: id, record: written?.id })}\n`);
}
