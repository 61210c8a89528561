import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HashRing } from '../src/hash-ring.js';

const names = fc.uniqueArray(fc.stringMatching(/^[a-z]{1,8}-[0-9]{1,3}$/), { minLength: 1, maxLength: 12 });
const keys = Array.from({ length: 3_000 }, (_, index) => `p:user${String(index)}:user${String(index * 7)}`);

describe('HashRing', () => {
  it('gives the same owners and the same version whatever the order of its members', () => {
    fc.assert(
      fc.property(
        names.chain((members) =>
          fc.tuple(fc.constant(members), fc.shuffledSubarray(members, { minLength: members.length })),
        ),
        ([members, shuffled]) => {
          const one = new HashRing(members);
          const other = new HashRing(shuffled);
          expect(other.version).toBe(one.version);
          for (const key of keys.slice(0, 200)) expect(other.successors(key)).toEqual(one.successors(key));
        },
      ),
      { numRuns: 30 },
    );
  });

  // Every process and every release has to agree on owners while a fleet is rolled.
  it('is the ring it has always been', () => {
    const ring = new HashRing(['router-0', 'router-1', 'router-2']);
    expect(ring.version).toMatchInlineSnapshot(`"580db3992d2b8786"`);
    expect(
      ['g:a', 'g:b', 'g:c', 'g:d', 'g:e', 'g:f'].map((key) => ring.owner(key)?.slice(-1)).join(''),
    ).toMatchInlineSnapshot(`"112202"`);
  });

  it('moves only keys of the node that came or went', () => {
    fc.assert(
      fc.property(names, fc.stringMatching(/^new-[0-9]{4}$/), (members, added) => {
        const before = new HashRing(members);
        const after = new HashRing([...members, added]);
        expect(after.version).not.toBe(before.version);
        for (const key of keys.slice(0, 500)) {
          const owner = after.owner(key);
          if (owner !== added) expect(owner).toBe(before.owner(key));
          // Who goes away is replaced by its successor: what the fleet relies on when a node is set aside.
          else expect(after.successors(key)[1] ?? members[0]).toBe(before.owner(key));
        }
      }),
      { numRuns: 30 },
    );
  });

  it.each([2, 3, 5, 9])('spreads keys over %i nodes within a quarter of the mean', (count) => {
    const members = Array.from({ length: count }, (_, index) => `message-store-${String(index)}`);
    const ring = new HashRing(members);
    const load = new Map<string, number>(members.map((name) => [name, 0]));
    for (let index = 0; index < 30_000; index++) {
      const owner = ring.owner(`g:${String(index)}`) ?? '';
      load.set(owner, (load.get(owner) ?? 0) + 1);
    }
    const mean = 30_000 / count;
    for (const [name, keysOfNode] of load) {
      expect(keysOfNode, name).toBeGreaterThan(mean * 0.75);
      expect(keysOfNode, name).toBeLessThan(mean * 1.25);
    }
  });

  it('lists every node once among the successors, the owner first', () => {
    fc.assert(
      fc.property(names, fc.string(), (members, key) => {
        const ring = new HashRing(members);
        const successors = ring.successors(key);
        expect(successors[0]).toBe(ring.owner(key));
        expect([...successors].sort()).toEqual([...members].sort());
        expect(ring.successors(key, 2)).toEqual(successors.slice(0, 2));
      }),
      { numRuns: 50 },
    );
  });

  it('without members owns nothing', () => {
    const ring = new HashRing([]);
    expect([ring.owner('x'), ring.successors('x')]).toEqual([undefined, []]);
  });
});
