import { readFile } from 'node:fs/promises';
import type { Stack } from '@godwit/local-stack/stack';

/** A process as the kernel counts it. */
export interface Usage {
  readonly name: string;
  /** User and system time since its start, microseconds. */
  readonly cpuUs: number;
  readonly rssBytes: number;
}

/** USER_HZ is 100 on every Linux that Node runs on. */
const US_PER_TICK = 10_000;

/** All processes of a stack, servers included. */
export async function usageOf(stack: Stack): Promise<Usage[]> {
  const running = stack.processes.flatMap(({ name, pid }) => (pid === undefined ? [] : [{ name, pid }]));
  return Promise.all(running.map(async ({ name, pid }) => ({ name, ...(await usageOfPid(pid)) })));
}

export async function usageOfPid(pid: number): Promise<{ cpuUs: number; rssBytes: number }> {
  const [stat, status] = await Promise.all([
    readFile(`/proc/${String(pid)}/stat`, 'utf8'),
    readFile(`/proc/${String(pid)}/status`, 'utf8'),
  ]);
  // Fields after the command's name, which may hold anything: utime and stime are the 14th and 15th of all.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = Number(fields[11]) + Number(fields[12]);
  const rssKb = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0);
  return { cpuUs: ticks * US_PER_TICK, rssBytes: rssKb * 1_024 };
}

/** CPU that each process has used between two looks. */
export function cpuBetween(before: readonly Usage[], after: readonly Usage[]): { name: string; cpuUs: number }[] {
  const then = new Map(before.map(({ name, cpuUs }) => [name, cpuUs]));
  return after.map(({ name, cpuUs }) => ({ name, cpuUs: cpuUs - (then.get(name) ?? 0) }));
}
