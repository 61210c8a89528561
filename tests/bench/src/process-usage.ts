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
  /** Of several processes under one name: what they share is counted once. */
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

interface PidUsage extends Usage {
  /** Of them, in segments that other processes may share: PostgreSQL's buffers. */
  readonly sharedBytes: number;
}

/** Servers that are several processes of one name count as one. */
export function sumByName(usages: readonly PidUsage[]): Usage[] {
  const byName = new Map<string, PidUsage>();
  for (const { name, cpuUs, rssBytes, sharedBytes } of usages) {
    const sum = byName.get(name) ?? { name, cpuUs: 0, rssBytes: 0, sharedBytes: 0 };
    const shared = Math.max(sum.sharedBytes, sharedBytes);
    const own = sum.rssBytes - sum.sharedBytes + rssBytes - sharedBytes;
    byName.set(name, { name, cpuUs: sum.cpuUs + cpuUs, rssBytes: own + shared, sharedBytes: shared });
  }
  return [...byName.values()].map(({ name, cpuUs, rssBytes }) => ({ name, cpuUs, rssBytes }));
}

async function usageOfPid(pid: number): Promise<Omit<PidUsage, 'name'> | undefined> {
  try {
    const [stat, status] = await Promise.all([
      readFile(`/proc/${String(pid)}/stat`, 'utf8'),
      readFile(`/proc/${String(pid)}/status`, 'utf8'),
    ]);
    return { cpuUs: cpuUsIn(stat), rssBytes: bytesIn(status, 'VmRSS'), sharedBytes: bytesIn(status, 'RssShmem') };
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH')) {
      return undefined;
    }
    throw error;
  }
}

/** @param status what /proc/<pid>/status says */
function bytesIn(status: string, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0) * 1_024;
}

/** @param stat what /proc/<pid>/stat says */
export function cpuUsIn(stat: string): number {
  // Fields after the command's name, which may hold anything: utime and stime are the 14th and 15th of all, those of
  // children that have ended the two after them.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields.slice(11, 15).reduce((ticks, field) => ticks + Number(field), 0) * US_PER_TICK;
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
