import { Fact } from '@godwit/proto/gen/grpc/godwit/event/v1/facts';

type What = NonNullable<Fact['what']>;

/** A day before today, so that what DuckDB makes of a time does not depend on when this runs. */
const TIME = Date.UTC(2026, 0, 2, 12);
/** The first kind of message that is newer than this. */
const NEWER = 15;

const accepted = (kind: number): What => ({
  $case: 'accepted',
  value: { kind, payloadBytes: 10 * kind, ackMs: kind, serverTimeMs: TIME, duplicate: kind % 2 === 1 },
});

const WHATS: readonly What[] = [
  ...Array.from({ length: NEWER + 1 }, (_, kind) => accepted(kind)),
  { $case: 'announced', value: { recipients: 0, offline: 0 } },
  { $case: 'announced', value: { recipients: 300, offline: 44 } },
  { $case: 'fannedOut', value: { edgeId: 'edge-0', sockets: 0, took: 0, attempt: 1 } },
  { $case: 'fannedOut', value: { edgeId: 'edge-1', sockets: 4_294_967_295, took: 7, attempt: 2 } },
  { $case: 'pushed', value: { provider: 'log', outcome: 'SENT', detail: 'to +12025550101' } },
  { $case: 'pushed', value: { provider: '', outcome: 'NO_TOKEN', detail: '' } },
  { $case: 'deliveredTo', value: { sentTimeMs: TIME } },
  { $case: 'deliveredTo', value: { sentTimeMs: 0 } },
  { $case: 'readUpTo', value: { sentTimeMs: TIME } },
  { $case: 'sendRefused', value: { reason: 'RATE_LIMITED', kind: 1 } },
  { $case: 'sendRefused', value: { reason: 'CONVERSATION_NOT_FOUND', kind: NEWER } },
];

/** What must not be in a lake. */
export const SECRETS = ['alice', 'g:birds', 'phone-of-alice', '2025550101'];

/** Facts of every kind, with and without what they may be without. */
export const factsOfAllKinds = (): Fact[] => [
  ...WHATS.flatMap((what, index) => [
    Fact.create({
      timeMs: TIME + index,
      conversationId: 'g:birds',
      seq: index,
      userId: 'alice',
      deviceId: 'phone-of-alice',
      what,
    }),
    Fact.create({ timeMs: TIME + index, userId: 'älice "2" \\', what }),
    Fact.create({ timeMs: 0, what }),
  ]),
  Fact.create({ timeMs: TIME, conversationId: 'g:birds', seq: Number.MAX_SAFE_INTEGER, what: accepted(1) }),
  Fact.create({ timeMs: TIME }),
];

/** One message each, of ten conversations. */
export const messages = (count: number): Fact[] =>
  Array.from({ length: count }, (_, index) =>
    Fact.create({
      timeMs: Date.now(),
      conversationId: `g:${index % 10}`,
      seq: index,
      userId: 'bob',
      what: accepted(1),
    }),
  );
