import { createServer, connect, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { privateConversation } from '@godwit/ids/conversation';
import { freePorts } from '@godwit/testkit/free-port';
import { waitFor } from '@godwit/testkit/wait-for';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { device, Fleet } from './people.js';

/** A TCP relay of the test's own; what the target answers can be swallowed, as by a network that fails one way. */
class Relay {
  readonly port: number;
  readonly #target: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #swallowing = false;

  constructor(port: number, target: number) {
    this.port = port;
    this.#target = target;
    this.#server = createServer((incoming) => {
      const outgoing = connect(this.#target, '127.0.0.1');
      incoming.pipe(outgoing);
      outgoing.on('data', (data) => {
        if (!this.#swallowing) incoming.write(data);
      });
      for (const [one, other] of [
        [incoming, outgoing],
        [outgoing, incoming],
      ] as const) {
        this.#sockets.add(one);
        one.on('error', () => other.destroy());
        one.on('close', () => {
          this.#sockets.delete(one);
          other.destroy();
        });
      }
    });
  }

  async listen(): Promise<void> {
    this.#server.listen(this.port, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  /** From now on nothing comes back, though the connections stay. */
  swallow(): void {
    this.#swallowing = true;
  }

  /** New connections work again; those that lost bytes are cut. */
  heal(): void {
    this.#swallowing = false;
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

describe('a live delivery that is lost on the way', () => {
  let fleet: Fleet;
  let relays: Relay[] = [];

  beforeAll(async () => {
    // The recipient's edge reaches both routers through relays, so that deliveries to it can be made to vanish.
    const ports = await freePorts(4);
    const [first = 0, second = 0, relayed0 = 0, relayed1 = 0] = ports;
    relays = [new Relay(relayed0, first), new Relay(relayed1, second)];
    for (const relay of relays) await relay.listen();
    fleet = await Fleet.start({
      envOf: {
        'router-0': { GODWIT_GRPC_LISTEN: `127.0.0.1:${String(first)}` },
        'router-1': { GODWIT_GRPC_LISTEN: `127.0.0.1:${String(second)}` },
        ...routersFor(['edge-0', 'group-0'], [first, second]),
        ...routersFor(['edge-1'], [relayed0, relayed1]),
      },
    });
  });

  afterEach(async () => {
    for (const relay of relays) relay.heal();
    await fleet.closeClients();
  });

  afterAll(async () => {
    await fleet.stop();
    for (const relay of relays) await relay.close();
  });

  it('reaches the device within 10 s, without new traffic in that conversation', async () => {
    const [alice, bob] = await fleet.people(2);
    const conversation = privateConversation(alice?.userId ?? '', bob?.userId ?? '');
    const a = await fleet.sdk(device(alice), { edges: [fleet.edge(0)] });
    const b = await fleet.foreign(device(bob), 1);
    await a.client.send(conversation, { text: 'first' });
    await waitFor(() => b.texts(conversation).includes('first'));
    for (const relay of relays) relay.swallow();
    await a.client.send(conversation, { text: 'the last message of a quiet chat' });
    for (const relay of relays) relay.heal();
    await waitFor(() => b.texts(conversation).length === 2, { timeoutMs: 10_000 });
    expect(b.texts(conversation)).toEqual(['first', 'the last message of a quiet chat']);
    expect(b.closed).toBeUndefined();
  });
});

function routersFor(
  replicas: readonly string[],
  [first = 0, second = 0]: readonly number[],
): Record<string, Record<string, string>> {
  const nodes = `router-0=127.0.0.1:${String(first)},router-1=127.0.0.1:${String(second)}`;
  return Object.fromEntries(replicas.map((name) => [name, { GODWIT_ROUTER_NODES: nodes }]));
}
