import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chosenKinds, FAULT_KINDS } from '../src/plan/fault-kinds.js';
import { faultFor } from '../src/nemesis/faults.js';
import { makePlan } from '../src/plan/plan.js';

const options = { minutes: 1, rate: 20, users: 8, kinds: FAULT_KINDS };

describe('the plan', () => {
  it('is made by the seed alone', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 31 - 1 }), (seed) => {
        expect(makePlan({ ...options, seed })).toEqual(makePlan({ ...options, seed }));
        expect(makePlan({ ...options, seed: seed - 1 })).not.toEqual(makePlan({ ...options, seed }));
      }),
      { numRuns: 10 },
    );
  });

  it('offers about what it was asked for, in order, among those who are there', () => {
    const { actions, users, conversations } = makePlan({ ...options, seed: 3 });
    const sends = actions.filter((action) => action.do === 'send');
    expect(sends.length).toBeGreaterThan(800);
    expect(sends.length).toBeLessThan(1_400);
    expect(actions.map(({ at }) => at)).toEqual(actions.map(({ at }) => at).sort((a, b) => a - b));
    for (const { by, conversation } of sends) {
      expect(users[by.user]?.devices[by.device]).toBeDefined();
      expect(conversations.find(({ name }) => name === conversation)?.members).toContain(by.user);
    }
  });

  it('has faults of the chosen kinds only, and somebody who performs each kind', () => {
    const kinds = chosenKinds(['kill-', 'mongo-roll']);
    const { faults } = makePlan({ ...options, kinds, seed: 5 });
    expect(faults.every(({ kind }) => kind.startsWith('kill-') || kind === 'mongo-roll-back')).toBe(true);
    for (const { name } of FAULT_KINDS) expect(faultFor(name)).toBeDefined();
    expect(() => chosenKinds(['nothing'])).toThrow('no fault nothing');
  });
});
