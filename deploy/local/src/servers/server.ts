import type { ManagedProcess } from '../process/managed-process.js';
import type { Watchdog } from '../process/watchdog.js';
import type { Acquisition } from './acquire-server.js';

/** What every server needs to start. */
export interface ServerOptions extends Acquisition {
  /** Data and logs; made if it is not there. */
  readonly dir: string;
  /** One for each process of the server. */
  readonly ports: readonly number[];
  readonly watchdog: Watchdog;
}

/** A server of one or several processes, on real sockets and a real disk. */
export interface Server extends AsyncDisposable {
  readonly url: string;
  readonly processes: readonly ManagedProcess[];
  /** Resolves when all of its processes serve. */
  ready(): Promise<void>;
  /** SIGTERM for all of its processes. */
  stop(): Promise<void>;
  /** SIGKILL for all of its processes, at the same time. */
  kill(): Promise<void>;
  /** Starts what is not running on the same ports and data, stopping nothing; resolves when it serves again. */
  start(): Promise<void>;
  /** `stop`, then `start`. */
  restart(): Promise<void>;
}

export interface ServerParts {
  readonly url: string;
  readonly processes: readonly ManagedProcess[];
  readonly ready: () => Promise<void>;
}

export function serverOf(parts: ServerParts): Server {
  const all = async (act: (managed: ManagedProcess) => Promise<void>): Promise<void> => {
    await Promise.all(parts.processes.map(act));
  };
  const stop = (): Promise<void> => all((managed) => managed.stop());
  const start = async (): Promise<void> => {
    await all((managed) => managed.start());
    await parts.ready();
  };
  return {
    url: parts.url,
    processes: parts.processes,
    ready: parts.ready,
    stop,
    start,
    kill: () => all((managed) => managed.kill()),
    restart: async () => {
      await stop();
      await start();
    },
    [Symbol.asyncDispose]: stop,
  };
}

/** The part of the environment that a server process gets: what finds programs and folders, and no secret. */
export function plainEnvironment(): Record<string, string | undefined> {
  const { PATH, HOME, LANG, TMPDIR, LD_LIBRARY_PATH } = process.env;
  return { PATH, HOME, LANG, TMPDIR, LD_LIBRARY_PATH };
}

export function silent(): void {
  // Progress that nobody asked for.
}
