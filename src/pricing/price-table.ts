import type { Price } from './price.ts';

/** US dollars per million tokens: input, output, cache read, 5-minute cache write. */
type Rates = readonly [input: number, output: number, cacheRead?: number, cacheWrite?: number];

interface Row {
  rates: Rates;
  /** Rates for all tokens of a request whose input, cached tokens included, is over `over` tokens. */
  long?: { over: number; rates: Rates };
  /** Tokens of a prefix below which nothing is cached. */
  cacheFrom?: number;
  /** Factor on the rates, by prefix of the model id; `''` is an id without prefix. The price for any other prefix is unknown. */
  factor: Readonly<Record<string, number>>;
  from: Pick<Price, 'source' | 'date'>;
}

/*
 * On-demand prices of Amazon Bedrock, standard tier. Read on 2026-11-21 from stored copies of the pages named. `date` is the day on
 * which the page, or a later reader of it, states that the price was valid. No price was derived from another model's. Left out, because
 * no current price was found: Claude models before 4.5, Nova Premier, all of GovCloud, and every prefix that a row does not list.
 */
const CLAUDE = {
  // the table of 2026-10-24, checked rate by rate in github.com/kurofune/claudit/releases/tag/v1.9.2
  source: 'https://platform.claude.com/docs/en/about-claude/pricing',
  date: '2026-10-24',
};
const AWS = {
  source:
    'https://github.com/aws/agent-toolkit-for-aws/blob/main/plugins/aws-startup-advisor/skills/llm-to-bedrock/scripts/bedrock_pricing.py',
  date: '2026-10-05',
};
const MODELS_DEV = {
  source: 'https://github.com/anomalyco/models.dev/tree/f3fc692299671838c7c65fd8126bf84d81a2e817/providers/amazon-bedrock',
  date: '2026-07-02',
};

/** Newer models: AWS charges 10% more for regional and geographic ids than for `global.`. */
const GEOGRAPHIC = { 'global.': 1, '': 1.1, 'us.': 1.1, 'eu.': 1.1, 'apac.': 1.1, 'au.': 1.1, 'jp.': 1.1 };
/** Only the price of us-east-1 was found. Europe and Asia have other prices. */
export const US = { '': 1, 'us.': 1 };

const claude = (rates: Rates, from = CLAUDE): Row => ({ rates, factor: GEOGRAPHIC, from });
/*
 * By platform.claude.com/docs/en/build-with-claude/prompt-caching, as github.com/anthropics/anthropic-sdk-python/issues/1194 quotes it. That of newer
 * models was not found.
 */
const fromTokens = (cacheFrom: number, row: Row): Row => ({ ...row, cacheFrom });
const open = (...rates: Rates): Row => ({ rates, factor: US, from: MODELS_DEV });

/** By model id without prefix, date and version. */
export const BEDROCK: Readonly<Record<string, Row>> = {
  'anthropic.claude-fable-5-1': claude([10, 50, 0.25, 12.5]),
  'anthropic.claude-fable-5': claude([10, 50, 1, 12.5]),
  'anthropic.claude-opus-5-5': claude([4, 20, 0.2, 5]),
  'anthropic.claude-opus-5': claude([5, 25, 0.5, 6.25]),
  'anthropic.claude-opus-4-8': claude([5, 25, 0.5, 6.25]),
  'anthropic.claude-opus-4-7': fromTokens(4_096, claude([5, 25, 0.5, 6.25])),
  'anthropic.claude-opus-4-6': fromTokens(4_096, claude([5, 25, 0.5, 6.25])),
  'anthropic.claude-opus-4-5': fromTokens(4_096, claude([5, 25, 0.5, 6.25])),
  'anthropic.claude-sonnet-5-5': claude([2, 10, 0.1, 2.5]),
  'anthropic.claude-sonnet-5': claude([2, 10, 0.2, 2.5]),
  'anthropic.claude-sonnet-4-6': fromTokens(1_024, claude([3, 15, 0.3, 3.75])),
  'anthropic.claude-sonnet-4-5': fromTokens(1_024, claude([3, 15, 0.3, 3.75])),
  'anthropic.claude-haiku-5-5': {
    ...claude([0.1, 0.5, 0.01, 0.125]),
    long: { over: 100_000, rates: [0.5, 2.5, 0.05, 0.625] },
  },
  'anthropic.claude-haiku-4-5': fromTokens(4_096, claude([1, 5, 0.1, 1.25])),

  // no cache write rate: the price on Bedrock was not found
  'amazon.nova-2-lite': {
    rates: [0.3, 2.5, 0.075],
    factor: { 'global.': 1, '': 1.1, 'us.': 1.1, 'eu.': 1.1, 'jp.': 1.1 },
    from: { source: 'https://github.com/BerriAI/litellm/blob/main/model_prices_and_context_window.json', date: '2026-11-21' },
  },
  'amazon.nova-pro': { rates: [0.8, 3.2, 0.2], factor: US, from: AWS },
  'amazon.nova-lite': { rates: [0.06, 0.24, 0.015], factor: US, from: AWS },
  'amazon.nova-micro': { rates: [0.035, 0.14, 0.00875], factor: US, from: AWS },

  'meta.llama4-maverick-17b-instruct': open(0.24, 0.97),
  'meta.llama4-scout-17b-instruct': open(0.17, 0.66),
  'meta.llama3-3-70b-instruct': open(0.72, 0.72),
  'meta.llama3-1-70b-instruct': open(0.72, 0.72),
  'meta.llama3-1-8b-instruct': open(0.22, 0.22),

  'mistral.mistral-large-3-675b-instruct': open(0.5, 1.5),
  'mistral.pixtral-large-2502': open(2, 6),
  'mistral.devstral-2-123b': open(0.4, 2),
  'mistral.magistral-small-2509': open(0.5, 1.5),
  'mistral.ministral-3-14b-instruct': open(0.2, 0.2),
  'mistral.ministral-3-8b-instruct': open(0.15, 0.15),
  'mistral.ministral-3-3b-instruct': open(0.1, 0.1),
};
