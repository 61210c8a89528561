import { newId } from '@godwit/ids/id';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nextEpoch } from '../src/domain/epoch.js';
import { SessionTable } from '../src/domain/session-table.js';
import { createFleet, handlesOf, register } from './directory-fixture.js';

describe('epochs', () => {
  const epoch = fc.integer({ min: 0, max: 2 ** 50 });

  it('rise above the clock, the stored one, and what the device brings', () => {
    fc.assert(
      fc.property(epoch, fc.option(epoch, { nil: undefined }), epoch, (now, stored, brought) => {
        const next = nextEpoch({ now, stored, brought });
        expect(next).toBeGreaterThanOrEqual(now);
        if (stored !== undefined) expect(next).toBeGreaterThan(stored);
        if (brought <= now) expect(next).toBeGreaterThan(brought);
      }),
    );
  });

  it('stay countable whatever a device brings', () => {
    fc.assert(
      fc.property(fc.double(), (brought) => {
        const next = nextEpoch({ now: 1_700_000_000_000, stored: undefined, brought });
        expect(Number.isSafeInteger(next + 1_000)).toBe(true);
      }),
    );
  });
});

describe('the session table', () => {
  it('holds what a plain map of maps would', () => {
    const user = fc.constantFrom('u1', 'u2', 'u3');
    const device = fc.constantFrom('d1', 'd2', 'd3', 'd4');
    const step = fc.record({ put: fc.boolean(), user, device, epoch: fc.nat() });
    const edge = { edgeId: 'edge-0', incarnation: 'i', leaseUntil: 0, ended: false };
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const table = new SessionTable();
        const model = new Map<string, number>();
        for (const { put, user: userId, device: deviceId, epoch } of steps) {
          if (put) {
            table.put(userId, { deviceId, edge, handle: 1, epoch, by: 's' });
            model.set(`${userId} ${deviceId}`, epoch);
          } else {
            const removed = table.remove(userId, (session) => session.deviceId <= deviceId);
            const expected = [...model.keys()].filter(
              (key) => key.startsWith(userId) && key <= `${userId} ${deviceId}`,
            );
            for (const key of expected) model.delete(key);
            expect(removed).toHaveLength(expected.length);
          }
        }
        const held = [...table.users()].flatMap((id) => [...table.of(id)].map((s) => [`${id} ${s.deviceId}`, s.epoch]));
        expect(new Map(held as [string, number][])).toEqual(model);
        expect(table.size).toBe(model.size);
      }),
    );
  });
});

describe('takeover', () => {
  it('leaves one socket a device, the last one registered, whatever the order of events at any replica', async () => {
    const action = fc.record({
      kind: fc.constantFrom('register', 'retry', 'again', 'unregister', 'restart'),
      replica: fc.constantFrom(0, 1),
      edge: fc.constantFrom('edge-0', 'edge-1', 'edge-2'),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 40 }), async (actions) => {
        const { archive, replica } = createFleet();
        const replicas = [replica('session-0'), replica('session-1')];
        const names = ['session-0', 'session-1'];
        const userId = newId();
        const deviceId = newId();
        let handle = 0;
        let held = 0;
        let live: { edge: string; handle: number; epoch: number; first: number } | undefined;
        for (const { kind, replica: at, edge: edgeId } of actions) {
          const target = replicas[at];
          if (target === undefined) throw new Error('no such replica');
          const edge = target.directory.hello(edgeId, 'i1');
          if (kind === 'register') {
            const outcome = await register(target, edge, { userId, deviceId, handle: ++handle, epoch: held });
            expect(outcome.kind).toBe('registered');
            if (outcome.kind !== 'registered') return;
            if (live !== undefined) expect(outcome.epoch).toBeGreaterThan(live.epoch);
            // The device keeps its epoch and brings it along next time.
            held = outcome.epoch;
            live = { edge: edgeId, handle, epoch: held, first: held };
          } else if (kind === 'retry' && live !== undefined) {
            // The edge had no answer in time and asks another replica for the same socket.
            const where = target.directory.hello(live.edge, 'i1');
            const outcome = await register(target, where, { userId, deviceId, handle: live.handle, epoch: held });
            if (outcome.kind !== 'registered') throw new Error('a retry is no takeover');
            held = outcome.epoch;
            live = { ...live, epoch: held };
          } else if (kind === 'again' && live !== undefined) {
            const where = target.directory.hello(live.edge, 'i1');
            // It may have only the first of several answers.
            const epoch = live.first;
            const outcome = await register(target, where, {
              userId,
              deviceId,
              handle: live.handle,
              epoch,
              again: true,
            });
            expect(outcome.kind).toBe('registered');
          } else if (kind === 'unregister' && live !== undefined) {
            target.directory.unregister(target.directory.hello(live.edge, 'i1'), {
              userId,
              deviceId,
              handle: live.handle,
            });
            await target.directory.lookup([userId]);
            live = undefined;
          } else if (kind === 'restart') {
            replicas[at] = replica(names[at] ?? '');
          }
          // Writes arrive before anything else happens; how replicas that lag agree again is told elsewhere.
          for (const { directory } of replicas) {
            await directory.flush();
            await directory.tick();
          }
          for (const [index, name] of names.entries())
            await replicas[index]?.directory.reconcile(archive.takeTold(name));
          for (const each of replicas) {
            expect(each.evicted.map((eviction) => eviction.handle)).not.toContain(live?.handle);
            expect(await handlesOf(each, userId)).toEqual(live === undefined ? [] : [live.handle]);
          }
        }
      }),
      { numRuns: 200 },
    );
  });
});
