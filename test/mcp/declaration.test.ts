import { describe, expect, it } from 'vitest';
import { type McpOptions, mcpTools } from '../../src/adapters/mcp/index.ts';
import { validNames } from '../../src/loop/tools/foreign-tools.ts';
import { stdioServer, using } from './support.ts';

describe('mcpTools()', () => {
  it.each<[string, McpOptions, RegExp]>([
    ['neither', {}, /either a command .* or a url/],
    ['both', { command: 'node', url: 'http://x' }, /either a command .* or a url/],
    ['an empty command', { command: '' }, /must name a program/],
    ['no URL', { url: 'example.com/mcp' }, /"example.com\/mcp" is not an http or https URL/],
    ['another scheme', { url: 'file:///etc/passwd' }, /is not an http or https URL/],
    ['a bad prefix', { command: 'node', prefix: 'a b' }, /prefix/],
    ['a bad startTimeout', { command: 'node', startTimeout: 0 }, /startTimeout/],
  ])('refuses %s', (_, options, message) => {
    expect(() => mcpTools(options)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringMatching(message) }));
  });

  it('is named after the command or the host, unless it has a name', () => {
    expect(mcpTools({ command: '/usr/bin/tickets' }).name).toBe('tickets');
    expect(mcpTools({ url: 'https://example.com/mcp' }).name).toBe('example.com');
    expect(mcpTools({ command: 'node', name: 'mine' }).name).toBe('mine');
  });

  it.each<[string, Partial<McpOptions>]>([
    ['allow', { allow: ['ecko'] }],
    ['effects', { effects: { ecko: 'read' } }],
    ['intents', { intents: { ecko: { key: () => 'k' } } }],
    ['approval', { approval: { ecko: true } }],
  ])('refuses a name in %s that the server does not have', async (option, more) => {
    const refused = using({ ...stdioServer, ...more }, async () => {});
    await expect(refused).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining(`"ecko", which ${option} names. It has echo, put,`),
    });
  });

  it('offers all pages of tools, with valid and unique names', async () => {
    await using(stdioServer, async ({ tools, call }) => {
      expect(tools.map((t) => t.name)).toHaveLength(17);
      expect(new Set(tools.map((t) => t.name)).size).toBe(17);
      for (const { name } of tools) expect(name).toMatch(/^[a-zA-Z0-9_-]{1,64}$/);
      // the server is called by its own name for the tool
      const [odd] = tools.filter((t) => t.description === 'does bad.name:x');
      expect(await call(odd?.name as string)).toBe('bad.name:x');
      expect(await call('bad_name_x')).toBe('bad_name_x');
    });
  });

  it('keeps valid names, whatever the order of the list', () => {
    const names = validNames(['a.b', 'a_b', 'a:b'], '');
    const turned = validNames(['a:b', 'a_b', 'a.b'], '');
    expect(names.get('a_b')).toBe('a_b');
    expect(Object.fromEntries(names)).toEqual(Object.fromEntries(turned));
    expect(new Set(names.values()).size).toBe(3);
    const long = validNames(['x'.repeat(80), `${'x'.repeat(80)}y`], 'tickets_');
    for (const name of long.values()) expect(name).toMatch(/^tickets_x+_[0-9a-f]{8}$/);
    for (const name of long.values()) expect(name.length).toBeLessThanOrEqual(64);
  });

  it('offers only what is allowed, with a prefix', async () => {
    await using({ ...stdioServer, allow: ['echo', 'pid'], prefix: 'f_' }, async ({ tools, call }) => {
      expect(tools.map((t) => t.name)).toEqual(['f_echo', 'f_pid']);
      expect(await call('f_echo', { text: 'hi' })).toBe('hi');
    });
  });

  it('treats a hint of the server as a hint only', async () => {
    const effects = async (o: Partial<McpOptions>) => {
      let found: string[] = [];
      await using({ ...stdioServer, allow: ['echo', 'put', 'fails'], ...o }, async ({ tools }) => {
        found = tools.map((t) => t.effect);
      });
      return found;
    };
    expect(await effects({})).toEqual(['once', 'once', 'once']);
    expect(await effects({ trustAnnotations: true })).toEqual(['read', 'idempotent', 'once']);
    expect(await effects({ trustAnnotations: true, effects: { echo: 'once', fails: 'read' } })).toEqual(['once', 'idempotent', 'read']);
  });
});
