/** A command in a session of a runtime, as a tool. */
import { invalid, ToolError } from '../../../errors.ts';
import { jsonSchema } from '../../../json-schema.ts';
import { tool } from '../../../loop/tools/tool.ts';
import { checkOptions } from '../../../options.ts';
import type { ApprovalRule, Effect, ToolContext } from '../../../ports/tool.ts';
import { checked } from './remote.ts';
import { failureOf } from './remote-errors.ts';
import { EXAMPLES, masking, RuntimeLine, type RuntimeOptions } from './remote-line.ts';
import { sessionOf } from './remote-turn.ts';

export interface RuntimeCommandOptions extends RuntimeOptions {
  /** Default `run_command`. */
  name?: string;
  description?: string;
  /** Default `once`. */
  effect?: Effect;
  approval?: boolean | ApprovalRule;
  /** Seconds that a command may take, 1 to 3600. Default 300. */
  timeout?: number;
  /** The session of the runtime, 33 to 256 characters: that of an `agentcoreRuntime()`, to look into its files. Default: one for each run. */
  session?(ctx: Pick<ToolContext, 'runId'>): string;
}

/** What a command gave. */
export interface CommandResult {
  exitCode: number;
  status: string;
  stdout: string;
  stderr: string;
  /** True: one of them was longer than is kept, 16,384 characters, and its end is missing. */
  cut?: true;
}

const OPTIONS = {
  ...EXAMPLES,
  name: "name: 'shell'",
  description: "description: 'Runs a command where the agent runs'",
  effect: "effect: 'read'",
  approval: 'approval: true',
  timeout: 'timeout: 60',
  session: 'session: ({ runId }) => runId.padEnd(33, "-")',
};
/** Bytes of a command that AWS takes. */
const MOST = 65_536;
/** Characters of each output that are kept: a command may print without end, and both fit into the result of a tool. */
const KEPT = 16_384;
const INPUT = jsonSchema<{ command: string }>({
  type: 'object',
  properties: { command: { type: 'string', minLength: 1, description: 'One command line for the shell of the session' } },
  required: ['command'],
  additionalProperties: false,
});

/**
 * A tool that runs a shell command in a session of a runtime (InvokeAgentRuntimeCommand). Its output streams as progress. The model decides
 * the command: give it an approval or a policy, unless the session holds nothing of worth.
 * @throws RondoError `CONFIG_INVALID`.
 */
export function runtimeCommand(o: RuntimeCommandOptions) {
  const where = 'runtimeCommand()';
  checkOptions(o, OPTIONS, where);
  const { name = 'run_command', timeout = 300, effect = 'once', approval, session } = o;
  if (!Number.isInteger(timeout) || timeout < 1 || timeout > 3_600) throw invalid(`${where}: timeout is 1 to 3600 seconds.`);
  const line = new RuntimeLine(o, where);
  return tool({
    name,
    description: o.description ?? 'Runs a shell command in the session of the agent runtime, and returns its exit code and output.',
    input: INPUT,
    effect,
    ...(approval !== undefined && { approval }),
    // the service ends the command first
    timeout: (timeout + 30) * 1_000,
    async execute({ command }, ctx): Promise<CommandResult> {
      if (Buffer.byteLength(command) > MOST)
        throw new ToolError('VALIDATION', `a command has at most ${MOST} bytes.`, { outcome: 'not-run' });
      const result: CommandResult = { exitCode: -1, status: '', stdout: '', stderr: '' };
      let begun = false;
      const token = await line.token();
      try {
        const id = checked(session?.(ctx) ?? sessionOf(`command ${ctx.runId}`));
        for await (const { chunk } of await line.command(id, command, timeout, ctx.signal, token)) {
          begun = true;
          ctx.alive();
          const { stdout = '', stderr = '' } = chunk?.contentDelta ?? {};
          keep(result, 'stdout', stdout);
          keep(result, 'stderr', stderr);
          if (stdout || stderr) ctx.progress({ ...(stdout && { stdout }), ...(stderr && { stderr }) });
          const { exitCode, status } = chunk?.contentStop ?? {};
          if (status !== undefined) Object.assign(result, { exitCode: exitCode ?? -1, status });
        }
      } catch (error) {
        throw failureOf(error, `tool "${name}"`, begun, masking(token));
      }
      if (result.status === '')
        throw new ToolError('STREAM_BROKEN', 'the stream of the command ended before it did.', { outcome: 'unknown' });
      return result;
    },
  });
}

function keep(result: CommandResult, output: 'stdout' | 'stderr', more: string): void {
  const room = KEPT - result[output].length;
  result[output] += more.slice(0, room);
  if (more.length > room) result.cut = true;
}
