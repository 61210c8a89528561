import { isDeviceId, isId } from '@godwit/ids/id';
import type { EdgeToRouter, FetchItem, RouterToEdge, SendItem } from '@godwit/proto/gen/grpc/godwit/router/v1/router';
import type { SyncOpen } from '@godwit/proto/gen/grpc/godwit/router/v1/router';
import { invalidArgument } from '@godwit/rpc/rpc-error';
import type { ServerStream } from '@godwit/rpc/server-stream';
import type { Clock } from '@godwit/runtime/clock';
import type { SendCommand } from '../domain/content.js';
import type { DeviceCursors } from '../domain/device-cursors.js';
import type { Edges } from '../domain/edges.js';
import type { FetchQuery, History } from '../domain/history.js';
import type { SendOutcome } from '../domain/ingress.js';
import { invalid, overloaded, Refused, unavailable, type Refusal } from '../domain/refusal.js';
import type { Syncs } from '../domain/syncs.js';
import type { SyncSession } from '../domain/sync-session.js';
import { encodeFetchResult } from '../wire/fetch-result.js';
import { decodePayload } from '../wire/payload.js';
import { refusedFrom } from '../wire/refused.js';
import { EdgeLink } from './edge-link.js';
import { syncEvents } from './sync-events.js';
import type { Sends } from './traced-sends.js';

export interface LinkOptions {
  readonly edges: Edges;
  readonly ingress: Sends;
  readonly deviceCursors: DeviceCursors;
  readonly history: History;
  readonly syncs: Syncs;
  readonly clock: Clock;
  /** Sends of one edge that may be without an outcome. */
  readonly maxSendsPerEdge: number;
  /** Fetches of one edge that may be under way. */
  readonly maxFetchesPerEdge: number;
  readonly onSent: (outcome: SendOutcome, startedAt: number) => void;
  readonly onFailed: (error: unknown) => void;
}

type Stream = ServerStream<EdgeToRouter, RouterToEdge>;

const SWEEP_MS = 250;
const OVERLOADED_RETRY_MS = 500;

/** The streams of the edges. */
export class Links {
  readonly #options: LinkOptions;
  readonly #links = new Set<EdgeLink>();
  readonly #sweeper: NodeJS.Timeout;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#sweeper = setInterval(() => {
      for (const link of this.#links) link.sweep();
    }, SWEEP_MS);
  }

  stop(): void {
    clearInterval(this.#sweeper);
    for (const link of this.#links) link.flush();
  }

  /** A new stream: it says who it is first. */
  open(stream: Stream): void {
    let session: EdgeSession | undefined;
    stream.onFrame((frame) => {
      if (session !== undefined) {
        session.onFrame(frame);
        return;
      }
      const { edgeId = '', incarnation = '' } = frame.hello ?? {};
      if (edgeId === '' || incarnation === '') {
        stream.close(invalidArgument('hello', 'the first frame of a link says hello'));
        return;
      }
      session = this.#begin(stream, edgeId, incarnation);
      session.onFrame(frame);
    });
    stream.onEnd(() => {
      if (session !== undefined) this.#end(session);
    });
  }

  #begin(stream: Stream, edgeId: string, incarnation: string): EdgeSession {
    // The edge has given up its older stream: what it has not answered there it never will.
    for (const older of this.#links) if (older.edgeId === edgeId) older.abandon();
    const link = new EdgeLink({ edgeId, incarnation, stream, clock: this.#options.clock });
    this.#links.add(link);
    this.#options.edges.add(link);
    return new EdgeSession(link, this.#options);
  }

  #end(session: EdgeSession): void {
    this.#links.delete(session.link);
    this.#options.edges.remove(session.link);
    session.end();
  }
}

/** What one edge asks for on its stream. */
class EdgeSession {
  readonly link: EdgeLink;
  readonly #options: LinkOptions;
  readonly #syncs = new Map<number, SyncSession>();
  #fetches = 0;

  constructor(link: EdgeLink, options: LinkOptions) {
    this.link = link;
    this.#options = options;
  }

  onFrame(frame: EdgeToRouter): void {
    for (const item of frame.sends) this.#send(item);
    for (const answer of frame.answers) this.link.answered(answer);
    for (const { handle, ...raise } of frame.cursors) {
      const { edgeId, incarnation } = this.link;
      this.#options.deviceCursors.raise(raise, { edgeId, edgeIncarnation: incarnation, handle });
    }
    for (const open of frame.syncOpens) this.#openSync(open);
    for (const { syncId, messages } of frame.syncCredits) this.#syncs.get(syncId)?.grant(messages);
    for (const syncId of frame.syncCloses) this.#closeSync(syncId);
    for (const item of frame.fetches) this.#fetch(item);
  }

  end(): void {
    for (const syncId of [...this.#syncs.keys()]) this.#closeSync(syncId);
    this.link.abandon();
  }

  #send(item: SendItem): void {
    const startedAt = performance.now();
    const reply = (outcome: SendOutcome): void => {
      this.link.sendOutcome({ requestId: item.requestId, outcome: outcomeFrom(outcome) });
      this.#options.onSent(outcome, startedAt);
    };
    const refusal = this.#refusalOf(item);
    if (refusal !== undefined) {
      reply({ type: 'refused', refusal });
      return;
    }
    this.link.pendingSends++;
    this.#options.ingress.send(commandFrom(item), (outcome) => {
      this.link.pendingSends--;
      reply(outcome);
    });
  }

  #refusalOf({ userId, deviceId }: SendItem): Refusal | undefined {
    if (this.link.pendingSends >= this.#options.maxSendsPerEdge) return overloaded(OVERLOADED_RETRY_MS);
    return isId(userId) && isDeviceId(deviceId) ? undefined : invalid('from', 'the sender is nobody');
  }

  #openSync({ syncId, userId, deviceId, cursors, marksSinceMs, recheck }: SyncOpen): void {
    const sink = syncEvents(this.link, syncId);
    if (!isId(userId) || !isDeviceId(deviceId)) {
      sink.failed(invalid('sync', 'the device is nobody'));
      return;
    }
    this.#closeSync(syncId);
    const given = new Map(cursors.map(({ conversationId, seq }) => [conversationId, seq]));
    const request = { userId, deviceId, cursors: given, marksSinceMs, recheck };
    const session = this.#options.syncs.start(request, sink, () => {
      if (this.#syncs.get(syncId) === session) this.#syncs.delete(syncId);
    });
    if (session !== undefined) this.#syncs.set(syncId, session);
  }

  #closeSync(syncId: number): void {
    this.#syncs.get(syncId)?.close();
    this.#syncs.delete(syncId);
  }

  #fetch({ requestId, userId, fetch }: FetchItem): void {
    const refuse = (refusal: Refusal): void => {
      this.link.fetchOutcome({ requestId, outcome: { $case: 'refused', value: refusedFrom(refusal) } });
    };
    if (fetch === undefined || !isId(userId)) {
      refuse(invalid('fetch', 'is missing'));
      return;
    }
    if (this.#fetches >= this.#options.maxFetchesPerEdge) {
      refuse(overloaded(OVERLOADED_RETRY_MS));
      return;
    }
    this.#fetches++;
    void this.#answerFetch(requestId, { ...fetch, userId }).finally(() => {
      this.#fetches--;
    });
  }

  async #answerFetch(requestId: number, query: FetchQuery): Promise<void> {
    try {
      const value = encodeFetchResult(query.conversationId, await this.#options.history.fetch(query));
      this.link.fetchOutcome({ requestId, outcome: { $case: 'result', value } });
    } catch (error) {
      if (!(error instanceof Refused)) this.#options.onFailed(error);
      const refusal = error instanceof Refused ? error.refusal : unavailable('the messages can not be read now');
      this.link.fetchOutcome({ requestId, outcome: { $case: 'refused', value: refusedFrom(refusal) } });
    }
  }
}

const commandFrom = (item: SendItem): SendCommand => ({
  userId: item.userId,
  deviceId: item.deviceId,
  conversationId: item.conversationId,
  clientMessageId: item.clientMessageId,
  timestampMs: item.timestampMs,
  kind: item.kind,
  targetSeq: item.targetSeq,
  mediaIds: item.mediaIds,
  expiresAtMs: item.expiresAtMs,
  payload: item.payload,
  content: decodePayload(item.payload),
  retry: item.retry,
  traceparent: item.traceparent,
});

const outcomeFrom = (outcome: SendOutcome) =>
  outcome.type === 'stored'
    ? ({
        $case: 'stored',
        value: { seq: outcome.seq, serverTimeMs: outcome.serverTimeMs, duplicate: outcome.duplicate },
      } as const)
    : ({ $case: 'refused', value: refusedFrom(outcome.refusal) } as const);
