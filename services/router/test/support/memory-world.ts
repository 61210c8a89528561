import { newId } from '@godwit/ids/id';
import { parseConversation } from '@godwit/ids/conversation';
import type { ConversationView, Role } from '../../src/domain/conversation.js';
import type { Interval } from '../../src/domain/intervals.js';
import { KIND } from '../../src/domain/kind.js';
import type {
  ConversationSource,
  DeviceSource,
  LoadedConversation,
  LoadOptions,
  Relation,
  RelationQuery,
  RelationSource,
  Session,
  SessionDirectory,
  UserConversation,
  UserConversationsPage,
  Wake,
  WakeSink,
} from '../../src/domain/ports.js';
import { conversationNotFound, userNotFound } from '../../src/domain/refusal.js';
import { MemoryLog } from './memory-log.js';

/** Who is connected where. */
export class MemorySessions implements SessionDirectory {
  readonly sessions = new Map<string, Session[]>();
  away = false;
  lookups = 0;

  connect(userId: string, session: Session): void {
    const others = (this.sessions.get(userId) ?? []).filter(({ deviceId }) => deviceId !== session.deviceId);
    this.sessions.set(userId, [...others, session]);
  }

  disconnect(userId: string, deviceId: string): void {
    const left = (this.sessions.get(userId) ?? []).filter((session) => session.deviceId !== deviceId);
    this.sessions.set(userId, left);
  }

  lookup(userIds: readonly string[]): Promise<ReadonlyMap<string, readonly Session[]>> {
    this.lookups++;
    if (this.away) return Promise.resolve(new Map());
    return Promise.resolve(new Map(userIds.map((userId) => [userId, this.sessions.get(userId) ?? []])));
  }
}

/** What `group` knows; private conversations begin in the log when asked for. */
export class MemoryConversations implements ConversationSource {
  readonly #log: MemoryLog;
  readonly groups = new Map<string, ConversationView>();
  away = false;
  loads = 0;

  constructor(log: MemoryLog) {
    this.#log = log;
  }

  /** A group whose log begins with its creation. */
  group(conversationId: string, members: Readonly<Record<string, Role>>): ConversationView {
    this.#begin(conversationId);
    const view: ConversationView = {
      conversationId,
      version: 1,
      whoMaySend: 'everyone',
      members: new Map(
        Object.entries(members).map(([userId, role]) => [
          userId,
          { role, intervals: [{ from: 1, to: Infinity }], mutedUntilMs: 0 },
        ]),
      ),
      memberCount: Object.keys(members).length,
    };
    this.groups.set(conversationId, view);
    return view;
  }

  load(conversationId: string, { create }: LoadOptions): Promise<LoadedConversation> {
    this.loads++;
    if (this.away) return Promise.reject(new Error('group is away'));
    const parsed = parseConversation(conversationId);
    if (parsed?.kind === 'private' && !this.groups.has(conversationId)) {
      if (!create) return Promise.resolve({ found: false, refusal: conversationNotFound });
      if (parsed.users.some((userId) => this.unknownUsers.has(userId))) {
        return Promise.resolve({ found: false, refusal: userNotFound });
      }
      this.group(conversationId, Object.fromEntries(parsed.users.map((userId) => [userId, 'member'])));
    }
    const view = this.groups.get(conversationId);
    if (view === undefined) return Promise.resolve({ found: false, refusal: conversationNotFound });
    const members = new Map([...view.members].map(([id, member]) => [id, structuredClone(member)]));
    return Promise.resolve({ found: true, view: { ...view, members } });
  }

  readonly unknownUsers = new Set<string>();

  ofUser({ userId }: { readonly userId: string }): Promise<UserConversationsPage> {
    const conversations = [...this.groups.values()].flatMap(({ conversationId, members, memberCount, version }) => {
      const intervals: readonly Interval[] | undefined = members.get(userId)?.intervals;
      return intervals === undefined ? [] : [{ conversationId, intervals, memberCount, version }];
    });
    return Promise.resolve({ conversations, nextPageToken: '' });
  }

  async ofUsers(userIds: readonly string[]): Promise<ReadonlyMap<string, readonly UserConversation[]>> {
    const pages = await Promise.all(userIds.map(async (userId) => this.ofUser({ userId })));
    return new Map(userIds.map((userId, index) => [userId, pages[index]?.conversations ?? []]));
  }

  #begin(conversationId: string): void {
    this.#log.append('store-0', {
      conversationId,
      senderUserId: newId(),
      senderDeviceId: '',
      clientMessageId: 'created',
      kind: KIND.membership,
      targetSeq: 0,
      mediaIds: [],
      expiresAtMs: 0,
      membershipVersion: 0,
      envelope: new Uint8Array(),
      bodyHash: new Uint8Array(),
      retry: true,
      lookupOnly: false,
      senderIsAdmin: true,
      traceparent: '',
    });
  }
}

/** How users stand to each other; by default they know nothing bad. */
export class MemoryRelations implements RelationSource {
  readonly set = new Map<string, Partial<Relation>>();
  away = false;

  relations(queries: readonly RelationQuery[]): Promise<readonly Relation[]> {
    if (this.away) return Promise.reject(new Error('account is away'));
    return Promise.resolve(
      queries.map(({ owner, other }) => ({
        ownerExists: true,
        blocked: false,
        showsReads: true,
        ...this.set.get(`${owner} ${other}`),
      })),
    );
  }
}

export class MemoryWakes implements WakeSink {
  readonly wakes: Wake[] = [];
  away = false;

  store(wake: Wake): Promise<void> {
    if (this.away) return Promise.reject(new Error('NATS is away'));
    this.wakes.push(wake);
    return Promise.resolve();
  }
}

export const memoryDevices: DeviceSource = {
  registeredAt: (devices) => Promise.resolve(new Map(devices.map(({ deviceId }) => [deviceId, 1]))),
};

/** Everything a router talks to, in memory. */
export const createWorld = () => {
  const log = new MemoryLog();
  return {
    log,
    sessions: new MemorySessions(),
    conversations: new MemoryConversations(log),
    relations: new MemoryRelations(),
    wakes: new MemoryWakes(),
    devices: memoryDevices,
  };
};

export type World = ReturnType<typeof createWorld>;
