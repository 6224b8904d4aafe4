/** What frameworks did in each scene, and the text that says so. */

export const SCENES = [
  { key: 'hangs', title: 'a tool that hangs, with a timeout of 500 ms set' },
  { key: 'fails', title: 'a tool that fails each time, asked for 30 times' },
  { key: 'killed', title: 'kill -9 between two tools, then resumed in another process' },
  { key: 'resumers', title: 'kill -9 between two tools, then resumed by two processes at once' },
  { key: 'rejected', title: 'an approval rejected with `false`' },
  { key: 'nested', title: 'an approval in a sub-agent, approved' },
  { key: 'twice', title: 'the same refund asked for twice in a run' },
  { key: 'runs', title: 'the same refund in two runs' },
] as const;

export interface Behaviour {
  /** `rondo`, or a framework. */
  name: string;
  versions: string;
  /** Why it was not run. */
  missing?: string;
  cells: readonly {
    scene: (typeof SCENES)[number]['key'];
    /** How often each effect was made, by tool. */
    effects: Readonly<Record<string, number>>;
    /** What each process said at its end. */
    said: readonly string[];
  }[];
}

const effectsOf = (effects: Readonly<Record<string, number>>) =>
  Object.entries(effects)
    .map(([tool, times]) => `${tool} ${times}x`)
    .join(', ') || 'no effect';

/** One list for each scene, a line for each framework. */
export function behaviourText(behaviours: readonly Behaviour[]): string {
  const width = Math.max(...behaviours.map(({ name }) => name.length));
  const missing = behaviours.filter((one) => one.missing).map(({ name, missing: why }) => `${name} was not run: ${why}`);
  const scenes = SCENES.map(({ key, title }) => {
    const lines = behaviours.flatMap(({ name, cells }) =>
      cells
        .filter(({ scene }) => scene === key)
        .map(({ effects, said }) => `  ${name.padEnd(width)}  ${effectsOf(effects)}; ${said.join(' | ')}`),
    );
    return [title, ...lines].join('\n');
  });
  return [...behaviours.map(({ name, versions }) => `${name.padEnd(width)}  ${versions}`), ...missing, '', ...scenes].join('\n');
}
