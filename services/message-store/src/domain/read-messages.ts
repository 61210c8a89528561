import { GONE, type GoneReason, type LoggedMessage } from './message.js';
import type { ConversationRecord, LogReader, SeqRange } from './message-log.js';

export interface GoneRange extends SeqRange {
  readonly reason: GoneReason;
}

export interface ReadRequest {
  readonly conversationId: string;
  /** Only above. */
  readonly afterSeq: number;
  /** Only below; 0: no bound. */
  readonly beforeSeq: number;
  /** Server time, included. */
  readonly fromMs: number;
  /** Server time, not included; 0: no bound. */
  readonly toMs: number;
  readonly limit: number;
  readonly newestFirst: boolean;
}

export interface ReadResult {
  readonly messages: readonly LoggedMessage[];
  readonly gone: readonly GoneRange[];
  readonly floorSeq: number;
  readonly headSeq: number;
  /** Every seq of it is in `messages` or in `gone`. From above to: nothing. */
  readonly coveredFromSeq: number;
  readonly coveredToSeq: number;
  readonly more: boolean;
}

/** A document above the floor is missing. It must not happen; it is never told as `gone`. */
export class LogHole extends Error {
  override readonly name = 'LogHole';
  readonly conversationId: string;
  readonly fromSeq: number;
  readonly toSeq: number;

  constructor(conversationId: string, range: SeqRange) {
    super(`the log of a conversation lacks seq ${range.fromSeq} to ${range.toSeq} above its floor`);
    this.conversationId = conversationId;
    this.fromSeq = range.fromSeq;
    this.toSeq = range.toSeq;
  }
}

/** Tombstones are read along; a run of them ends the answer after so many documents. */
const MAX_SCANNED = 4_096;
/** Envelopes in an answer, in bytes: well below gRPC's message size even when each is at its largest. */
const MAX_BYTES = 4_194_304;

/** The range that a restore passed over and that the seq is in. */
export const skippedAt = ({ skipped }: ConversationRecord, seq: number): SeqRange | undefined =>
  skipped.find(({ fromSeq, toSeq }) => fromSeq <= seq && seq <= toSeq);

/**
 * What became of seqs of which there is no document, in pieces by rising seq. At or below the floor their tombstones have
 * been purged: above the highest seq that expired unseen all were delivered; up to there some expired, and it is not known
 * any more which. Above the floor a restore passed over them.
 * @throws LogHole
 */
const whyMissing = (range: SeqRange, record: ConversationRecord, conversationId: string): GoneRange[] => {
  const { floorSeq, expiredSeq } = record;
  const pieces: GoneRange[] = [];
  for (let at = range.fromSeq; at <= range.toSeq;) {
    const end = at <= floorSeq ? floorSeq : skippedAt(record, at)?.toSeq;
    if (end === undefined) throw new LogHole(conversationId, { fromSeq: at, toSeq: range.toSeq });
    const reason = at > expiredSeq ? GONE.delivered : GONE.expired;
    const toSeq = Math.min(end, range.toSeq, reason === GONE.expired ? expiredSeq : end);
    pieces.push({ fromSeq: at, toSeq, reason });
    at = toSeq + 1;
  }
  return pieces;
};

/** Collects an answer in either direction and says for every seq what became of it. */
class Coverage {
  readonly messages: LoggedMessage[] = [];
  readonly gone: GoneRange[] = [];
  /** The seq that comes next in the direction of reading. */
  next: number;
  #bytes = 0;
  readonly #request: ReadRequest;
  readonly #record: ConversationRecord;

  constructor(request: ReadRequest, record: ConversationRecord, start: number) {
    this.#request = request;
    this.#record = record;
    this.next = start;
  }

  /** Takes the next document; false when the answer is full before it. */
  take(message: LoggedMessage): boolean {
    this.passTo(message.seq);
    const { envelope, gone } = message;
    if (envelope === undefined || gone !== undefined) {
      this.#addGone({ fromSeq: message.seq, toSeq: message.seq, reason: gone ?? GONE.delivered });
    } else {
      const full = this.messages.length >= this.#request.limit;
      if (full || (this.#bytes + envelope.length > MAX_BYTES && this.messages.length > 0)) return false;
      this.#bytes += envelope.length;
      this.messages.push(message);
    }
    this.next = message.seq + this.#step;
    return true;
  }

  /** Goes on to this seq, of which there is a document (or the end): what lies between has none. */
  passTo(seq: number): void {
    if ((seq - this.next) * this.#step <= 0) return;
    const { newestFirst, conversationId } = this.#request;
    const between = newestFirst ? { fromSeq: seq + 1, toSeq: this.next } : { fromSeq: this.next, toSeq: seq - 1 };
    const missing = whyMissing(between, this.#record, conversationId);
    for (const range of newestFirst ? missing.reverse() : missing) this.#addGone(range);
    this.next = seq;
  }

  get #step(): 1 | -1 {
    return this.#request.newestFirst ? -1 : 1;
  }

  #addGone(range: GoneRange): void {
    const { reason } = range;
    const last = this.gone.at(-1);
    const touches = last !== undefined && (last.toSeq + 1 === range.fromSeq || last.fromSeq - 1 === range.toSeq);
    if (touches && last.reason === reason) {
      const [fromSeq, toSeq] = [Math.min(last.fromSeq, range.fromSeq), Math.max(last.toSeq, range.toSeq)];
      this.gone[this.gone.length - 1] = { fromSeq, toSeq, reason };
    } else this.gone.push(range);
  }
}

const EMPTY_RECORD: ConversationRecord = {
  headSeq: 0,
  membershipVersion: 0,
  serverTimeMs: 0,
  floorSeq: 0,
  purgeSeq: 0,
  expiredSeq: 0,
  skipped: [],
  retention: { historyDays: 0, expireAfterSeconds: 0 },
};

/**
 * Reads a range without gaps. The head is read before the messages: everything up to it is then readable, because n+1
 * is on a majority only after n.
 * @throws LogHole
 */
export const readMessages = async (log: LogReader, request: ReadRequest): Promise<ReadResult> => {
  try {
    return await readOnce(log, request);
  } catch (error) {
    // The reaper may have raised the floor and purged between the two reads; a second look at the floor tells.
    if (error instanceof LogHole) return readOnce(log, request);
    throw error;
  }
};

const readOnce = async (log: LogReader, request: ReadRequest): Promise<ReadResult> => {
  const { conversationId, newestFirst } = request;
  const [stored, newest] = await Promise.all([log.conversation(conversationId), log.newest(conversationId)]);
  const record = stored ?? EMPTY_RECORD;
  const headSeq = Math.max(record.headSeq, newest?.seq ?? 0);
  const { fromSeq, toSeq } = await boundsOf(log, request, headSeq);
  const common = { floorSeq: record.floorSeq, headSeq };
  if (fromSeq > toSeq) {
    return { messages: [], gone: [], ...common, coveredFromSeq: fromSeq, coveredToSeq: fromSeq - 1, more: false };
  }
  const coverage = new Coverage(request, record, newestFirst ? toSeq : fromSeq);
  const full = await fill(log, coverage, { conversationId, fromSeq, toSeq, newestFirst, expected: request.limit + 1 });
  if (!full) coverage.passTo(newestFirst ? fromSeq - 1 : toSeq + 1);
  const { messages, gone, next } = coverage;
  return {
    messages,
    gone,
    ...common,
    coveredFromSeq: newestFirst ? next + 1 : fromSeq,
    coveredToSeq: newestFirst ? toSeq : next - 1,
    more: newestFirst ? next >= fromSeq : next <= toSeq,
  };
};

/** True when the answer was full before the end of the range. */
const fill = async (log: LogReader, coverage: Coverage, scan: Parameters<LogReader['scan']>[0]): Promise<boolean> => {
  let scanned = 0;
  for await (const message of log.scan(scan)) {
    if (!coverage.take(message)) return true;
    scanned++;
    if (scanned >= MAX_SCANNED) return true;
  }
  return false;
};

/** Server time rises with seq, so a range of time is a range of seqs. */
const boundsOf = async (
  log: LogReader,
  { conversationId, afterSeq, beforeSeq, fromMs, toMs }: ReadRequest,
  headSeq: number,
): Promise<{ fromSeq: number; toSeq: number }> => {
  const [firstInTime, firstAfterTime] = await Promise.all([
    fromMs > 0 ? log.firstSince(conversationId, fromMs) : 1,
    toMs > 0 ? log.firstSince(conversationId, toMs) : headSeq + 1,
  ]);
  const fromSeq = Math.max(afterSeq + 1, firstInTime ?? headSeq + 1);
  const beforeBound = beforeSeq > 0 ? beforeSeq - 1 : headSeq;
  return { fromSeq, toSeq: Math.min(beforeBound, headSeq, (firstAfterTime ?? headSeq + 1) - 1) };
};
