import type { Command } from 'commander';
import { table } from '../output.js';
import { CliError, EXIT } from '../exit.js';
import type { Session } from '../session.js';

export function addStatusCommand(program: Command, session: (command: Command) => Session): void {
  program
    .command('status')
    .description('whether the edges answer, and whether this device is signed in')
    .action(async (_options: unknown, self: Command) => {
      const s = session(self);
      const edges = await Promise.all((await s.edges()).map(askEdge));
      const profile = await s.profile().then(
        ({ userName, userId }) => userName || userId,
        () => undefined,
      );
      const rows = edges.map(({ edge, ready, detail }) => [edge, ready ? 'ready' : 'not ready', detail]);
      const who = profile === undefined ? 'not signed in' : `signed in as ${profile}`;
      s.output.result({ edges, signedInAs: profile ?? null }, `${table(rows)}\n${who}`);
      if (!edges.some(({ ready }) => ready)) throw new CliError(EXIT.noConnection, 'no edge is ready');
    });
}

async function askEdge(edge: string): Promise<{ edge: string; ready: boolean; detail: string }> {
  const started = performance.now();
  try {
    const response = await fetch(`${edge.replace(/^ws/, 'http')}/readyz`, { signal: AbortSignal.timeout(5_000) });
    await response.body?.cancel();
    return { edge, ready: response.ok, detail: `${String(Math.round(performance.now() - started))} ms` };
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    return { edge, ready: false, detail: cause instanceof Error ? cause.message : String(cause) };
  }
}
