import type { AppendItem, NodeAnswer } from '../../src/domain/appender.js';
import { GONE, KIND } from '../../src/domain/kind.js';
import type {
  CursorQuery,
  CursorRaise,
  Head,
  LogPage,
  LogQuery,
  Mark,
  MarkMove,
  MarksPage,
  MarksQuery,
  MemberCursors,
  MembershipLogPage,
  MessageLog,
  MessageState,
  RaiseResult,
  Retention,
  StoredMessage,
} from '../../src/domain/ports.js';
import type { AppendLinksHandlers } from '../../src/peers/append-links.js';
import type { AppendStreams } from '../../src/rules.js';

interface Row extends StoredMessage {
  readonly clientMessageId: string;
  readonly bodyHash: Uint8Array;
  readonly node: string;
  gone: number;
}

interface Log {
  readonly rows: Row[];
  floorSeq: number;
  version: number;
  expiredSeq: number;
}

/** A message store in memory, behind two nodes whose streams tests break, freeze and hold back. */
export class MemoryLog implements MessageLog {
  readonly logs = new Map<string, Log>();
  readonly confirmed: { node: string; conversationId: string; seq: number }[] = [];
  readonly marksOf = new Map<string, Mark>();
  readonly cursorsOf = new Map<string, number>();
  readonly retentions: Retention[] = [];
  reads = 0;
  down = new Set<string>();
  /** Nodes that take items and answer nothing (the items are stored). */
  frozen = new Set<string>();
  /** Answers to give instead of appending, in turn. */
  instead: NodeAnswer[] = [];
  items: AppendItem[] = [];
  handlers: AppendLinksHandlers | undefined;
  readonly nodes = ['store-0', 'store-1'];

  log(conversationId: string): Log {
    let log = this.logs.get(conversationId);
    if (log === undefined) this.logs.set(conversationId, (log = { rows: [], floorSeq: 0, version: 0, expiredSeq: 0 }));
    return log;
  }

  append(node: string, item: AppendItem): NodeAnswer {
    this.items.push(item);
    const { conversationId, clientMessageId, senderUserId } = item;
    const log = this.log(conversationId);
    const known = log.rows.find((row) => row.clientMessageId === clientMessageId && row.senderUserId === senderUserId);
    if (known !== undefined) {
      const { seq, serverTimeMs, bodyHash, membershipVersion } = known;
      if (!Buffer.from(bodyHash).equals(item.bodyHash)) return { type: 'id-reused', seq, serverTimeMs, bodyHash };
      return { type: 'appended', node, seq, serverTimeMs, duplicate: true, membershipVersion };
    }
    if (item.membershipVersion !== log.version) return { type: 'stale', membershipVersion: log.version };
    if (item.lookupOnly) return { type: 'not-found' };
    const seq = log.rows.length + 1;
    if (item.kind === KIND.membership) log.version = seq;
    const row: Row = {
      conversationId,
      seq,
      serverTimeMs: Date.now(),
      senderUserId,
      senderDeviceId: item.senderDeviceId,
      kind: item.kind,
      membershipVersion: log.version,
      envelope: item.envelope,
      clientMessageId,
      bodyHash: item.bodyHash,
      node,
      gone: 0,
    };
    log.rows.push(row);
    const { serverTimeMs, membershipVersion } = row;
    return { type: 'appended', node, seq, serverTimeMs, duplicate: false, membershipVersion };
  }

  streams = (handlers: AppendLinksHandlers): AppendStreams => {
    this.handlers = handlers;
    return {
      up: 2,
      pick: () => this.nodes.find((node) => !this.down.has(node)),
      candidates: () => this.nodes,
      isUp: (node) => !this.down.has(node),
      suspect: (node) => this.down.add(node),
      send: (node, requestId, item) => {
        if (this.down.has(node)) return false;
        const answer = this.instead.shift() ?? this.append(node, item);
        if (!this.frozen.has(node)) setImmediate(() => handlers.onAnswer(node, requestId, answer));
        return true;
      },
      confirm: (node, conversationId, seq) => {
        this.confirmed.push({ node, conversationId, seq });
      },
      close: () => undefined,
    };
  };

  /** The stream to the node breaks. */
  break(node: string): void {
    this.down.add(node);
    this.handlers?.onDown(node);
  }

  read(query: LogQuery): Promise<LogPage> {
    this.reads++;
    const { rows, floorSeq } = this.log(query.conversationId);
    const headSeq = rows.length;
    const from = Math.max(query.afterSeq + 1, 1);
    const to = Math.min(query.beforeSeq === 0 ? headSeq : query.beforeSeq - 1, headSeq);
    const inTime = (row: Row): boolean =>
      row.serverTimeMs >= query.fromMs && (query.toMs === 0 || row.serverTimeMs < query.toMs);
    const range = rows.slice(from - 1, Math.max(to, from - 1)).filter(inTime);
    if (query.newestFirst) range.reverse();
    const messages: StoredMessage[] = [];
    const gone = [];
    let last: Row | undefined;
    for (const row of range) {
      if (messages.length === query.limit) break;
      if (row.gone !== 0) gone.push({ fromSeq: row.seq, toSeq: row.seq, reason: row.gone });
      else messages.push(row);
      last = row;
    }
    const whole = last === range.at(-1);
    const coveredFromSeq = query.newestFirst && !whole ? (last?.seq ?? from) : from;
    const coveredToSeq = !query.newestFirst && !whole ? (last?.seq ?? to) : to;
    return Promise.resolve({ messages, gone, floorSeq, headSeq, coveredFromSeq, coveredToSeq, more: !whole });
  }

  heads(ids: readonly string[]): Promise<ReadonlyMap<string, Head>> {
    const heads = new Map<string, Head>();
    for (const conversationId of ids) {
      const log = this.logs.get(conversationId);
      if (log === undefined || log.rows.length === 0) continue;
      const { floorSeq, expiredSeq, version: membershipVersion } = log;
      heads.set(conversationId, { conversationId, headSeq: log.rows.length, floorSeq, membershipVersion, expiredSeq });
    }
    return Promise.resolve(heads);
  }

  raiseCursors(raises: readonly CursorRaise[]): Promise<RaiseResult> {
    const moves: MarkMove[] = [];
    const aboveHead: CursorRaise[] = [];
    for (const raise of raises) {
      const { conversationId, userId, deviceId, deliveredSeq, readSeq } = raise;
      if (Math.max(deliveredSeq, readSeq) > this.log(conversationId).rows.length) {
        aboveHead.push(raise);
        continue;
      }
      const key = `${conversationId} ${userId}`;
      const old = this.marksOf.get(key) ?? { conversationId, userId, deliveredSeq: 0, readSeq: 0 };
      const mark = {
        ...old,
        deliveredSeq: Math.max(old.deliveredSeq, deliveredSeq),
        readSeq: Math.max(old.readSeq, readSeq),
      };
      this.marksOf.set(key, mark);
      const cursor = `${key} ${deviceId}`;
      this.cursorsOf.set(cursor, Math.max(this.cursorsOf.get(cursor) ?? 0, deliveredSeq));
      if (mark.deliveredSeq === old.deliveredSeq && mark.readSeq === old.readSeq) continue;
      moves.push({ mark, previousDeliveredSeq: old.deliveredSeq, previousReadSeq: old.readSeq });
    }
    return Promise.resolve({ moves, aboveHead, failed: [] });
  }

  cursors(queries: readonly CursorQuery[]): Promise<readonly ReadonlyMap<string, number>[]> {
    return Promise.resolve(
      queries.map(
        ({ userId, deviceId, starts }) =>
          new Map(
            starts.map(({ conversationId, startSeq }) => [
              conversationId,
              this.cursorsOf.get(`${conversationId} ${userId} ${deviceId}`) ?? startSeq,
            ]),
          ),
      ),
    );
  }

  marks({ conversationIds }: MarksQuery): Promise<MarksPage> {
    const marks = [...this.marksOf.values()].filter((mark) => conversationIds.includes(mark.conversationId));
    return Promise.resolve({ marks, nextPageToken: '' });
  }

  async *changedMarks(conversationIds: readonly string[]): AsyncGenerator<readonly Mark[]> {
    const query = { conversationIds, userIds: [], changedSinceMs: 0, pageSize: 100, pageToken: '' };
    yield (await this.marks(query)).marks;
  }

  messageState(conversationId: string, seq: number): Promise<MessageState | undefined> {
    const row = this.log(conversationId).rows[seq - 1];
    if (row === undefined) return Promise.resolve(undefined);
    const { senderUserId, senderDeviceId, serverTimeMs, gone } = row;
    const sent = { senderUserId, senderDeviceId, serverTimeMs, expiresAtMs: serverTimeMs + 1_000 };
    return Promise.resolve({ ...sent, payloadGone: gone !== 0, goneReason: gone });
  }

  memberCursors(conversationId: string, userIds: readonly string[]): Promise<readonly MemberCursors[]> {
    return Promise.resolve(
      userIds.map((userId) => {
        const key = `${conversationId} ${userId}`;
        const devices = [...this.cursorsOf]
          .filter(([cursor]) => cursor.startsWith(`${key} `))
          .map(([cursor, deliveredSeq]) => ({ deviceId: cursor.slice(key.length + 1), deliveredSeq }));
        return { userId, devices, readSeq: this.marksOf.get(key)?.readSeq ?? 0 };
      }),
    );
  }

  membershipLog(conversationId: string, afterVersion: number): Promise<MembershipLogPage> {
    const { rows, version } = this.log(conversationId);
    const messages = rows.filter(({ kind, seq }) => kind === KIND.membership && seq > afterVersion);
    return Promise.resolve({ messages, membershipVersion: version, more: false });
  }

  setRetention(retention: Retention): Promise<void> {
    this.retentions.push(retention);
    return Promise.resolve();
  }

  expire(conversationId: string, seq: number): void {
    const row = this.log(conversationId).rows[seq - 1];
    if (row !== undefined) row.gone = GONE.expired;
  }
}
