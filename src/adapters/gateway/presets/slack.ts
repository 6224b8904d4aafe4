/** The most used methods of Slack's Web API, by its own names for them. */
import { ToolError } from '../../../errors.ts';
import type { Json } from '../../../json.ts';
import { isObject } from '../../../json-schema/keywords.ts';
import type { ToolSource } from '../../../ports/tool.ts';
import { type PresetOptions, presetSource } from './preset.ts';

const PAGE = 'limit:int cursor';

const LINES = [
  'auth.test GET /auth.test -- Whose token is used, and in which workspace',
  'team.info GET /team.info -- The workspace',
  `conversations.list GET /conversations.list ?types exclude_archived:bool ${PAGE} -- Channels: types are public_channel, private_channel, im, mpim with commas between them`,
  'conversations.info GET /conversations.info ?channel! include_num_members:bool -- A channel',
  `conversations.members GET /conversations.members ?channel! ${PAGE} -- The members of a channel`,
  `conversations.history GET /conversations.history ?channel! oldest latest inclusive:bool ${PAGE} -- The messages of a channel, newest first`,
  `conversations.replies GET /conversations.replies ?channel! ts! oldest latest ${PAGE} -- The messages of a thread`,
  'conversations.create POST /conversations.create = name! is_private:bool -- Makes a channel',
  'conversations.join POST~ /conversations.join = channel! -- Joins a channel',
  'conversations.open POST~ /conversations.open = users channel return_im:bool -- Opens a direct message: users with commas between them',
  'conversations.invite POST /conversations.invite = channel! users! -- Invites users to a channel',
  'conversations.setTopic POST /conversations.setTopic = channel! topic! -- Sets the topic of a channel',
  'conversations.archive POST /conversations.archive = channel! -- Archives a channel',
  'chat.postMessage POST /chat.postMessage = channel! text blocks:objects thread_ts reply_broadcast:bool unfurl_links:bool -- Posts a message, or a reply with thread_ts',
  'chat.postEphemeral POST /chat.postEphemeral = channel! user! text blocks:objects thread_ts -- Posts a message that one user sees',
  'chat.update POST~ /chat.update = channel! ts! text blocks:objects -- Changes a message',
  'chat.delete POST /chat.delete = channel! ts! -- Deletes a message',
  'chat.scheduleMessage POST /chat.scheduleMessage = channel! text! post_at:int! thread_ts -- Posts a message later: post_at in epoch seconds',
  'chat.getPermalink GET /chat.getPermalink ?channel! message_ts! -- The address of a message',
  'reactions.get GET /reactions.get ?channel! timestamp! full:bool -- The reactions of a message',
  'reactions.add POST /reactions.add = channel! name! timestamp! -- Adds a reaction to a message',
  'reactions.remove POST /reactions.remove = channel! name! timestamp! -- Takes a reaction off a message',
  'pins.list GET /pins.list ?channel! -- What is pinned in a channel',
  'pins.add POST /pins.add = channel! timestamp! -- Pins a message',
  `users.list GET /users.list ?include_locale:bool ${PAGE} -- The users of the workspace`,
  'users.info GET /users.info ?user! -- A user',
  'users.lookupByEmail GET /users.lookupByEmail ?email! -- A user by their address of e-mail',
  'users.profile.get GET /users.profile.get ?user include_labels:bool -- The profile of a user',
  `users.conversations GET /users.conversations ?user types exclude_archived:bool ${PAGE} -- The channels of a user`,
  'usergroups.list GET /usergroups.list ?include_users:bool include_count:bool -- The groups of users',
  'files.list GET /files.list ?channel user types ts_from ts_to count:int page:int -- Lists files',
  'files.info GET /files.info ?file! -- A file',
  'search.messages GET /search.messages ?query! sort sort_dir count:int page:int -- Searches messages. It needs the token of a user',
  'reminders.add POST /reminders.add = text! time! user -- Makes a reminder. It needs the token of a user',
  'reminders.list GET /reminders.list -- Reminders. It needs the token of a user',
];

/** What Slack says with status 200. All but the last prove that it refused. */
const ERRORS: readonly [says: RegExp, code: string, o: ConstructorParameters<typeof ToolError>[2]][] = [
  [/^(ratelimited|rate_limited)$/, 'THROTTLING', { outcome: 'not-run', retryable: true }],
  [/^(not_authed|invalid_auth|token_expired|token_revoked|account_inactive)$/, 'UNAUTHENTICATED', {}],
  [
    /^(missing_scope|no_permission|not_allowed_token_type|access_denied|restricted_action|ekm_access_denied|not_in_channel|cant_\w+)$/,
    'ACCESS_DENIED',
    {},
  ],
  [/_not_found$|^no_such_/, 'NOT_FOUND', {}],
  [/^(already_\w+|name_taken|duplicate_\w+)$/, 'CONFLICT', {}],
  [
    /^(internal_error|fatal_error|service_unavailable|request_timeout|team_added_to_org)$/,
    'SERVICE_UNAVAILABLE',
    { outcome: 'unknown', retryable: true },
  ],
];

function refusal(answer: Json): ToolError | undefined {
  if (!isObject(answer) || answer.ok !== false) return undefined;
  const said = typeof answer.error === 'string' ? answer.error.slice(0, 200) : 'it does not say why';
  const [, code = 'VALIDATION', o = {}] = ERRORS.find(([says]) => says.test(said)) ?? [];
  const needed = typeof answer.needed === 'string' ? ` It needs the scope ${answer.needed.slice(0, 200)}.` : '';
  return new ToolError(code, `slack refused: ${said}.${needed}`, o);
}

/**
 * Methods of Slack, named as in its documentation: `chat.postMessage` is the tool `chat_postMessage`. Without `credentials`, the bot token of the
 * application, of the provider `slack`. An answer with `ok: false` is a failure.
 * @throws RondoError `CONFIG_INVALID`.
 */
export const slack = (o: PresetOptions = {}): ToolSource =>
  presetSource(
    {
      name: 'slack',
      server: 'https://slack.com/api',
      credentials: { type: 'api-key', provider: 'slack' },
      lines: LINES,
      manner: { refusal },
    },
    o,
  );
