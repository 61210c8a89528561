import { GodwitClient } from '@godwit/client/client';
import type { ClientOptions } from '@godwit/client/client-options';
import { textOf } from '@godwit/client/message';
import { nodeSocket } from '@godwit/client/node-socket';
import { fixedToken } from '@godwit/client/tokens';
import { newId } from '@godwit/ids/id';
import { LIFTED_EDGE_LIMITS } from '@godwit/local-stack/lifted-limits';
import { Stack, type StackOptions } from '@godwit/local-stack/stack';
import { AccountServiceClient } from '@godwit/proto/gen/grpc/godwit/account/v1/account';
import { watchMongoProfile, type MongoProfileWatch } from '@godwit/testkit/mongo-profile-watcher';
import { credentials } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { ForeignClient } from './foreign-client.js';
import { teamCall } from './team-call.js';

/** Of the fleets of these tests: each has servers of its own. */
export const NAMESPACE = 'godwit';

export interface Device {
  readonly userId: string;
  readonly deviceId: string;
  readonly accessToken: string;
}

/** A user with signed-in devices. */
export interface Person {
  readonly userId: string;
  readonly devices: readonly Device[];
}

/** An SDK client and what it has shown. */
export interface Watched {
  readonly client: GodwitClient;
  texts(conversationId: string): string[];
}

/** A whole fleet on real servers for the tests of a file, with people in it. */
export class Fleet {
  readonly stack: Stack;
  readonly #open: { close(): unknown }[] = [];

  private constructor(stack: Stack) {
    this.stack = stack;
  }

  static async start(options: Partial<StackOptions> = {}): Promise<Fleet> {
    const envOf = { ...options.envOf, edge: { ...LIFTED_EDGE_LIMITS, ...options.envOf?.['edge'] } };
    return new Fleet(await Stack.start({ ports: 'free', supervise: true, namespace: NAMESPACE, ...options, envOf }));
  }

  async stop(): Promise<void> {
    await this.closeClients();
    await this.stack.stop();
  }

  async closeClients(): Promise<void> {
    await Promise.all(this.#open.splice(0).map((client) => client.close()));
  }

  /** What the services have complained about last, for the reader of a failed test. */
  async troubles(linesOfEach = 12): Promise<string> {
    const logs = await Promise.all(
      this.stack.replicas.map(async ({ name }) => {
        const lines = (await this.stack.logs(name)).split('\n');
        const complaints = lines.filter((line) => /"level":"(warn|error|fatal)"/.test(line));
        return [name, ...complaints.slice(-linesOfEach).map((line) => line.slice(0, 600))].join('\n  ');
      }),
    );
    return logs.join('\n');
  }

  edge(index: number): string {
    const { edges } = this.stack;
    return edges[index % edges.length] ?? '';
  }

  /** New users, each with the same number of devices. */
  async people(count: number, devices = 1, tokenValidSeconds = 3_600): Promise<Person[]> {
    const client = new AccountServiceClient(this.stack.grpcAddress('account-0'), credentials.createInsecure());
    const users = Array.from({ length: count }, () => ({
      externalId: newId(),
      phone: '',
      userName: '',
      displayName: '',
    }));
    try {
      const response = await teamCall(
        client.importUsers.bind(client),
        { users, devicesPerUser: devices, tokenValidSeconds },
        { apiKey: this.stack.secrets.adminApiKey },
      );
      return response.users.map(({ userId, devices: made, refusedReason }) => {
        if (refusedReason !== '') throw new Error(`not imported: ${refusedReason}`);
        return { userId, devices: made.map((device) => ({ userId, ...device })) };
      });
    } finally {
      client.close();
    }
  }

  async foreign(device: Device, edge = 0, former?: ForeignClient): Promise<ForeignClient> {
    const client = await ForeignClient.connect(this.edge(edge), device.accessToken, former);
    this.#open.push(client);
    return client;
  }

  /** An SDK client that is online. */
  async sdk(device: Device, options: Partial<ClientOptions> = {}): Promise<Watched> {
    const client = new GodwitClient({
      edges: this.stack.edges,
      tokens: fixedToken(device.accessToken),
      socket: nodeSocket,
      ...options,
    });
    this.#open.push(client);
    const shown = new Map<string, string[]>();
    client.on('message', (message) => {
      const text = textOf(message);
      if (text === undefined) return;
      shown.set(message.conversationId, [...(shown.get(message.conversationId) ?? []), text]);
    });
    await client.connect();
    return { client, texts: (conversationId) => shown.get(conversationId) ?? [] };
  }
}

/** Fails the file when any process of the fleet sent MongoDB a command that a cluster would ask every shard for. */
export function watchTargeting(fleet: () => Fleet): void {
  let watch: MongoProfileWatch | undefined;
  beforeAll(async () => {
    const { servers } = fleet().stack;
    watch = await watchMongoProfile({ mongoUrl: servers.urls.mongo, database: NAMESPACE });
  });
  afterAll(async () => {
    await watch?.assertTargeted();
    await watch?.[Symbol.asyncDispose]();
  });
}

/** One fleet for all tests of a file; its clients are closed after each. */
export function fleetOfFile(options: Partial<StackOptions> = {}): () => Fleet {
  let fleet: Fleet | undefined;
  beforeAll(async () => {
    fleet = await Fleet.start(options);
  });
  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail') console.log(await fleet?.troubles());
    await fleet?.closeClients();
  });
  afterAll(async () => {
    await fleet?.stop();
  });
  return () => {
    if (fleet === undefined) throw new Error('the fleet has not started');
    return fleet;
  };
}

/** The device of a person, which tests know to be there. */
export function device(person: Person | undefined, index = 0): Device {
  const found = person?.devices[index];
  if (found === undefined) throw new Error(`no device ${String(index)}`);
  return found;
}
