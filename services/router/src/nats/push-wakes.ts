import type { Bus } from '@godwit/bus/bus';
import { pushWake } from '@godwit/bus/subjects';
import { PushWake } from '@godwit/proto/gen/grpc/godwit/event/v1/events';
import type { Wake, WakeSink } from '../domain/ports.js';

/** Wakes go into the stream PUSH. The same wake again, from whichever router, is one. */
export const pushWakes = (bus: Bus): WakeSink => ({
  store: (wake: Wake) =>
    bus.store(pushWake(wake.userId), PushWake.encode(wake).finish(), {
      id: `${wake.userId}.${wake.conversationId}.${String(wake.seq)}`,
      traceparent: wake.traceparent,
    }),
});
