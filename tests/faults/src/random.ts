import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';

type Generator = ReturnType<typeof xoroshiro128plus>;

/** Numbers that a seed determines, on every machine. */
export class Random {
  readonly #generator: Generator;

  constructor(seed: number) {
    this.#generator = xoroshiro128plus(seed);
  }

  /** `from` <= n <= `to`. */
  int(from: number, to: number): number {
    return uniformInt(this.#generator, from, to);
  }

  /** Whether something that happens so many times in 1,000 happens. */
  perMille(times: number): boolean {
    return this.int(1, 1_000) <= times;
  }

  pick<T>(list: readonly T[]): T {
    const picked = list[this.int(0, list.length - 1)];
    if (picked === undefined) throw new RangeError('nothing to pick from');
    return picked;
  }

  /** In proportion to the weights. */
  weighted<T>(list: readonly (readonly [T, number])[]): T {
    let left = this.int(
      1,
      list.reduce((sum, [, weight]) => sum + weight, 0),
    );
    for (const [item, weight] of list) {
      left -= weight;
      if (left <= 0) return item;
    }
    throw new RangeError('nothing to pick from');
  }

  some<T>(list: readonly T[], count: number): T[] {
    const rest = [...list];
    const picked: T[] = [];
    while (picked.length < count && rest.length > 0) picked.push(...rest.splice(this.int(0, rest.length - 1), 1));
    return picked;
  }

  /** An own stream of numbers for a part of the plan, so that more of one thing leaves the others as they were. */
  fork(): Random {
    return new Random(this.int(0, 0x7fff_ffff));
  }
}
