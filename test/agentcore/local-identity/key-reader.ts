/** Reads a key file again and again until its input ends, and tells what was wrong with it. The file is removed and made by another process. */
import { keyFile } from 'rondo/identity';

const [path = ''] = process.argv.slice(2);
const keys = keyFile(path);
const problems = new Set<string>();
let read = 0;
let open = true;
process.stdin.on('end', () => {
  open = false;
});
process.stdin.resume();
process.stdout.write('ready');
while (open) {
  try {
    keys();
    read++;
  } catch (error) {
    problems.add((error as Error).message);
  }
  if (read % 50 === 0) await new Promise(setImmediate);
}
console.error(JSON.stringify({ read, problems: [...problems] }));
