import type { EventRecorder } from '@godwit/events/event-recorder';
import { isConversationId } from '@godwit/ids/conversation';
import type { Fact } from '@godwit/proto/gen/grpc/godwit/event/v1/facts';
import type { Clock } from '@godwit/runtime/clock';
import { LRUCache } from 'lru-cache';
import type { SendCommand } from '../domain/content.js';
import type { SendOutcome } from '../domain/ingress.js';
import type { EdgeTry, MessageEvents, MessageKey } from '../domain/message-events.js';
import type { CursorRaise } from '../domain/ports.js';

/** Messages whose time is remembered until they are delivered, some 200 bytes each. */
const MAX_TIMES = 50_000;

const keyOf = (conversationId: string, seq: number): string => `${conversationId} ${String(seq)}`;

/** What the rules notice, as facts of EVENTS. */
export class MessageFacts implements MessageEvents {
  readonly #recorder: Pick<EventRecorder, 'record'>;
  readonly #clock: Clock;
  readonly #sentAt = new LRUCache<string, number>({ max: MAX_TIMES });

  constructor(recorder: Pick<EventRecorder, 'record'>, clock: Clock) {
    this.#recorder = recorder;
    this.#clock = clock;
  }

  sent(command: SendCommand, outcome: SendOutcome, tookMs: number): void {
    const { userId, deviceId, kind, payload, conversationId } = command;
    const ackMs = Math.max(Math.round(tookMs), 0);
    const timeMs = this.#clock.now() - ackMs;
    if (outcome.type === 'refused') {
      // What names no conversation may be anything.
      const known = isConversationId(conversationId) ? conversationId : '';
      const value = { reason: outcome.refusal.reason, kind };
      this.#recorder.record({
        timeMs,
        conversationId: known,
        seq: 0,
        userId,
        deviceId,
        what: { $case: 'sendRefused', value },
      });
      return;
    }
    const { seq, serverTimeMs, duplicate } = outcome;
    this.#sentAt.set(keyOf(conversationId, seq), serverTimeMs);
    const value = { kind, payloadBytes: payload.length, ackMs, serverTimeMs, duplicate };
    this.#recorder.record({ timeMs, conversationId, seq, userId, deviceId, what: { $case: 'accepted', value } });
  }

  announced(message: MessageKey, recipients: number, offline: number): void {
    this.#note(message, { $case: 'announced', value: { recipients, offline } });
  }

  fannedOut(message: MessageKey, { edgeId, sockets, took, attempt }: EdgeTry): void {
    this.#note(message, { $case: 'fannedOut', value: { edgeId, sockets, took, attempt } });
  }

  raised(raises: readonly CursorRaise[]): void {
    for (const raise of raises) {
      if (raise.deliveredSeq > 0) this.#marked(raise, 'deliveredTo', raise.deliveredSeq);
      if (raise.readSeq > 0) this.#marked(raise, 'readUpTo', raise.readSeq);
    }
  }

  #marked({ conversationId, userId, deviceId }: CursorRaise, $case: 'deliveredTo' | 'readUpTo', seq: number): void {
    const value = { sentTimeMs: this.#sentAt.get(keyOf(conversationId, seq)) ?? 0 };
    this.#recorder.record({ timeMs: this.#clock.now(), conversationId, seq, userId, deviceId, what: { $case, value } });
  }

  #note({ conversationId, seq }: MessageKey, what: Fact['what']): void {
    this.#recorder.record({ timeMs: this.#clock.now(), conversationId, seq, userId: '', deviceId: '', what });
  }
}
