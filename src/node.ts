/**
 * The modules of Node that the core uses. An `import` of one copies all of its exports, which loads web crypto, readline and more: a
 * tenth of the time that `import 'rondo'` takes.
 */
export const crypto = process.getBuiltinModule('node:crypto');
export const fs = process.getBuiltinModule('node:fs');
export const os = process.getBuiltinModule('node:os');
export const util = process.getBuiltinModule('node:util');
