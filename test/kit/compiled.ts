import { join } from 'node:path';
import { root } from '../../scripts/doors.ts';

/** For the environment of processes: the code that they load is compiled once for all of them. */
export const compiled = { NODE_COMPILE_CACHE: join(root, 'node_modules', '.cache', 'compiled') };
