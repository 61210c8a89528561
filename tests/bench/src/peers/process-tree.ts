import { readdirSync } from 'node:fs';
import { statOf } from '@godwit/local-stack/process/process-identity';
import type { NamedPid } from '../process-usage.js';

/** These processes and all of their descendants, each under the name of its ancestor. */
export function treeOf(roots: readonly NamedPid[]): NamedPid[] {
  const children = childrenByParent();
  const found: NamedPid[] = [];
  const add = ({ name, pid }: NamedPid): void => {
    found.push({ name, pid });
    for (const child of children.get(pid) ?? []) add({ name, pid: child });
  };
  roots.forEach(add);
  return found;
}

function childrenByParent(): Map<number, number[]> {
  const children = new Map<number, number[]>();
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const parent = parentOf(Number(entry));
    if (parent === undefined) continue;
    const siblings = children.get(parent);
    if (siblings === undefined) children.set(parent, [Number(entry)]);
    else siblings.push(Number(entry));
  }
  return children;
}

/** None for a process that has ended since it was listed. */
function parentOf(pid: number): number | undefined {
  try {
    return statOf(pid).parent;
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH')) {
      return undefined;
    }
    throw error;
  }
}
