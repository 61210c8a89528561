import { peerAddresses } from '@godwit/local-stack/service-environment';
import { DEFAULT_PORTS, fleetWith, GODWIT_FLEET, planned, portsFrom, replicasOf } from '@godwit/local-stack/topology';
import { describe, expect, it } from 'vitest';

describe('the local fleet', () => {
  it('has the replicas and addresses of the README', async () => {
    const replicas = await replicasOf(GODWIT_FLEET, planned(DEFAULT_PORTS));
    expect(replicas.map((replica) => replica.name)).toEqual([
      'edge-0',
      'edge-1',
      'router-0',
      'router-1',
      'message-store-0',
      'message-store-1',
      'session-0',
      'session-1',
      'group-0',
      'account-0',
      'presence-0',
      'push-0',
    ]);
    expect(replicas.flatMap((replica) => replica.publicPort ?? [])).toEqual([8080, 8081]);
    expect(peerAddresses(replicas)).toMatchObject({
      GODWIT_ROUTER_NODES: 'router-0=127.0.0.1:7102,router-1=127.0.0.1:7103',
      GODWIT_MESSAGE_STORE_NODES: 'message-store-0=127.0.0.1:7104,message-store-1=127.0.0.1:7105',
      GODWIT_PUSH_NODES: 'push-0=127.0.0.1:7111',
    });
    expect(peerAddresses(replicas)).not.toHaveProperty('GODWIT_EDGE_NODES');
  });

  it('uses no port twice when all are moved to one base', async () => {
    const plan = portsFrom(20_000);
    const replicas = await replicasOf(GODWIT_FLEET, planned(plan));
    const ofServices = replicas.flatMap((replica) => [replica.grpcPort, replica.httpPort, replica.publicPort ?? []]);
    const ofServers = [
      plan.mongo,
      plan.mongo + 1,
      plan.mongo + 2,
      plan.nats,
      plan.redis,
      plan.redis + 1,
      plan.redis + 2,
    ];
    const all = [...ofServices.flat(), ...ofServers];
    expect(new Set(all).size).toBe(all.length);
    expect(Math.max(...all)).toBeLessThan(20_300);
  });
});

describe('other counts of replicas', () => {
  it('are of the services named', () => {
    const counts = Object.fromEntries(fleetWith('router=3,push=1').map(({ service, replicas }) => [service, replicas]));
    expect(counts).toMatchObject({ router: 3, push: 1, edge: 2, 'message-store': 2 });
  });

  it('of what is not there are refused', () => {
    expect(() => fleetWith('routers=3')).toThrow('There is no service routers.');
    expect(() => fleetWith('router=0')).toThrow('Expected router=1 to router=9.');
    expect(() => fleetWith('router')).toThrow('Expected router=1');
  });
});
