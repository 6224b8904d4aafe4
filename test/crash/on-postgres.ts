/** Before each test file of the crash suite on Postgres. */
import { inject } from 'vitest';

process.env.RONDO_CRASH_POSTGRES = inject('postgres');
