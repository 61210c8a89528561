import type { Bus } from '@godwit/bus/bus';
import type { Consumption, Job } from '@godwit/bus/consume';
import { PUSH } from '@godwit/bus/streams';
import { isConversationId } from '@godwit/ids/conversation';
import { isId } from '@godwit/ids/id';
import { PushWake } from '@godwit/proto/gen/grpc/godwit/event/v1/events';
import type { Logger } from '@godwit/runtime/logger';
import type { WakeCollapser } from '../domain/collapse-wakes.js';
import type { Wake } from '../domain/model.js';

/** All replicas share the work. */
const DURABLE = 'push';
/** Wakes in hand: most of them only wait out their window, so this many a window are the throughput of a replica. */
const CONCURRENCY = 2_000;
/** With the delays between them a quarter of an hour. */
export const MAX_DELIVERIES = 20;

/** The wake of a job, or undefined when it is none. */
export const readWake = (payload: Uint8Array): Wake | undefined => {
  let wake: PushWake;
  try {
    wake = PushWake.decode(payload);
  } catch {
    // Whatever this is, it will not become one.
    return undefined;
  }
  const { userId, conversationId, seq, senderUserId, kind, serverTimeMs } = wake;
  if (!isId(userId) || !isConversationId(conversationId) || seq < 1) return undefined;
  return { userId, conversationId, seq, senderUserId, kind, serverTime: serverTimeMs };
};

export interface WakeConsumerOptions {
  readonly bus: Pick<Bus, 'consume'>;
  readonly collapser: WakeCollapser;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** Takes wakes from the queue; one that was sent, or that a newer one stands for, is done. */
export const consumeWakes = ({ bus, collapser, logger, signal }: WakeConsumerOptions): Consumption => {
  const handle = async ({ payload, subject, delivery }: Job): Promise<void> => {
    const wake = readWake(payload);
    if (wake === undefined) {
      logger.error({ subject, bytes: payload.length }, 'something in PUSH is no wake and is dropped');
      return;
    }
    await collapser.add(wake, delivery);
  };
  return bus.consume(PUSH, handle, {
    durable: DURABLE,
    signal,
    concurrency: CONCURRENCY,
    maxDeliveries: MAX_DELIVERIES,
  });
};
