import type { Said } from './generator-protocol.js';
import type { LoadClient } from './load-client.js';

const CONNECT_AT_A_TIME = 50;

export function say(said: Said): void {
  process.send?.(said);
}

/** Connects many devices, some at a time. */
export async function connectAll<T>(
  items: readonly T[],
  connect: (item: T, index: number) => Promise<LoadClient>,
): Promise<LoadClient[]> {
  const clients: LoadClient[] = [];
  for (let i = 0; i < items.length; i += CONNECT_AT_A_TIME) {
    const some = items.slice(i, i + CONNECT_AT_A_TIME);
    clients.push(...(await Promise.all(some.map((item, k) => connect(item, i + k)))));
  }
  return clients;
}
