// Kills what its parent started when the parent disappears, however it disappears (SIGKILL included).
//
// The parent holds the other end of this process's stdin and writes one command a line: `add <pid> <start>`,
// `forget <pid>`, `remove-at-end <folder>`. The kernel closes the pipe with the parent, which is the one signal of death
// that nothing can forget to send. Runs in a session of its own, so that Ctrl-C in a terminal does not reach it first.
//
// Plain JavaScript, because it must run both from `src` (under vitest) and from `dist`.
import { readFileSync, rmSync } from 'node:fs';
import { createInterface } from 'node:readline';

const processes = new Map();
const folders = new Set();

/** (Parents which can't tell a start time say `-`.) Start time of a process in clock ticks since boot; with the pid it names a process even when pids are used again. */
function startOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? '-' : fields[19];
  } catch {
    return '-';
  }
}

function killAll() {
  for (const [pid, start] of processes) {
    if (start !== '-' && start !== startOf(pid)) continue;
    try {
      process.kill(-pid, 'SIGKILL');
    } catch (error) {
      if (error.code !== 'ESRCH') console.error(`watchdog: process ${pid} could not be ended: ${error.message}`);
    }
  }
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGPIPE']) process.on(signal, () => {});

for await (const line of createInterface({ input: process.stdin })) {
  const [command, ...rest] = line.split(' ');
  if (command === 'add') processes.set(Number(rest[0]), rest[1]);
  else if (command === 'forget') processes.delete(Number(rest[0]));
  else if (command === 'remove-at-end') folders.add(rest.join(' '));
}

killAll();
for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
