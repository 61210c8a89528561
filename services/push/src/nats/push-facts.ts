import type { EventRecorder } from '@godwit/events/event-recorder';
import type { Fact } from '@godwit/proto/gen/grpc/godwit/event/v1/facts';
import type { Outcome } from '../domain/model.js';
import type { OutcomeLog } from '../domain/ports.js';

/** Of a provider's words. */
const MAX_DETAIL = 200;

const factOf = ({ userId, deviceId, conversationId, seq, at, provider, outcome, detail }: Outcome): Fact => ({
  timeMs: at,
  conversationId,
  seq,
  userId,
  deviceId,
  what: { $case: 'pushed', value: { provider: provider ?? '', outcome, detail: detail.slice(0, MAX_DETAIL) } },
});

/** Outcomes are facts of EVENTS too. */
export const withPushFacts = (outcomes: OutcomeLog, recorder: Pick<EventRecorder, 'record'>): OutcomeLog => ({
  add: (added) => {
    outcomes.add(added);
    for (const outcome of added) recorder.record(factOf(outcome));
  },
  list: (userId, count) => outcomes.list(userId, count),
});
