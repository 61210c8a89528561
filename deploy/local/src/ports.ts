import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { StackError } from './stack-error.js';

export const LOOPBACK = '127.0.0.1';

/**
 * Below 32768, where Linux takes the ports of outgoing connections from: a port that is free now can't be taken by
 * somebody's connection before our server binds it.
 */
const FREE_RANGE = { from: 15_000, size: 7_000 };

/** Each process begins at a block of its own, so that two which look for ports at once hardly meet. */
const BLOCK = 70;

/** A member of a Redis cluster also listens on its port + 10000 (fixed until Redis 7). */
export const REDIS_BUS_OFFSET = 10_000;

/** So does, by our choice, a NATS server of several: for the others of its cluster. */
export const NATS_ROUTE_OFFSET = 10_000;

let tried = 0;

export function isPortFree(port: number, host = LOOPBACK): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => {
      resolve(false);
    });
    probe.listen({ port, host, exclusive: true }, () => {
      probe.close(() => {
        resolve(true);
      });
    });
  });
}

/** A port nobody listens on, neither on it nor on the port + 10000, and never the same twice in one process. */
export async function freePort(): Promise<number> {
  while (tried < FREE_RANGE.size) {
    const port = FREE_RANGE.from + ((process.pid * BLOCK + tried) % FREE_RANGE.size);
    tried += 1;
    if ((await isPortFree(port)) && (await isPortFree(port + REDIS_BUS_OFFSET))) return port;
  }
  const last = FREE_RANGE.from + FREE_RANGE.size;
  throw new StackError(
    `All ports from ${String(FREE_RANGE.from)} to ${String(last)} are used up: close some programs.`,
  );
}

export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) ports.push(await freePort());
  return ports;
}

export interface PortClaim {
  readonly port: number;
  /** Who wants it, for the message. */
  readonly what: string;
  /** What to do about it when it is taken, as a sentence. */
  readonly wayOut: string;
}

/** One sentence for a port that somebody else listens on, with the owner's name where the system tells. */
export async function assertPortFree(claim: PortClaim): Promise<void> {
  if (await isPortFree(claim.port)) return;
  const owner = portOwner(claim.port);
  const by = owner === undefined ? 'another program' : `${owner.command} (pid ${String(owner.pid)})`;
  throw new StackError(`Port ${String(claim.port)} for ${claim.what} is in use by ${by}. ${claim.wayOut}`);
}

export interface PortOwner {
  readonly pid: number;
  readonly command: string;
}

/** Who listens on a TCP port: Linux only, and only for processes one may look into. */
export function portOwner(port: number): PortOwner | undefined {
  const inodes = listeningInodes(port);
  if (inodes.size === 0) return undefined;
  for (const pid of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    if (holdsSocket(pid, inodes)) {
      const command = readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
      return { pid: Number(pid), command };
    }
  }
  return undefined;
}

const LISTEN = '0A';

function listeningInodes(port: number): Set<string> {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const inodes = new Set<string>();
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const line of readLines(table)) {
      const columns = line.trim().split(/\s+/);
      const inode = columns[9];
      if (columns[1]?.endsWith(suffix) === true && columns[3] === LISTEN && inode !== undefined) inodes.add(inode);
    }
  }
  return inodes;
}

function readLines(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\n');
  } catch {
    return [];
  }
}

function holdsSocket(pid: string, inodes: ReadonlySet<string>): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => {
      const inode = /^socket:\[(\d+)\]$/.exec(readlinkOrEmpty(`/proc/${pid}/fd/${fd}`))?.[1];
      return inode !== undefined && inodes.has(inode);
    });
  } catch {
    // Somebody else's process, or one that has just ended.
    return false;
  }
}

function readlinkOrEmpty(link: string): string {
  try {
    return readlinkSync(link);
  } catch {
    return '';
  }
}
