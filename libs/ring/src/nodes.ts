import { HashRing } from './hash-ring.js';
import type { NodeAddress } from './node-address.js';
import { NodeHealth } from './node-health.js';

/** The replicas of one service as this process sees them: who is configured, who owns a key, who is set aside. */
export class Nodes {
  readonly ring: HashRing;
  readonly health: NodeHealth;
  readonly #addresses: ReadonlyMap<string, NodeAddress>;
  #turn = 0;

  constructor(addresses: readonly NodeAddress[], health: NodeHealth = new NodeHealth()) {
    this.#addresses = new Map(addresses.map((address) => [address.name, address]));
    this.ring = new HashRing(this.#addresses.keys());
    this.health = health;
  }

  get names(): readonly string[] {
    return this.ring.members;
  }

  address(name: string): NodeAddress | undefined {
    return this.#addresses.get(name);
  }

  /**
   * The first healthy successor of the key. With all of them set aside it is the owner: trying the right node is
   * better than refusing without a try. Undefined only when no node is configured.
   */
  pick(key: string): string | undefined {
    const owner = this.ring.owner(key);
    if (owner === undefined || this.health.isHealthy(owner)) return owner;
    return this.ring.successors(key).find((name) => this.health.isHealthy(name)) ?? owner;
  }

  /** All nodes in the order in which to try them for the key: the healthy successors, then those set aside. */
  candidates(key: string): string[] {
    return this.#healthyFirst(this.ring.successors(key));
  }

  /** All nodes in the order in which to try them for work that any can do: a turn each, those set aside last. */
  rotation(): string[] {
    const names = this.ring.members;
    const start = this.#turn++ % Math.max(names.length, 1);
    return this.#healthyFirst([...names.slice(start), ...names.slice(0, start)]);
  }

  /** Groups items by the node that serves their key now, for one batched call to each. */
  groupByNode<T>(items: Iterable<T>, keyOf: (item: T) => string): Map<string, T[]> {
    const groups = new Map<string, T[]>();
    for (const item of items) {
      const node = this.pick(keyOf(item));
      if (node === undefined) throw new Error('no node is configured');
      const group = groups.get(node);
      if (group === undefined) groups.set(node, [item]);
      else group.push(item);
    }
    return groups;
  }

  #healthyFirst(names: readonly string[]): string[] {
    const healthy = names.filter((name) => this.health.isHealthy(name));
    return healthy.length === names.length ? healthy : [...healthy, ...names.filter((name) => !healthy.includes(name))];
  }
}
