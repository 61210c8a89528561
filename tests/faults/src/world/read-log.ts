import { MongoClient, type Db } from 'mongodb';
import type { GoneReason, Interval, LoggedMessage, LogSnapshot, MarkSample, Membership } from '../history.js';

// Not through the fleet: with the driver, at majority, as the collections are described in DESIGN.

const REASONS: Readonly<Record<number, GoneReason>> = {
  1: 'EXPIRED',
  2: 'DELIVERED',
  3: 'DELETED',
  4: 'NOT_A_MEMBER',
};

interface StoredMessage {
  readonly conversationId: string;
  readonly seq: number;
  readonly senderId: string;
  readonly senderDevice: string;
  readonly clientMessageId: string;
  readonly serverTime: Date;
  readonly kind: number;
  readonly targetSeq?: number;
  readonly expiresAt: Date;
  readonly goneReason?: number;
  readonly hasPayload: boolean;
}

type Filter = { readonly conversationId?: { readonly $in: string[] } };

interface StoredMark {
  readonly conversationId: string;
  readonly userId: string;
  readonly high?: number;
  readonly read?: number;
  readonly delivered?: Readonly<Record<string, number>>;
}

/** The database of the fleet under test, read and (by sabotage) written behind its back. */
export class LogReader implements AsyncDisposable {
  readonly db: Db;
  readonly #client: MongoClient;

  constructor(url: string, namespace: string) {
    this.#client = new MongoClient(url, {
      readConcern: { level: 'majority' },
      readPreference: 'primary',
      writeConcern: { w: 'majority' },
      serverSelectionTimeoutMS: 20_000,
      socketTimeoutMS: 20_000,
    });
    this.db = this.#client.db(namespace);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.close();
  }

  /** Of these conversations. */
  async snapshot(conversationIds: readonly string[], epochMs: number): Promise<LogSnapshot> {
    const within = { conversationId: { $in: [...conversationIds] } };
    const [messages, heads, members] = await Promise.all([
      this.#messages(within),
      this.#heads(within),
      this.#members(within),
    ]);
    return { messages, heads, members, epochMs };
  }

  async marks(at: number): Promise<MarkSample[]> {
    const found = await this.db
      .collection<StoredMark>('deliveries')
      .find(
        {},
        { projection: { _id: 0, conversationId: 1, userId: 1, high: 1, read: 1, delivered: 1 }, maxTimeMS: 5_000 },
      )
      .toArray();
    return found.map(({ conversationId, userId, high = 0, read = 0, delivered = {} }) => ({
      at,
      conversationId,
      userId,
      high,
      read,
      delivered,
    }));
  }

  /** How many messages still have their payload. */
  async payloadsLeft(): Promise<number> {
    return this.db.collection('messages').countDocuments({ envelope: { $exists: true } });
  }

  /** The last seq of each conversation for each of those who are in it now. */
  async standing(): Promise<{ conversationId: string; userId: string; lastSeq: number; lastDevice: string }[]> {
    const lasts = await this.db
      .collection('messages')
      .aggregate<{ _id: string; lastSeq: number; lastDevice: string }>([
        { $sort: { conversationId: 1, seq: 1 } },
        { $group: { _id: '$conversationId', lastSeq: { $last: '$seq' }, lastDevice: { $last: '$senderDevice' } } },
      ])
      .toArray();
    const members = await this.#members();
    return lasts.flatMap(({ _id: conversationId, lastSeq, lastDevice }) =>
      members
        .filter((member) => member.conversationId === conversationId && member.intervals.at(-1)?.toSeq === 0)
        .map(({ userId }) => ({ conversationId, userId, lastSeq, lastDevice })),
    );
  }

  async #messages(within: Filter): Promise<LoggedMessage[]> {
    const found = await this.db
      .collection('messages')
      .aggregate<StoredMessage>([
        { $match: within },
        { $sort: { conversationId: 1, seq: 1 } },
        { $set: { hasPayload: { $ne: [{ $type: '$envelope' }, 'missing'] } } },
        { $unset: ['_id', 'envelope', 'bodyHash'] },
      ])
      .toArray();
    return found.map((stored) => ({
      conversationId: stored.conversationId,
      seq: stored.seq,
      senderId: stored.senderId,
      senderDevice: stored.senderDevice,
      id: stored.clientMessageId,
      serverTimeMs: stored.serverTime.getTime(),
      kind: stored.kind,
      targetSeq: stored.targetSeq ?? 0,
      hasPayload: stored.hasPayload,
      goneReason: stored.goneReason === undefined ? undefined : (REASONS[stored.goneReason] ?? 'UNSPECIFIED'),
      expiresAtMs: stored.expiresAt.getTime(),
    }));
  }

  async #heads(within: Filter): Promise<LogSnapshot['heads'][number][]> {
    const found = await this.db
      .collection<{ conversationId: string; headSeq?: number; floorSeq?: number }>('conversations')
      .find(within)
      .toArray();
    return found.map(({ conversationId, headSeq = 0, floorSeq = 0 }) => ({ conversationId, headSeq, floorSeq }));
  }

  async #members(within: Filter = {}): Promise<Membership[]> {
    interface Stored {
      readonly conversationId: string;
      readonly userId: string;
      readonly intervals: readonly { readonly from: number; readonly to?: number }[];
    }
    const found = await this.db.collection<Stored>('members').find(within).toArray();
    return found.map(({ conversationId, userId, intervals }) => ({
      conversationId,
      userId,
      intervals: intervals.map(({ from, to }): Interval => ({ fromSeq: from, toSeq: to ?? 0 })),
    }));
  }
}

/** Marks as they were, moment after moment: whoever lowers one and raises it again is seen if it takes a second. */
export class MarkSampler {
  readonly samples: MarkSample[] = [];
  readonly #reader: LogReader;
  readonly #now: () => number;
  readonly #last = new Map<string, string>();
  readonly #timer: ReturnType<typeof setInterval>;
  #sampling: Promise<void> | undefined;

  constructor(reader: LogReader, now: () => number, everyMs = 1_000) {
    this.#reader = reader;
    this.#now = now;
    this.#timer = setInterval(() => {
      if (this.#sampling === undefined) void this.sample();
    }, everyMs);
  }

  /** Resolves with a sample that was begun after the call. */
  async sample(): Promise<void> {
    await this.#sampling;
    this.#sampling ??= this.#take().finally(() => {
      this.#sampling = undefined;
    });
    return this.#sampling;
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.sample();
  }

  async #take(): Promise<void> {
    try {
      for (const sample of await this.#reader.marks(this.#now())) {
        const key = `${sample.conversationId} ${sample.userId}`;
        const value = JSON.stringify([sample.high, sample.read, sample.delivered]);
        if (this.#last.get(key) === value) continue;
        this.#last.set(key, value);
        this.samples.push(sample);
      }
    } catch {
      // No primary now: the next sample sees what this one would have.
    }
  }
}
