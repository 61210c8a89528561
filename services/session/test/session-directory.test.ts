import { newId } from '@godwit/ids/id';
import { describe, expect, it } from 'vitest';
import { NotWarm } from '../src/domain/session-directory.js';
import { createFleet, epochOf, handlesOf, LEASE_MS, register, someone } from './directory-fixture.js';

const beat = async (replica: ReturnType<ReturnType<typeof createFleet>['replica']>): Promise<void> => {
  await replica.directory.tick();
  for (const _slice of replica.directory.sweep());
  await replica.directory.flush();
};

describe('registering', () => {
  it('gives an epoch that is not below the clock and found by lookup', async () => {
    const { clock, replica } = createFleet();
    const a = replica('session-0');
    const edge = a.directory.hello('edge-0', 'i1');
    const { userId, deviceId } = someone();
    expect(epochOf(await register(a, edge, { userId, deviceId, handle: 7 }))).toBe(clock.now());
    const [sessions] = await a.directory.lookup([userId]);
    expect(sessions).toMatchObject([{ deviceId, edgeId: 'edge-0', incarnation: 'i1', handle: 7, epoch: clock.now() }]);
  });

  it('lets the newer socket of a device win and evicts the older, on another edge or on the same', async () => {
    const { replica } = createFleet();
    const a = replica('session-0');
    const [one, two] = [a.directory.hello('edge-0', 'i1'), a.directory.hello('edge-1', 'i1')];
    const device = someone();
    const first = epochOf(await register(a, one, { ...device, handle: 1 }));
    const second = epochOf(await register(a, two, { ...device, handle: 2 }));
    const third = epochOf(await register(a, two, { ...device, handle: 3 }));
    expect(second).toBeGreaterThan(first);
    expect(third).toBeGreaterThan(second);
    expect(await handlesOf(a, device.userId)).toEqual([3]);
    expect(a.evicted).toEqual([
      { edge: 'edge-0', handle: 1, reason: 'superseded' },
      { edge: 'edge-1', handle: 2, reason: 'superseded' },
    ]);
  });

  it('keeps the epoch of a socket that is registered again, unless a newer one is there', async () => {
    const { replica } = createFleet();
    const a = replica('session-0');
    const [one, two] = [a.directory.hello('edge-0', 'i1'), a.directory.hello('edge-1', 'i1')];
    const device = someone();
    const epoch = epochOf(await register(a, one, { ...device, handle: 1 }));
    expect(await register(a, one, { ...device, handle: 1, epoch, again: true })).toEqual({ kind: 'registered', epoch });
    await register(a, two, { ...device, handle: 2 });
    expect(await register(a, one, { ...device, handle: 1, epoch, again: true })).toEqual({ kind: 'superseded' });
    expect(await handlesOf(a, device.userId)).toEqual([2]);
  });

  it('ignores an unregister of a socket that is no longer the one', async () => {
    const { replica } = createFleet();
    const a = replica('session-0');
    const edge = a.directory.hello('edge-0', 'i1');
    const device = someone();
    await register(a, edge, { ...device, handle: 1 });
    await register(a, edge, { ...device, handle: 2 });
    a.directory.unregister(edge, { ...device, handle: 1 });
    expect(await handlesOf(a, device.userId)).toEqual([2]);
    a.directory.unregister(edge, { ...device, handle: 2 });
    expect(await handlesOf(a, device.userId)).toEqual([]);
  });

  it('remembers an eviction for an edge whose stream is down', async () => {
    const { replica } = createFleet();
    const a = replica('session-0');
    const [one, two] = [a.directory.hello('edge-0', 'i1'), a.directory.hello('edge-1', 'i1')];
    const device = someone();
    await register(a, one, { ...device, handle: 1 });
    a.unlinked.add('edge-0');
    await register(a, two, { ...device, handle: 2 });
    expect(a.evicted).toEqual([]);
    a.unlinked.clear();
    a.directory.evictions.linked(a.directory.hello('edge-0', 'i1'));
    expect(a.evicted).toEqual([{ edge: 'edge-0', handle: 1, reason: 'superseded' }]);
  });
});

describe('leases', () => {
  it('ends 15 s after the last sign of life, not when the stream breaks', async () => {
    const { archive, clock, replica } = createFleet();
    const a = replica('session-0');
    const edge = a.directory.hello('edge-0', 'i1');
    const device = someone();
    await register(a, edge, device);
    clock.advance(LEASE_MS - 1);
    expect(await handlesOf(a, device.userId)).toEqual([1]);
    a.directory.heartbeat(edge);
    await a.directory.flush();
    clock.advance(LEASE_MS - 1);
    await beat(a);
    expect(await handlesOf(a, device.userId)).toEqual([1]);
    clock.advance(1);
    expect(await handlesOf(a, device.userId)).toEqual([]);
    await beat(a);
    expect(edge.ended).toBe(true);
    expect(a.directory.sessions).toBe(0);
    expect(archive.users.size).toBe(0);
  });

  it('lives on by what another replica hears of it', async () => {
    const { clock, replica } = createFleet();
    const [a, b] = [replica('session-0'), replica('session-1')];
    const device = someone();
    await register(a, a.directory.hello('edge-0', 'i1'), device);
    const elsewhere = b.directory.hello('edge-0', 'i1');
    for (let second = 0; second < 60; second++) {
      clock.advance(1_000);
      if (second % 5 === 0) b.directory.heartbeat(elsewhere);
      await beat(a);
      expect(await handlesOf(a, device.userId)).toEqual([1]);
    }
  });

  it('ends at once when a new incarnation of the edge comes', async () => {
    const { replica } = createFleet();
    const a = replica('session-0');
    const old = a.directory.hello('edge-0', 'i1');
    const device = someone();
    await register(a, old, device);
    const young = a.directory.hello('edge-0', 'i2');
    expect(await handlesOf(a, device.userId)).toEqual([]);
    // What is still under way from the old process doesn't count, and its handles hit nobody.
    expect(await register(a, old, { ...device, handle: 9 })).toEqual({ kind: 'superseded' });
    await register(a, young, { ...device, handle: 1 });
    expect(await handlesOf(a, device.userId)).toEqual([1]);
    expect(a.evicted).toEqual([]);
  });
});

describe('several replicas', () => {
  it('finds sessions of before its restart, with the epochs of then', async () => {
    const { clock, replica } = createFleet();
    const a = replica('session-0');
    const device = someone();
    const epoch = epochOf(await register(a, a.directory.hello('edge-0', 'i1'), { ...device, handle: 5 }));
    await a.directory.flush();
    const restarted = replica('session-0');
    expect(await handlesOf(restarted, device.userId)).toEqual([5]);
    clock.jump(-60_000);
    const edge = restarted.directory.hello('edge-1', 'i1');
    expect(epochOf(await register(restarted, edge, { ...device, handle: 6 }))).toBe(epoch + 1);
    expect(restarted.evicted).toEqual([{ edge: 'edge-0', handle: 5, reason: 'superseded' }]);
  });

  it('finds nobody on an edge that died while it was away', async () => {
    const { clock, replica } = createFleet();
    const a = replica('session-0');
    const device = someone();
    await register(a, a.directory.hello('edge-0', 'i1'), device);
    await a.directory.flush();
    clock.advance(LEASE_MS);
    expect(await handlesOf(replica('session-0'), device.userId)).toEqual([]);
  });

  it('learns of a socket that registered at another replica, and evicts its own', async () => {
    const { archive, replica } = createFleet();
    const [owner, other] = [replica('session-0'), replica('session-1')];
    const device = someone();
    await register(owner, owner.directory.hello('edge-0', 'i1'), { ...device, handle: 1 });
    await owner.directory.flush();
    other.directory.hello('edge-0', 'i1');
    await register(other, other.directory.hello('edge-1', 'i1'), { ...device, handle: 2 });
    // Every edge is linked to every replica, so the other one evicts by itself.
    expect(other.evicted).toEqual([{ edge: 'edge-0', handle: 1, reason: 'superseded' }]);
    await beat(other);
    await owner.directory.reconcile(archive.takeTold('session-0'));
    expect(await handlesOf(owner, device.userId)).toEqual([2]);
    expect(await handlesOf(other, device.userId)).toEqual([2]);
  });

  it('does not answer from what it remembers of a user who has moved back to the owner', async () => {
    const { archive, replica } = createFleet();
    const [owner, other] = [replica('session-0'), replica('session-1')];
    const device = someone();
    const edge = other.directory.hello('edge-0', 'i1');
    const epoch = epochOf(await register(other, edge, { ...device, handle: 1 }));
    await beat(other);
    const linked = owner.directory.hello('edge-0', 'i1');
    await register(owner, linked, { ...device, handle: 1, epoch, again: true });
    owner.directory.unregister(linked, { ...device, handle: 1 });
    await beat(owner);
    expect(await handlesOf(other, device.userId)).toEqual([]);
    await other.directory.reconcile(archive.takeTold('session-1'));
    expect(other.directory.sessions).toBe(0);
    // Not even with the archive away.
    archive.away = true;
    expect(await handlesOf(other, device.userId)).toEqual([]);
  });

  it('gives way when the archive turns out to have a newer session', async () => {
    const { archive, replica } = createFleet();
    const a = replica('session-0');
    const device = someone();
    const edge = a.directory.hello('edge-0', 'i1');
    a.directory.hello('edge-1', 'i1');
    const epoch = epochOf(await register(a, edge, { ...device, handle: 1 }));
    const at = { deviceId: device.deviceId, edgeId: 'edge-1', incarnation: 'i1', by: 'session-1' };
    archive.users.set(device.userId, new Map([[device.deviceId, { ...at, handle: 2, epoch: epoch + 5 }]]));
    await a.directory.flush();
    expect(await handlesOf(a, device.userId)).toEqual([2]);
    expect(a.evicted).toEqual([{ edge: 'edge-0', handle: 1, reason: 'superseded' }]);
  });
});

describe('without the archive', () => {
  it('registers, takes over, looks up and removes from memory', async () => {
    const { archive, replica } = createFleet();
    archive.away = true;
    const a = replica('session-0');
    const edge = a.directory.hello('edge-0', 'i1');
    const device = someone();
    await register(a, edge, { ...device, handle: 1 });
    await register(a, edge, { ...device, handle: 2 });
    expect(await handlesOf(a, device.userId)).toEqual([2]);
    await a.directory.flush();
    expect(a.directory.archiveIncomplete).toBe(true);
    expect(a.evicted).toHaveLength(1);
  });

  it('does not call anybody offline before the edges had time to register again', async () => {
    const { archive, clock, replica } = createFleet();
    archive.away = true;
    const a = replica('session-0');
    const device = someone();
    await register(a, a.directory.hello('edge-0', 'i1'), device);
    expect(await handlesOf(a, device.userId)).toEqual([1]);
    await expect(a.directory.lookup([newId()])).rejects.toThrow(NotWarm);
    clock.advance(5_000);
    expect(await handlesOf(a, newId())).toEqual([]);
  });

  it('writes what was missed once it is back, removals too', async () => {
    const { archive, replica } = createFleet();
    const a = replica('session-0');
    const edge = a.directory.hello('edge-0', 'i1');
    const [stays, goes] = [someone(), someone()];
    await register(a, edge, goes);
    await a.directory.flush();
    archive.away = true;
    await register(a, edge, stays);
    a.directory.unregister(edge, { ...goes, handle: 1 });
    await a.directory.flush();
    archive.away = false;
    for (const _user of a.directory.rewrite());
    await a.directory.flush();
    expect([...archive.users.keys()]).toEqual([stays.userId]);
    expect(a.directory.archiveIncomplete).toBe(false);
  });

  it('writes everything again after a flush', async () => {
    const { archive, replica } = createFleet();
    const a = replica('session-0');
    const edge = a.directory.hello('edge-0', 'i1');
    const devices = Array.from({ length: 10 }, someone);
    for (const device of devices) await register(a, edge, device);
    await a.directory.flush();
    archive.flushAll();
    for (const _user of a.directory.rewrite());
    await a.directory.flush();
    expect(new Set(archive.users.keys())).toEqual(new Set(devices.map(({ userId }) => userId)));
  });
});

describe('closing devices', () => {
  it('closes the named ones, or all, wherever they are registered', async () => {
    const { replica } = createFleet();
    const [a, other] = [replica('session-0'), replica('session-1')];
    const edge = a.directory.hello('edge-0', 'i1');
    const userId = newId();
    const [phone, laptop, tablet] = [newId(), newId(), newId()];
    await register(a, edge, { userId, deviceId: phone, handle: 1 });
    await register(a, edge, { userId, deviceId: laptop, handle: 2 });
    await register(other, other.directory.hello('edge-0', 'i1'), { userId, deviceId: tablet, handle: 3 });
    await other.directory.flush();
    expect(await a.directory.closeDevices(userId, new Set([phone]))).toBe(1);
    expect(await a.directory.closeDevices(userId, new Set())).toBe(2);
    expect(a.evicted.map(({ handle, reason }) => `${String(handle)} ${reason}`).sort()).toEqual([
      '1 revoked',
      '2 revoked',
      '3 revoked',
    ]);
    expect(await handlesOf(a, userId)).toEqual([]);
    expect(await a.directory.closeDevices(newId(), new Set())).toBe(0);
  });
});

describe('users who are offline', () => {
  it('are asked for once in a while, and found as soon as they connect', async () => {
    const { archive, replica } = createFleet();
    const a = replica('session-0');
    const edge = a.directory.hello('edge-0', 'i1');
    const device = someone();
    for (let count = 0; count < 5; count++) expect(await handlesOf(a, device.userId)).toEqual([]);
    expect(archive.loads).toBe(1);
    await register(a, edge, device);
    expect(await handlesOf(a, device.userId)).toEqual([1]);
    const stranger = newId();
    await handlesOf(a, stranger);
    await a.directory.tick();
    await a.directory.tick();
    const before = archive.loads;
    await handlesOf(a, stranger);
    expect(archive.loads).toBe(before + 1);
  });
});
