/** Random models, tools and people, as fast-check makes and shrinks them. */
import fc from 'fast-check';

/** What goes wrong before a model answers. */
export type ModelFault =
  | 'throttled'
  | 'down'
  | 'denied'
  | 'broken-stream'
  | 'hangs'
  | 'hangs-deaf'
  | 'throws-nothing'
  | 'answers-nothing'
  | 'slow';

/** One call that a model asks for. */
export interface Ask {
  tool: ToolName | 'nonsense';
  /** What is wrong with its arguments, if anything. */
  bad: 'no' | 'type' | 'extra' | 'missing' | 'null' | 'text' | 'proto';
  /** How its tool behaves, attempt by attempt; the last holds for all further ones. */
  acts: readonly Act[];
  check: Check;
}

export type ToolName = 'read' | 'idempotent' | 'once' | 'checked' | 'asks' | 'expires' | 'role' | 'ask_human';
export type Act =
  | 'ok'
  | 'sync'
  | 'slow'
  | 'throws'
  | 'throws-sync'
  | 'throws-junk'
  | 'not-run'
  | 'retryable'
  | 'unknown'
  | 'hangs'
  | 'late'
  | 'late-throw'
  | 'thenable'
  | 'huge'
  | `returns-${'bigint' | 'circular' | 'function' | 'nothing' | 'nan' | 'map' | 'throwing-json'}`;
export type Check = 'truth' | 'unknown' | 'throws' | 'junk' | 'hangs';

/** One step of a model: so many attempts go wrong, then it answers. */
export interface Step {
  faults: readonly ModelFault[];
  /** Empty: it ends with a text. */
  asks: readonly Ask[];
  /** All its calls get this provider id; undefined: each its own. */
  sameId: boolean;
  stop: 'tools' | 'end' | 'length' | 'blocked';
  usage: boolean;
}

/** What people do when the run waits for them. */
export type Answer =
  | 'approve'
  | 'edit'
  | 'bad-edit'
  | 'reject'
  | 'respond'
  | 'twice'
  | 'race'
  | 'stranger'
  | 'expire'
  | 'too-late'
  | 'no-one';

export interface Script {
  steps: readonly Step[];
  answers: readonly Answer[];
  parallel: number;
  limits: { steps?: number; toolCalls?: number; costUsd?: number; tokens?: number; time?: number };
  /** Milliseconds after which somebody cancels the run. */
  cancelAt: number | undefined;
  /** Decisions that come in while the run goes on: after so many milliseconds. */
  eager: readonly number[];
  stream: boolean;
}

const act: fc.Arbitrary<Act> = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom<Act>('ok', 'sync', 'slow') },
  {
    weight: 5,
    arbitrary: fc.constantFrom<Act>(
      'throws',
      'throws-sync',
      'throws-junk',
      'not-run',
      'retryable',
      'unknown',
      'hangs',
      'late',
      'late-throw',
      'thenable',
    ),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom<Act>(
      'huge',
      'returns-bigint',
      'returns-circular',
      'returns-function',
      'returns-nothing',
      'returns-nan',
      'returns-map',
      'returns-throwing-json',
    ),
  },
);

const ask: fc.Arbitrary<Ask> = fc.record({
  tool: fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom<Ask['tool']>('read', 'idempotent', 'once', 'checked') },
    { weight: 4, arbitrary: fc.constantFrom<Ask['tool']>('asks', 'expires', 'role', 'ask_human') },
    { weight: 1, arbitrary: fc.constant<Ask['tool']>('nonsense') },
  ),
  bad: fc.oneof(
    { weight: 6, arbitrary: fc.constant<Ask['bad']>('no') },
    { weight: 1, arbitrary: fc.constantFrom<Ask['bad']>('type', 'extra', 'missing', 'null', 'text', 'proto') },
  ),
  acts: fc.array(act, { minLength: 1, maxLength: 3 }),
  check: fc.constantFrom<Check>('truth', 'truth', 'truth', 'unknown', 'throws', 'junk', 'hangs'),
});

const step: fc.Arbitrary<Step> = fc.record({
  faults: fc.oneof(
    { weight: 3, arbitrary: fc.constant<readonly ModelFault[]>([]) },
    {
      weight: 1,
      arbitrary: fc.array(
        fc.constantFrom<ModelFault>(
          'throttled',
          'down',
          'denied',
          'broken-stream',
          'hangs',
          'hangs-deaf',
          'throws-nothing',
          'answers-nothing',
          'slow',
        ),
        { maxLength: 3 },
      ),
    },
  ),
  asks: fc.array(ask, { maxLength: 5 }),
  sameId: fc.boolean(),
  stop: fc.oneof(
    { weight: 8, arbitrary: fc.constant<Step['stop']>('tools') },
    { weight: 1, arbitrary: fc.constantFrom<Step['stop']>('end', 'length', 'blocked') },
  ),
  usage: fc.oneof({ weight: 8, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
});

/** Mostly nothing. */
const seldom = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.oneof({ weight: 5, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary });

export const script: fc.Arbitrary<Script> = fc.record({
  steps: fc.array(step, { minLength: 1, maxLength: 6 }),
  answers: fc.array(
    fc.constantFrom<Answer>(
      'approve',
      'approve',
      'edit',
      'bad-edit',
      'reject',
      'respond',
      'twice',
      'race',
      'stranger',
      'expire',
      'too-late',
      'no-one',
    ),
    {
      minLength: 1,
      maxLength: 6,
    },
  ),
  parallel: fc.integer({ min: 1, max: 4 }),
  limits: fc
    .record({
      steps: seldom(fc.integer({ min: 1, max: 5 })),
      toolCalls: seldom(fc.integer({ min: 0, max: 8 })),
      costUsd: seldom(fc.double({ min: 0, max: 0.03, noNaN: true })),
      tokens: seldom(fc.integer({ min: 500, max: 20_000 })),
      time: seldom(fc.integer({ min: 1, max: 3_000 })),
    })
    .map((limits) => JSON.parse(JSON.stringify(limits)) as Script['limits']),
  cancelAt: seldom(fc.integer({ min: 0, max: 2_000 })),
  eager: fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 3 }),
  stream: fc.boolean(),
});
