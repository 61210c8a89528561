// Loaded into services with --import when the bench is asked for profiles: SIGUSR2 begins a CPU profile, the next one
// writes it. So a profile shows the measured time and nothing else.
import { writeFileSync } from 'node:fs';
import { Session } from 'node:inspector';
import { join } from 'node:path';

const folder = process.env['GODWIT_BENCH_PROFILES'] ?? '.';
const node = process.env['GODWIT_NODE'] ?? 'unknown';
let session: Session | undefined;
let written = 0;

process.on('SIGUSR2', () => {
  if (session === undefined) begin();
  else end(session);
});

function begin(): void {
  const begun = new Session();
  begun.connect();
  begun.post('Profiler.enable');
  begun.post('Profiler.setSamplingInterval', { interval: 500 });
  begun.post('Profiler.start');
  session = begun;
}

function end(running: Session): void {
  session = undefined;
  running.post('Profiler.stop', (error, { profile }) => {
    if (error !== null) return;
    written += 1;
    writeFileSync(join(folder, `${node}-${String(written)}.cpuprofile`), JSON.stringify(profile));
  });
}
