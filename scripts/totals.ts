// Prints the sum of the vitest reports in a folder as its last line: `node scripts/totals.ts FOLDER`.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

interface Report {
  success: boolean;
  numPassedTests: number;
  numFailedTests: number;
  numPendingTests: number;
  numTodoTests: number;
}

const folder = process.argv[2];
if (!folder) throw new Error('Name the folder of the reports.');
const files = readdirSync(folder).filter((file) => file.endsWith('.json'));
const reports = files.map((file) => JSON.parse(readFileSync(join(folder, file), 'utf8')) as Report);
const sum = (count: (report: Report) => number) => reports.reduce((total, report) => total + count(report), 0);

const passed = sum((r) => r.numPassedTests);
// a file that does not load, or an error outside any test, fails a suite without failing a test
const failed = sum((r) => r.numFailedTests || (r.success ? 0 : 1));
const skipped = sum((r) => r.numPendingTests + r.numTodoTests);
console.log(`${passed} passed, ${failed} failed${skipped ? `, ${skipped} skipped` : ''}`);
process.exitCode = passed > 0 && failed === 0 ? 0 : 1;
