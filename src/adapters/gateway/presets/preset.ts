/** A service whose operations are known. */
import { checkOptions } from '../../../options.ts';
import type { ToolSource } from '../../../ports/tool.ts';
import { type Manner, type OpenApiOptions, SERVICE_EXAMPLES, serviceSource } from '../openapi/source.ts';
import type { OutboundAuth } from '../outbound/auth.ts';
import { compact } from './compact.ts';

/** As in `openApiTools()`. Each preset says what `credentials` and `server` are without these options. */
export type PresetOptions = Omit<OpenApiOptions, 'document' | 'headers'>;

const { headers: _, ...EXAMPLES } = SERVICE_EXAMPLES;

export interface Preset {
  readonly name: string;
  readonly server: string;
  readonly credentials: OutboundAuth;
  readonly headers?: Readonly<Record<string, string>>;
  readonly lines: readonly string[];
  readonly manner?: Pick<Manner, 'refusal' | 'limited'>;
}

/** @throws RondoError `CONFIG_INVALID`. */
export function presetSource({ name, server, credentials, headers, lines, manner }: Preset, o: PresetOptions): ToolSource {
  const where = `${name}()`;
  checkOptions(o, EXAMPLES, where);
  const read = compact(name, lines, where);
  const options = { name, server, credentials, ...(headers && { headers }), ...o, effects: { ...read.effects, ...o.effects } };
  return serviceSource(options, { where, read: async () => read, ...manner });
}
