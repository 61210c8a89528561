import { NO_HEAD, type Head } from '../src/domain/head-cache.js';
import {
  idKey,
  placeKey,
  type MessageId,
  type MessagePlace,
  type NumberedMessage,
  type StoredAck,
  type TargetMessage,
} from '../src/domain/message.js';
import type { AppendLog, InsertResult } from '../src/domain/message-log.js';

/** What may happen at a step. */
export type Fault =
  | 'none'
  /** A read without an answer. */
  | 'read-fails'
  /** Landed, but the answer was lost. */
  | 'landed-unknown'
  /** Only some of the batch landed, the answer was lost. */
  | 'partly-landed-unknown'
  /** Never landed. */
  | 'lost-unknown'
  /** Lands after its timeout, when other things have happened. */
  | 'lands-late'
  /** On the old primary only: seen by its unique index for a while, then gone. */
  | 'rolled-back';

export interface StoredDocument extends NumberedMessage {
  committed: boolean;
}

const SETTLING_STEPS = 3;

/**
 * A replica set that keeps two unique indexes and shows reads at majority, and that fails as the tape says. Several
 * owners may use it at once.
 */
export class FakeReplicaSet {
  readonly documents: StoredDocument[] = [];
  readonly #tape: readonly Fault[];
  #at = 0;
  /** What happens some steps from now. */
  #later: { steps: number; run: () => void }[] = [];

  constructor(tape: readonly Fault[]) {
    this.#tape = tape;
  }

  /** All that was to happen has happened. */
  quiesce(): void {
    while (this.#later.length > 0) this.#step();
    for (const document of this.documents) document.committed = true;
  }

  next(): Fault {
    this.#step();
    return this.#tape[this.#at++] ?? 'none';
  }

  get committed(): StoredDocument[] {
    return this.documents.filter(({ committed }) => committed);
  }

  /** Inserts in order, up to the first that a unique index refuses. */
  land(messages: readonly NumberedMessage[]): { landed: StoredDocument[]; refused?: InsertResult } {
    const landed: StoredDocument[] = [];
    for (const [position, message] of messages.entries()) {
      const clash = this.documents.find(({ item, seq }) => {
        return item.conversationId === message.item.conversationId && seq === message.seq;
      });
      const twin = this.documents.find(({ item }) => idKey(item) === idKey(message.item));
      if (clash !== undefined || twin !== undefined) {
        return { landed, refused: { kind: clash === undefined ? 'id-taken' : 'seq-taken', position } };
      }
      const document = { ...message, committed: false };
      this.documents.push(document);
      landed.push(document);
    }
    return { landed };
  }

  commit(): void {
    for (const document of this.documents) document.committed = true;
  }

  insert(messages: readonly NumberedMessage[]): InsertResult {
    const fault = this.next();
    const unknown: InsertResult = { kind: 'uncertain', error: new Error(fault) };
    switch (fault) {
      case 'lost-unknown':
        return unknown;
      case 'lands-late':
        this.#soon(() => {
          this.land(messages);
          this.commit();
        });
        return unknown;
      case 'partly-landed-unknown':
        this.land(messages.slice(0, Math.ceil(messages.length / 2)));
        this.#soon(() => {
          this.commit();
        });
        return unknown;
      case 'landed-unknown':
        this.land(messages);
        this.#soon(() => {
          this.commit();
        });
        return unknown;
      case 'rolled-back':
        this.#rollBackSoon(messages);
        return unknown;
      case 'none':
      case 'read-fails': {
        const { refused } = this.land(messages);
        // Acknowledged by a majority: what is before it in the oplog is, too.
        this.commit();
        return refused ?? { kind: 'stored' };
      }
    }
  }

  #rollBackSoon(messages: readonly NumberedMessage[]): void {
    const { landed } = this.land(messages);
    this.#soon(() => {
      // A later write that reached a majority came after these in the oplog, so they have too.
      for (const document of landed) {
        if (!document.committed) this.documents.splice(this.documents.indexOf(document), 1);
      }
    });
  }

  #soon(run: () => void): void {
    this.#later.push({ steps: SETTLING_STEPS, run });
  }

  #step(): void {
    const due = this.#later.filter((later) => --later.steps <= 0);
    this.#later = this.#later.filter(({ steps }) => steps > 0);
    for (const { run } of due) run();
  }
}

/** The log as one owner reaches it. */
export class FakeLog implements AppendLog {
  readonly #set: FakeReplicaSet;

  constructor(set: FakeReplicaSet) {
    this.#set = set;
  }

  async loadHeads(conversationIds: readonly string[]): Promise<ReadonlyMap<string, Head>> {
    this.#read();
    return new Map(
      conversationIds.map((conversationId) => {
        const found = this.#set.committed.filter(({ item }) => item.conversationId === conversationId);
        return [
          conversationId,
          found.reduce<Head>((head, { seq, membershipVersion, serverTimeMs }) => {
            return seq > head.seq ? { ...head, seq, membershipVersion, serverTimeMs } : head;
          }, NO_HEAD),
        ];
      }),
    );
  }

  async findByIds(ids: readonly MessageId[]): Promise<ReadonlyMap<string, StoredAck>> {
    this.#read();
    const wanted = new Set(ids.map(idKey));
    return new Map(
      this.#set.committed
        .filter(({ item }) => wanted.has(idKey(item)))
        .map(({ item, seq, serverTimeMs, membershipVersion }) => [
          idKey(item),
          { seq, serverTimeMs, membershipVersion, bodyHash: item.bodyHash },
        ]),
    );
  }

  async findTargets(places: readonly MessagePlace[]): Promise<ReadonlyMap<string, TargetMessage>> {
    this.#read();
    const wanted = new Set(places.map(placeKey));
    return new Map(
      this.#set.committed
        .filter(({ item, seq }) => wanted.has(placeKey({ conversationId: item.conversationId, seq })))
        .map(({ item, seq, serverTimeMs }) => [
          placeKey({ conversationId: item.conversationId, seq }),
          { senderUserId: item.senderUserId, kind: item.kind, serverTimeMs, gone: undefined },
        ]),
    );
  }

  async removePayloads(): Promise<void> {
    this.#read();
  }

  async insert(messages: readonly NumberedMessage[]): Promise<InsertResult> {
    return this.#set.insert(messages);
  }

  #read(): void {
    if (this.#set.next() === 'read-fails') throw new Error('no answer');
  }
}
