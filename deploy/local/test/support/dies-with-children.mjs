// Starts a child and a folder under the watchdog, says which, and dies the hard way.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('../../watchdog.mjs', import.meta.url));
const watchdog = spawn(process.execPath, [script], { stdio: ['pipe', 'ignore', 'inherit'], detached: true });
const child = spawn('sleep', ['600'], { stdio: 'ignore', detached: true });
const folder = mkdtempSync(path.join(tmpdir(), 'godwit-orphan-'));
const stat = readFileSync(`/proc/${child.pid}/stat`, 'utf8');
const start = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];

watchdog.stdin.write(`add ${child.pid} ${start}\nremove-at-end ${folder}\n`, () => {
  process.stdout.write(JSON.stringify({ pid: child.pid, folder }), () => process.kill(process.pid, 'SIGKILL'));
});
