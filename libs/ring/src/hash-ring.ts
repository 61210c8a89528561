import xxhash from 'xxhash-wasm';

// Points a node has on the ring. 512 keep the load of each node within some 10 % of the mean (the standard deviation
// is about 1/sqrt(points) = 4 %); a fleet of 100 nodes costs 400 KB.
const POINTS_PER_NODE = 512;

const hasher = await xxhash();

interface Point {
  readonly hash: number;
  readonly node: number;
}

/**
 * Consistent hashing of string keys over node names. It depends on nothing but the set of names, so every process
 * with the same members finds the same owners, and a change of members moves only the keys of the nodes that changed.
 * Keys are hashed with xxHash32 in a WebAssembly build; no maintained ring library was found for Node.
 */
export class HashRing {
  readonly members: readonly string[];
  /** Short hash of the sorted members: two processes with the same version agree on every owner. */
  readonly version: string;
  readonly #hashes: Uint32Array;
  readonly #nodes: Uint32Array;

  constructor(members: Iterable<string>) {
    this.members = [...new Set(members)].sort();
    this.version = hasher.h64ToString(this.members.join('\n'));
    const points: Point[] = this.members.flatMap((name, node) =>
      Array.from({ length: POINTS_PER_NODE }, (_, index) => ({ hash: hasher.h32(`${name}#${String(index)}`), node })),
    );
    // Where two points collide, the name that sorts first wins: any order would do, if it is the same everywhere.
    points.sort((a, b) => a.hash - b.hash || a.node - b.node);
    this.#hashes = Uint32Array.from(points, (point) => point.hash);
    this.#nodes = Uint32Array.from(points, (point) => point.node);
  }

  /** The node that owns the key; undefined only on a ring without members. */
  owner(key: string): string | undefined {
    return this.#memberAt(this.#firstPoint(key));
  }

  /** The first `count` different nodes for the key: its owner, then who takes over, in that order. */
  successors(key: string, count: number = this.members.length): string[] {
    const found: string[] = [];
    const wanted = Math.min(count, this.members.length);
    const start = this.#firstPoint(key);
    for (let step = 0; found.length < wanted && step < this.#hashes.length; step++) {
      const member = this.#memberAt((start + step) % this.#hashes.length);
      if (member !== undefined && !found.includes(member)) found.push(member);
    }
    return found;
  }

  #memberAt(point: number): string | undefined {
    const node = this.#nodes[point];
    return node === undefined ? undefined : this.members[node];
  }

  #firstPoint(key: string): number {
    const hash = hasher.h32(key);
    let low = 0;
    let high = this.#hashes.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#hashes[middle] ?? 0) < hash) low = middle + 1;
      else high = middle;
    }
    return low === this.#hashes.length ? 0 : low;
  }
}
