import { describe, expect, it } from 'vitest';
import { SendGate } from '../src/links/send-gate.js';

const gated = () => {
  const world = { now: 0, behind: false };
  const clock = { now: () => world.now, monotonic: () => world.now };
  const gate = new SendGate({ clock, isBehind: () => world.behind });
  /** Nothing came through faster than this in a whole window. */
  const slow = (node: string, tookMs: number): void => {
    gate.stored(node, tookMs);
    world.now += 1_000;
  };
  return { world, gate, slow };
};

describe('SendGate', () => {
  it('refuses for a while what a router would refuse, in its words', () => {
    const { world, gate } = gated();
    const refused = { reason: 'OVERLOADED', message: 'no', field: '', retryAfterMs: 700, stored: undefined };
    gate.overloaded('r0', refused);
    expect(gate.refusal('r0', 0)).toBe(refused);
    expect(gate.refusal('r1', 0)).toBeUndefined();
    world.now += 50;
    expect(gate.refusal('r0', 0)).toBeUndefined();
  });

  it('refuses with a time to come again while even the fastest acks of that router are slow', () => {
    const { gate, slow } = gated();
    slow('r0', 401);
    const refused = gate.refusal('r0', 64);
    expect(refused).toMatchObject({ reason: 'OVERLOADED' });
    expect(refused?.retryAfterMs).toBeGreaterThanOrEqual(500);
    expect(gate.refusal('r1', 64)).toBeUndefined();
    gate.stored('r0', 20);
    expect(gate.refusal('r0', 64)).toBeUndefined();
  });

  it('refuses while this process is behind', () => {
    const { world, gate } = gated();
    world.behind = true;
    expect(gate.refusal('r0', 64)).toMatchObject({ reason: 'OVERLOADED' });
    world.behind = false;
    expect(gate.refusal('r0', 64)).toBeUndefined();
  });

  it('takes a few, however slow they are: they are no queue', () => {
    const { world, gate, slow } = gated();
    world.behind = true;
    slow('r0', 5_000);
    expect(gate.refusal('r0', 63)).toBeUndefined();
  });
});
