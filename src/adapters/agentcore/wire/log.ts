/** The record of the requests, newest last. It holds no bodies and no signatures. */
import { appendFile } from 'node:fs/promises';
import { cut } from '../../../json-schema/size.ts';
import type { PolicyRecord } from './policy/decided.ts';

export interface CallRecord {
  readonly id: string;
  /** Epoch milliseconds, by the server's clock. */
  readonly at: number;
  readonly method: string;
  readonly path: string;
  readonly operation?: string;
  readonly caller?: string;
  readonly status: number;
  /** The name of the error that was answered. */
  readonly error?: string;
  /** Which rule refused the request: more than a client is told. */
  readonly rule?: string;
  /** What the policies of a gateway said of a call of a tool. */
  readonly policy?: PolicyRecord;
  /** Milliseconds until the answer began. */
  readonly ms: number;
}

export interface CallLog {
  add(record: CallRecord): void;
  /** Says of a record why its answer broke off. In the file the record is there again, with its reason. */
  amend(id: string, why: Pick<CallRecord, 'error' | 'rule'>): void;
  list(): readonly CallRecord[];
  clear(): void;
  /** When the file has all records. */
  written(): Promise<void>;
}

const KEPT = 1_000;
/** Characters of one text of a record: a client may have sent it. */
const LONGEST = 10_000;

const short = (record: CallRecord) =>
  JSON.parse(JSON.stringify(record, (_, value: unknown) => (typeof value === 'string' ? cut(value, LONGEST) : value))) as CallRecord;

/** @param file each record is appended to it as a line of JSON. @param tell for a file that cannot be written. */
export function callLog(file: string | undefined, tell: (error: unknown) => void): CallLog {
  const records: CallRecord[] = [];
  let last = Promise.resolve();
  const written = (record: CallRecord) => {
    if (file !== undefined) last = last.then(() => appendFile(file, `${JSON.stringify(record)}\n`, { mode: 0o600 })).catch(tell);
  };
  return {
    add(given) {
      const record = short(given);
      records.push(record);
      if (records.length > KEPT) records.shift();
      written(record);
    },
    amend(id, why) {
      const at = records.findIndex((record) => record.id === id);
      if (at < 0) return;
      records[at] = short({ ...(records[at] as CallRecord), ...why });
      written(records[at]);
    },
    list: () => records,
    clear: () => {
      records.length = 0;
    },
    written: () => last,
  };
}
