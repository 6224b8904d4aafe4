/** What differs in the answers of the app of the official SDK and of `serve()`, and why. A difference that goes away must go from here too. */
import { CALLS } from './same-answers.ts';

export interface Known {
  /** The first column of the table in docs/agentcore/runtime.md, and its last. */
  what: string;
  because: string;
  /** Calls, and what differs in each of them: `field: theirs | ours`. */
  differs: readonly (readonly [calls: readonly string[], whats: readonly string[]])[];
}

const DIRECT = Object.keys(CALLS).filter((name) => name.startsWith('direct: ') && name !== 'direct: a stream');
const TURNS = [
  'a turn',
  'a turn in Unicode',
  'no session id',
  'JSON with a charset',
  'Accept of text',
  'headers of the allow-list',
  'a body of 600 KB',
];
const STREAMS = ['a stream', 'a stream, or JSON', 'direct: a stream'];
const RESULT = 'costUsd output runId session status steps usage';

export const KNOWN: readonly Known[] = [
  {
    what: 'the answer to a turn',
    because: 'a turn is a run, with an id, a status and a cost',
    differs: [[[...TURNS, 'direct: a turn', 'direct: the workload token'], [`shape: output session | ${RESULT}`]]],
  },
  {
    what: 'a stream',
    because: 'a client that loses the stream knows the run, and how it ended',
    differs: [[STREAMS, ['shape: text | run text result']]],
  },
  {
    what: 'who decides to stream',
    because: 'every agent can do both, and the run is the same',
    differs: [
      [['a stream without Accept'], ['answer: 406 | 200 You said stream']],
      [
        ['Accept of a stream for one value'],
        ['type: application/json | text/event-stream', 'shape: output session | run text result', 'session: true | none'],
      ],
    ],
  },
  {
    what: 'a failure of the agent',
    because: 'the invocation was served and the run is in the journal; the platform would hide a 500 and its text',
    differs: [
      [['a handler that throws'], ['answer: 500 | 200 as it was told']],
      [['direct: a handler that throws'], ['answer: 500 as it was told | 200 as it was told']],
      [['a stream that throws'], ['shape: error | run result']],
    ],
  },
  {
    what: 'JSON of another shape',
    because: 'a misspelt field would be ignored',
    differs: [
      [['a list'], ['answer: 200 You said nothing | 400']],
      [['another field'], ['answer: 200 You said hi | 400']],
      [['null'], ['status: 500 | 400']],
    ],
  },
  {
    what: 'the session id',
    because: 'the platform has no other ones, and a body must not name the session of another',
    differs: [[['direct: a short session id', 'direct: the session id in the body'], ['answer: 200 You said hi | 400']]],
  },
  {
    what: 'a body without a type',
    because: 'the AWS clients send `application/octet-stream` if they are not told a type',
    differs: [[['no type'], ['answer: 415 | 200 You said hi']]],
  },
  {
    what: 'types such as `application/vnd.api+json`',
    because: 'they are JSON',
    differs: [[['another JSON type'], ['answer: 415 | 200 You said hi']]],
  },
  {
    what: '`text/plain`',
    because: 'a page of another site can send it without a CORS preflight',
    differs: [[['text/plain'], ['answer: 200 You said nothing | 415']]],
  },
  {
    what: 'a body over 1 MiB',
    because: 'the platform passes on 100 MB',
    differs: [[['a body of 1.5 MB', 'direct: a body of 1.5 MB'], ['answer: 413 | 200 You said 1500000']]],
  },
  {
    what: 'the workload token',
    because: 'headers that are logged must not have it',
    differs: [[['direct: the workload token'], ['said: {"x-amz-bedrock-agentcore-identity-wat":"the token"} | {}']]],
  },
  {
    what: 'another user in the session',
    because: 'a conversation belongs to the user who began it',
    differs: [[['direct: another user'], ['answer: 200 You said hi | 403']]],
  },
  {
    what: 'another program of this machine',
    because: 'it could name any user',
    differs: [[['direct: another program'], ['answer: 200 You said hi | 403']]],
  },
  {
    what: '`/ping` during a turn',
    because: 'the platform must not end a session that works',
    differs: [[['direct: /ping while a turn goes on'], ['said: Healthy since seconds | HealthyBusy since seconds']]],
  },
  {
    what: 'errors',
    because: 'programs go by a stable code',
    differs: [
      [['direct: no session id'], ['shape: error | error{}']],
      [['direct: bad JSON', 'direct: an empty body', 'direct: application/xml'], ['shape: code error message statusCode | error{}']],
      [['direct: POST /ping', 'direct: GET /invocations', 'direct: no such path'], ['shape: error message statusCode | error{}']],
    ],
  },
  {
    what: 'another method',
    because: 'the path is right',
    differs: [
      [['direct: POST /ping'], ['status: 404 | 405', 'allow: none | GET']],
      [['direct: GET /invocations'], ['status: 404 | 405', 'allow: none | POST']],
    ],
  },
  {
    what: 'the names of session and request',
    because: 'a caller without a session id learns the one that was made',
    differs: [[['direct: a turn', 'direct: a stream', 'direct: the workload token'], ['named: false | true']]],
  },
  {
    what: 'caches',
    because: 'an answer is of one caller, and proxies that compress hold events back',
    differs: [
      [DIRECT, ['cache: none | no-store']],
      [['direct: a stream'], ['cache: no-cache | no-cache, no-transform']],
    ],
  },
  {
    what: '`charset`',
    because: 'JSON is UTF-8 without saying so',
    differs: [
      [[...TURNS, ...DIRECT], ['charset: utf-8 | none']],
      [[...STREAMS, 'a stream that throws'], ['charset: none | utf-8']],
    ],
  },
  {
    what: 'the connection',
    because: 'clients that reuse it need not connect again',
    differs: [
      [['direct: bad JSON', 'direct: an empty body', 'direct: a body of 1.5 MB'], ['kept: false | true']],
      [['direct: a stream'], ['kept: none | true']],
    ],
  },
];
