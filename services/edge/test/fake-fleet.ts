import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { newId } from '@godwit/ids/id';
import { AccountServiceService, type RedeemTicketResponse } from '@godwit/proto/gen/grpc/godwit/account/v1/account';
import { GroupServiceService } from '@godwit/proto/gen/grpc/godwit/group/v1/group';
import {
  PresenceServiceService,
  type EdgeToPresence,
  type PresenceToEdge,
} from '@godwit/proto/gen/grpc/godwit/presence/v1/presence';
import { PushServiceService } from '@godwit/proto/gen/grpc/godwit/push/v1/push';
import {
  RouterServiceService,
  type EdgeToRouter,
  type RouterToEdge,
  type SendItem,
  type SyncOpen,
} from '@godwit/proto/gen/grpc/godwit/router/v1/router';
import {
  SessionServiceService,
  type EdgeToSession,
  type Register,
  type SessionToEdge,
} from '@godwit/proto/gen/grpc/godwit/session/v1/session';
import type { NodeAddress } from '@godwit/ring/node-address';
import type { CallContext } from '@godwit/rpc/call-context';
import type { Definition } from '@godwit/rpc/method';
import { serve, startRpcServer, type Handlers, type ServedService } from '@godwit/rpc/server';
import type { ServerStream } from '@godwit/rpc/server-stream';
import { unavailable } from '@godwit/rpc/rpc-error';
import { Lifecycle } from '@godwit/runtime/lifecycle';
import { silentLogger } from '@godwit/runtime/logger';
import { createMetrics } from '@godwit/telemetry/metrics';

// Stand-ins for the services that an edge talks to, each a real gRPC server: what they are asked is written down, what
// they answer is the test's to say.

export const FLEET_TOKEN = 'the-token-of-the-test-fleet';

const unimplemented = <D extends Definition>(definition: D, handlers: Partial<Handlers<D>>): Handlers<D> =>
  Object.fromEntries(
    Object.keys(definition).map((name) => [
      name,
      handlers[name as keyof D] ?? (() => Promise.reject(unavailable('NOT_FAKED', `${name} is not faked`))),
    ]),
  ) as unknown as Handlers<D>;

export interface Fake {
  readonly address: NodeAddress;
  readonly life: Lifecycle;
  stop(): Promise<void>;
}

export const startFake = async (name: string, service: ServedService, port = 0): Promise<Fake> => {
  const life = new Lifecycle({ logger: silentLogger, deadlineMs: 2_000 });
  const server = await startRpcServer({
    listen: { host: '127.0.0.1', port },
    services: [service],
    auth: { fleetToken: [FLEET_TOKEN] },
    metrics: createMetrics({ service: name, node: name, processMetrics: false }),
    reflection: false,
    life,
  });
  return {
    address: { name, host: '127.0.0.1', port: server.port },
    life,
    stop: async () => {
      await life.stop();
    },
  };
};

const emptyRouterFrame = (): RouterToEdge => ({
  sendOutcomes: [],
  batches: [],
  syncEvents: [],
  fetchOutcomes: [],
  notices: [],
});

type RouterStream = ServerStream<EdgeToRouter, RouterToEdge>;

/** Stores what it is sent, by default, and completes every sync at once. */
export class FakeRouter {
  readonly name: string;
  readonly sends: SendItem[] = [];
  readonly frames: EdgeToRouter[] = [];
  readonly syncs: SyncOpen[] = [];
  /** `godwit-user/godwit-device` of unary calls. */
  readonly actors: string[] = [];
  stream: RouterStream | undefined;
  onSend: (item: SendItem) => void;
  onSync: (open: SyncOpen) => void;
  #seq = 0;
  #fake: Fake | undefined;

  constructor(name: string) {
    this.name = name;
    this.onSend = (item) => {
      this.#seq += 1;
      this.stored(item, this.#seq);
    };
    this.onSync = ({ syncId }) => {
      this.say({ syncEvents: [{ syncId, event: { $case: 'done', value: { serverTimeMs: Date.now() } } }] });
    };
  }

  get address(): NodeAddress {
    if (this.#fake === undefined) throw new Error('not started');
    return this.#fake.address;
  }

  async start(port = 0): Promise<void> {
    const service = serve(
      RouterServiceService,
      unimplemented(RouterServiceService, {
        link: (stream: RouterStream) => {
          this.stream = stream;
          stream.onFrame((frame) => {
            this.#take(frame);
          });
          stream.onEnd(() => {
            if (this.stream === stream) this.stream = undefined;
          });
        },
        sendMessage: async ({ conversationId, clientMessageId }, context: CallContext) => {
          this.actors.push(`${context.user ?? ''}/${context.metadata('godwit-device') ?? ''}`);
          const value = { conversationId, clientMessageId, seq: 5, serverTimeMs: 6, duplicate: false };
          return { outcome: { $case: 'ack', value } };
        },
      }),
    );
    this.#fake = await startFake(this.name, service, port);
  }

  say(frame: Partial<RouterToEdge>): void {
    this.stream?.send({ ...emptyRouterFrame(), ...frame });
  }

  stored({ requestId }: SendItem, seq: number): void {
    const value = { seq, serverTimeMs: 1_700_000_000_000 + seq, duplicate: false };
    this.say({ sendOutcomes: [{ requestId, outcome: { $case: 'stored', value } }] });
  }

  async stop(): Promise<void> {
    this.stream = undefined;
    await this.#fake?.stop();
  }

  #take(frame: EdgeToRouter): void {
    this.frames.push(frame);
    for (const item of frame.sends) {
      this.sends.push(item);
      this.onSend(item);
    }
    for (const open of frame.syncOpens) {
      this.syncs.push(open);
      this.onSync(open);
    }
  }
}

type SessionStream = ServerStream<EdgeToSession, SessionToEdge>;

/** Registers whoever comes, and evicts the former socket of a device. */
export class FakeSession {
  readonly registers: Register[] = [];
  readonly unregistered: number[] = [];
  heartbeats = 0;
  stream: SessionStream | undefined;
  onRegister: (register: Register) => void;
  #epoch = 1_000;
  #fake: Fake | undefined;
  readonly #handles = new Map<string, number>();

  constructor() {
    this.onRegister = (register) => {
      this.accept(register);
    };
  }

  get address(): NodeAddress {
    if (this.#fake === undefined) throw new Error('not started');
    return this.#fake.address;
  }

  /** The handle of a device's socket. */
  handleOf(deviceId: string): number {
    return this.#handles.get(deviceId) ?? 0;
  }

  async start(name = 'session-0', port = 0): Promise<void> {
    const service = serve(
      SessionServiceService,
      unimplemented(SessionServiceService, {
        link: (stream: SessionStream) => {
          this.stream = stream;
          stream.onFrame((frame) => {
            if (frame.heartbeat) this.heartbeats += 1;
            for (const register of frame.registers) {
              this.registers.push(register);
              this.onRegister(register);
            }
            for (const { handle } of frame.unregisters) this.unregistered.push(handle);
          });
        },
      }),
    );
    this.#fake = await startFake(name, service, port);
  }

  accept({ requestId, deviceId, handle, epoch, again }: Register): void {
    const former = this.#handles.get(deviceId);
    this.#handles.set(deviceId, handle);
    this.#epoch += 1;
    const registered = [{ requestId, epoch: again ? epoch : Math.max(this.#epoch, epoch + 1), superseded: false }];
    const evicts = former === undefined || former === handle ? [] : [{ handle: former, reason: 1 as const }];
    this.stream?.send({ registered, evicts });
  }

  evict(handle: number, reason: 1 | 2): void {
    this.stream?.send({ registered: [], evicts: [{ handle, reason }] });
  }

  async stop(): Promise<void> {
    await this.#fake?.stop();
  }
}

export class FakePresence {
  readonly frames: EdgeToPresence[] = [];
  stream: ServerStream<EdgeToPresence, PresenceToEdge> | undefined;
  #fake: Fake | undefined;

  get address(): NodeAddress {
    if (this.#fake === undefined) throw new Error('not started');
    return this.#fake.address;
  }

  async start(port = 0): Promise<void> {
    const service = serve(
      PresenceServiceService,
      unimplemented(PresenceServiceService, {
        link: (stream: ServerStream<EdgeToPresence, PresenceToEdge>) => {
          this.stream = stream;
          stream.onFrame((frame) => {
            this.frames.push(frame);
            const outcomes = frame.subscribes
              .filter(({ requestId }) => requestId !== 0)
              .map(({ requestId }) => ({ requestId, refusedReason: '', refusedField: '' }));
            if (outcomes.length > 0) stream.send({ updates: [], subscribeOutcomes: outcomes });
          });
        },
      }),
    );
    this.#fake = await startFake('presence-0', service, port);
  }

  async stop(): Promise<void> {
    await this.#fake?.stop();
  }
}

const ALGORITHM = 'EdDSA';

/** Signs tokens with a real key, and knows which devices still stand. */
export class FakeAccount {
  readonly removed = new Set<string>();
  readonly tickets = new Map<string, RedeemTicketResponse>();
  readonly actors: string[] = [];
  keyFetches = 0;
  readonly #devices = new Map<string, Set<string>>();
  #keys = generateKeyPair(ALGORITHM, { extractable: true });
  #keyId = 'key-1';
  #fake: Fake | undefined;

  get address(): NodeAddress {
    if (this.#fake === undefined) throw new Error('not started');
    return this.#fake.address;
  }

  async start(handlers: Partial<Handlers<typeof AccountServiceService>> = {}): Promise<void> {
    const service = serve(
      AccountServiceService,
      unimplemented(AccountServiceService, {
        getJwks: async () => {
          this.keyFetches += 1;
          const jwk = await exportJWK((await this.#keys).publicKey);
          return { jwksJson: JSON.stringify({ keys: [{ ...jwk, kid: this.#keyId, alg: ALGORITHM, use: 'sig' }] }) };
        },
        getUserDevices: async ({ userIds }) => ({
          users: userIds.map((userId) => {
            const deviceIds = [...(this.#devices.get(userId) ?? [])].filter((id) => !this.removed.has(id));
            return { userId, deviceIds, registeredAtMs: deviceIds.map(() => 1) };
          }),
        }),
        redeemTicket: async ({ ticket }) => {
          const redeemed = this.tickets.get(ticket);
          this.tickets.delete(ticket);
          return redeemed ?? { userId: '', deviceId: '', tokenExpiresAtMs: 0 };
        },
        getProfile: async ({ userId }, context: CallContext) => {
          this.actors.push(`${context.user ?? ''}/${context.metadata('godwit-device') ?? ''}`);
          const known = { displayName: 'Ann', pictureMediaId: '', about: '', userName: 'ann' };
          return { profile: { userId: userId === '' ? (context.user ?? '') : userId, ...known } };
        },
        ...handlers,
      }),
    );
    this.#fake = await startFake('account-0', service);
  }

  /** It is a device of its user. */
  know({ userId, deviceId }: Device): void {
    this.#devices.set(userId, (this.#devices.get(userId) ?? new Set()).add(deviceId));
  }

  rotateKey(): void {
    this.#keys = generateKeyPair(ALGORITHM, { extractable: true });
    this.#keyId = 'key-2';
  }

  async token(device: Device, { validSeconds = 900, claims = {}, forged = false } = {}): Promise<string> {
    this.know(device);
    const { privateKey } = forged ? await generateKeyPair(ALGORITHM) : await this.#keys;
    return new SignJWT({ dev: device.deviceId, ...claims })
      .setProtectedHeader({ alg: ALGORITHM, kid: this.#keyId })
      .setSubject(device.userId)
      .setIssuer('godwit')
      .setAudience('godwit-edge')
      .setIssuedAt()
      .setExpirationTime(Math.floor(Date.now() / 1_000) + validSeconds)
      .sign(privateKey);
  }

  async stop(): Promise<void> {
    await this.#fake?.stop();
  }
}

export interface Device {
  readonly userId: string;
  readonly deviceId: string;
}

export const newDevice = (userId = newId()): Device => ({ userId, deviceId: newId() });

export const startOther = async (
  service: 'group' | 'push',
  handlers: Partial<Handlers<typeof GroupServiceService>> = {},
): Promise<Fake> =>
  service === 'group'
    ? startFake('group-0', serve(GroupServiceService, unimplemented(GroupServiceService, handlers)))
    : startFake('push-0', serve(PushServiceService, unimplemented(PushServiceService, {})));
