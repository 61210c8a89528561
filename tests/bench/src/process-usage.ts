import { readFile } from 'node:fs/promises';

/** A process to be watched. */
export interface NamedPid {
  readonly name: string;
  readonly pid: number;
}

/** A process as the kernel counts it. */
export interface Usage {
  readonly name: string;
  /** User and system time since its start, microseconds. */
  readonly cpuUs: number;
  readonly rssBytes: number;
}

/** All of the machine's processes together. */
export interface MachineUsage {
  readonly busyUs: number;
}

/** USER_HZ is 100 on every Linux that Node runs on. */
const US_PER_TICK = 10_000;

/** Processes that have ended in between are left out. */
export async function usageOf(processes: readonly NamedPid[]): Promise<Usage[]> {
  const usages = await Promise.all(
    processes.map(async ({ name, pid }) => {
      const usage = await usageOfPid(pid);
      return usage === undefined ? [] : [{ name, ...usage }];
    }),
  );
  return sumByName(usages.flat());
}

/** Servers that are several processes of one name count as one. */
function sumByName(usages: readonly Usage[]): Usage[] {
  const byName = new Map<string, Usage>();
  for (const { name, cpuUs, rssBytes } of usages) {
    const sum = byName.get(name) ?? { name, cpuUs: 0, rssBytes: 0 };
    byName.set(name, { name, cpuUs: sum.cpuUs + cpuUs, rssBytes: sum.rssBytes + rssBytes });
  }
  return [...byName.values()];
}

async function usageOfPid(pid: number): Promise<{ cpuUs: number; rssBytes: number } | undefined> {
  try {
    const [stat, status] = await Promise.all([
      readFile(`/proc/${String(pid)}/stat`, 'utf8'),
      readFile(`/proc/${String(pid)}/status`, 'utf8'),
    ]);
    return { cpuUs: cpuUsIn(stat), rssBytes: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1_024 };
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH')) {
      return undefined;
    }
    throw error;
  }
}

/** @param stat what /proc/<pid>/stat says */
export function cpuUsIn(stat: string): number {
  // Fields after the command's name, which may hold anything: utime and stime are the 14th and 15th of all.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * US_PER_TICK;
}

/** Time of all cores that was not idle. */
export async function machineUsage(): Promise<MachineUsage> {
  return { busyUs: busyUsIn(await readFile('/proc/stat', 'utf8')) };
}

/** @param stat what /proc/stat says */
export function busyUsIn(stat: string): number {
  const [, ...fields] = stat.slice(0, stat.indexOf('\n')).trim().split(/\s+/).map(Number);
  const [user = 0, nice = 0, system = 0, , , irq = 0, softIrq = 0] = fields;
  return (user + nice + system + irq + softIrq) * US_PER_TICK;
}

/** CPU that each process has used between two looks. */
export function cpuBetween(before: readonly Usage[], after: readonly Usage[]): { name: string; cpuUs: number }[] {
  const then = new Map(before.map(({ name, cpuUs }) => [name, cpuUs]));
  return after.map(({ name, cpuUs }) => ({ name, cpuUs: Math.max(0, cpuUs - (then.get(name) ?? 0)) }));
}
