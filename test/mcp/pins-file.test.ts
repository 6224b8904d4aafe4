/** The file of pins, and how many there may be. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Pins } from '../../src/adapters/mcp/pins.ts';
import { folder } from '../kit/folder.ts';

const described = (name: string) => ({ name, description: name, inputSchema: { type: 'object' as const } });

it('servers that pin in one file at the same time keep the pins of each other', async () => {
  const file = join(folder('pins'), 'pins.json');
  const servers = Array.from({ length: 8 }, (_, i) => new Pins(`server ${i}`, { pins: file }));
  await Promise.all(
    servers.map(async (pins) => {
      await pins.load();
      await pins.allows(described('pay'));
      await pins.save();
    }),
  );
  expect(Object.keys(JSON.parse(readFileSync(file, 'utf8'))).sort()).toEqual(servers.map((_, i) => `server ${i}`));
});

it('a server that shows other tools all the time is not remembered without end', async () => {
  const pins = new Pins('shop', {});
  let allowed = 0;
  const refused: unknown[] = [];
  for (let i = 0; i < 20_100; i++)
    await pins.allows(described(`tool ${i}`)).then(
      () => allowed++,
      (error) => refused.push(error),
    );
  expect(allowed).toBe(20_000);
  expect(refused[0]).toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining('20000') });
  // those that are pinned are offered as before
  expect(await pins.allows(described('tool 7'))).toBe(true);
});
