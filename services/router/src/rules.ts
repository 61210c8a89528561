import type { Clock } from '@godwit/runtime/clock';
import type { RouterConfig } from './config.js';
import { Appender, type AppendTransport } from './domain/appender.js';
import { Confirmations } from './domain/confirmations.js';
import { Conversations } from './domain/conversations.js';
import { Cursors, type CursorOrigin } from './domain/cursors.js';
import { DeviceCursors } from './domain/device-cursors.js';
import { Edges } from './domain/edges.js';
import { ExpiryNotices } from './domain/expiry-notices.js';
import { FanOut } from './domain/fan-out.js';
import { FanOutStored } from './domain/fan-out-stored.js';
import { GroupReminder } from './domain/group-reminder.js';
import { History } from './domain/history.js';
import { Ingress } from './domain/ingress.js';
import { KIND } from './domain/kind.js';
import { MembershipChanges } from './domain/membership-changes.js';
import { MergedMessages } from './domain/merged-messages.js';
import type { MessageEvents } from './domain/message-events.js';
import type {
  ConversationSource,
  CursorRaise,
  DeviceSource,
  MarkMove,
  MessageLog,
  RelationSource,
  SessionDirectory,
  WakeSink,
} from './domain/ports.js';
import { Receipts } from './domain/receipts.js';
import { RecentMessages } from './domain/recent-messages.js';
import { Redelivery } from './domain/redelivery.js';
import { Relations } from './domain/relations.js';
import { Sessions } from './domain/sessions.js';
import { SyncQuestions } from './domain/sync-questions.js';
import { Syncs } from './domain/syncs.js';
import { TraceMessage, type EventHistory } from './domain/trace-message.js';
import { WakeQueue } from './domain/wake-queue.js';
import type { AppendLinksHandlers } from './peers/append-links.js';
import type { Pending, Telemetry } from './telemetry.js';
import { encodeMessage } from './wire/envelope.js';

/** The streams to the message store. */
export interface AppendStreams extends AppendTransport {
  /** How many are up. */
  readonly up: number;
  confirm(node: string, conversationId: string, seq: number): void;
  close(): void;
}

/** What the rules need of the world. Tests put their own in the place of each. */
export interface RouterPorts {
  readonly log: MessageLog;
  readonly appendStreams: (handlers: AppendLinksHandlers) => AppendStreams;
  readonly sessions: SessionDirectory;
  readonly conversations: ConversationSource;
  readonly relations: RelationSource;
  readonly devices: DeviceSource;
  readonly wakes: WakeSink;
  readonly events: MessageEvents;
  readonly eventHistory: EventHistory;
}

export interface RulesOptions {
  readonly config: RouterConfig;
  readonly ports: RouterPorts;
  readonly telemetry: Telemetry;
  readonly clock: Clock;
}

/** The rules of the router, put together. */
export interface Rules {
  readonly log: MessageLog;
  readonly appendStreams: AppendStreams;
  readonly edges: Edges;
  readonly conversations: Conversations;
  readonly relations: Relations;
  readonly ingress: Ingress;
  readonly membershipChanges: MembershipChanges;
  readonly deviceCursors: DeviceCursors;
  readonly history: History;
  readonly merged: MergedMessages;
  readonly syncs: Syncs;
  readonly traces: TraceMessage;
  /** Work under way, by kind. */
  readonly pending: Pending;
  stop(): Promise<void>;
}

const WAKES_DRAIN_MS = 1_000;
const SENDS_DRAIN_MS = 1_000;
const GROUP_REMINDER_MS = 2_000;

/** What is known of the world, shared by all rules. */
const createKnowledge = ({ config, ports, clock }: RulesOptions) => ({
  log: ports.log,
  edges: new Edges(),
  conversations: new Conversations({ source: ports.conversations, maxMembers: config.cache.members }),
  relations: new Relations(ports.relations, clock),
  sessions: new Sessions(ports.sessions, clock),
  recent: new RecentMessages(),
});

type Knowledge = ReturnType<typeof createKnowledge>;

/** From stored to delivered. */
const createDelivery = ({ config, ports, telemetry, clock }: RulesOptions, knowledge: Knowledge) => {
  const wakes = new WakeQueue({
    sink: ports.wakes,
    clock,
    maxWakes: config.fanOut.maxWakes,
    onDropped: telemetry.dropped('wakes'),
  });
  const redelivery = new Redelivery({ sessions: knowledge.sessions, clock, onRetried: telemetry.redelivered });
  const fanOut = new FanOut({
    ...knowledge,
    redelivery,
    wake: (wake) => {
      wakes.add(wake);
    },
    events: ports.events,
    clock,
    patienceMs: config.fanOut.patience,
  });
  return { wakes, redelivery, fanOut };
};

/** Less than the time for which edges remember what they told a router that is lost (5 s). */
const CROWD_HOLD = { minMs: 2_000, maxMs: 4_000 };

/** From a device's ack to the sender's tick. */
const createMarks = ({ config, ports, telemetry, clock }: RulesOptions, knowledge: Knowledge) => {
  const receipts = new Receipts({
    ...knowledge,
    intervalMs: config.cursors.receiptInterval,
    onFailed: telemetry.failed('receipts'),
  });
  const common = {
    log: knowledge.log,
    intervalMs: config.cursors.interval,
    maxCursors: config.cursors.max,
    onMoves: (moves: readonly MarkMove[]) => {
      receipts.moved(moves);
    },
    onAboveHead: ({ conversationId }: CursorRaise, origin: CursorOrigin) => {
      const message = 'the cursor is above the head of the conversation';
      const refusal = { reason: 'CURSOR_ABOVE_HEAD', field: 'cursors', message };
      knowledge.edges.find(origin)?.notify([origin.handle], { type: 'error', conversationId, refusal });
    },
    onDropped: telemetry.dropped('cursors'),
  };
  const cursors = new Cursors({
    ...common,
    // Not those of large groups: one message would be a fact for each of 10,000 members.
    onRaised: (raises) => {
      ports.events.raised(raises);
    },
  });
  const crowdCursors = new Cursors({ ...common, hold: { ...CROWD_HOLD, clock } });
  const deviceCursors = new DeviceCursors({
    ...knowledge,
    cursors,
    crowdCursors,
    onRefused: ({ conversationId }, origin, refusal) => {
      knowledge.edges.find(origin)?.notify([origin.handle], { type: 'error', conversationId, refusal });
    },
  });
  return { receipts, cursors, crowdCursors, deviceCursors };
};

type Delivery = ReturnType<typeof createDelivery>;

/** From a send to stored, and on to fan-out and confirmation. */
const createAppending = (options: RulesOptions, knowledge: Knowledge, delivery: Delivery) => {
  const { config, ports, telemetry, clock } = options;
  const expiry = new ExpiryNotices(knowledge.sessions, knowledge.edges);
  // Nothing is answered before the streams are up, and they come up later than this turn.
  const appendStreams: AppendStreams = ports.appendStreams({
    onAnswer: (node, requestId, answer) => {
      appender.onAnswer(node, requestId, answer);
    },
    onDown: (node) => {
      confirmations.drop(node);
      appender.onDown(node);
    },
    onUp: () => {
      appender.onUp();
    },
    onUnsent: (requestIds) => {
      appender.onUnsent(requestIds);
    },
    onOrder: (order) => {
      stored.order(order);
    },
    onExpired: (notice) => {
      void expiry.tell(notice);
    },
  });
  const appender = new Appender({ transport: appendStreams, clock, deadlineMs: config.sends.deadline });
  const confirmations = new Confirmations((node, conversationId, seq) => {
    appendStreams.confirm(node, conversationId, seq);
  });
  const stored = new FanOutStored({
    ...knowledge,
    fanOut: delivery.fanOut,
    confirmations,
    clock,
    onFailed: telemetry.failed('fan-out order'),
    watch: telemetry.fanOut,
  });
  return { appendStreams, appender, stored };
};

interface Behind {
  readonly knowledge: Knowledge;
  readonly reminder: GroupReminder;
  readonly appender: Appender;
  readonly stored: FanOutStored;
  readonly cursors: Cursors;
  readonly fanOut: FanOut;
}

/** Where what is to be stored comes in. */
const createDoors = (
  { config, ports, clock }: RulesOptions,
  { knowledge, reminder, appender, stored, cursors, fanOut }: Behind,
) => ({
  ingress: new Ingress({
    ...knowledge,
    appender,
    encode: encodeMessage,
    onStored: (item, appended) => {
      stored.stored(item, appended, item.senderDeviceId);
      if (item.kind === KIND.seen) cursors.raise(seenBy(item));
    },
    events: ports.events,
    clock,
    pendingFanOuts: () => fanOut.pending,
    isLagging: () => fanOut.isLagging,
    limits: {
      ...config.sends,
      maxPendingSends: config.sends.maxPending,
      maxPendingFanOuts: config.fanOut.maxPending,
    },
  }),
  membershipChanges: new MembershipChanges({
    ...knowledge,
    appender,
    onStored: (item, appended) => {
      // Nobody's socket has this ack: the actor's device hears of the change like all others.
      stored.stored(item, appended, '');
      reminder.changed(item.conversationId, appended.membershipVersion);
    },
  }),
});

export const createRules = (options: RulesOptions): Rules => {
  const { config, ports, telemetry, clock } = options;
  const knowledge = createKnowledge(options);
  const { log, conversations, relations } = knowledge;
  const delivery = createDelivery(options, knowledge);
  const marks = createMarks(options, knowledge);
  const { appendStreams, appender, stored } = createAppending(options, knowledge, delivery);
  const reminder = new GroupReminder({
    source: ports.conversations,
    delayMs: GROUP_REMINDER_MS,
    onFailure: telemetry.failed('group reminder'),
  });
  const doors = createDoors(options, { ...delivery, knowledge, reminder, appender, stored, cursors: marks.cursors });
  const syncs = new Syncs({
    relations,
    questions: new SyncQuestions({ log, conversations: ports.conversations, devices: ports.devices }),
    conversations: ports.conversations,
    cursors: marks.cursors,
    clock,
    onFailed: telemetry.failed('sync'),
    concurrency: config.sync.concurrency,
    maxSyncs: config.sync.max,
  });
  appender.start();
  return {
    ...knowledge,
    appendStreams,
    ...doors,
    deviceCursors: marks.deviceCursors,
    history: new History({ log, conversations, relations }),
    merged: new MergedMessages({ log, conversations: ports.conversations }),
    syncs,
    traces: new TraceMessage({ log, conversations, events: ports.eventHistory }),
    pending: {
      sends: () => doors.ingress.pending,
      'fan-outs': () => delivery.fanOut.pending,
      redeliveries: () => delivery.redelivery.size,
      orders: () => stored.pending,
      wakes: () => delivery.wakes.size,
      cursors: () => marks.cursors.size + marks.crowdCursors.size,
      syncs: () => syncs.open,
    },
    stop: async () => {
      await drained(() => doors.ingress.pending, { clock, deadlineMs: SENDS_DRAIN_MS });
      await Promise.all([marks.cursors.stop(), marks.crowdCursors.stop(), delivery.wakes.stop(WAKES_DRAIN_MS)]);
      marks.receipts.stop();
      reminder.close();
      delivery.redelivery.stop();
      appender.stop();
      appendStreams.close();
    },
  };
};

const seenBy = (item: { conversationId: string; senderUserId: string; senderDeviceId: string; targetSeq: number }) => ({
  conversationId: item.conversationId,
  userId: item.senderUserId,
  deviceId: item.senderDeviceId,
  deliveredSeq: 0,
  readSeq: item.targetSeq,
});

/** Waits until nothing is under way, or for as long as there is time. */
const drained = async (count: () => number, { clock, deadlineMs }: { clock: Clock; deadlineMs: number }) => {
  const endsAt = clock.monotonic() + deadlineMs;
  while (count() > 0 && clock.monotonic() < endsAt) await new Promise((resolve) => setTimeout(resolve, 10));
};
