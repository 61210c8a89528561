import type { Bus } from '@godwit/bus/bus';
import { readFacts, type Coverage } from '@godwit/events/read-facts';
import type { Fact } from '@godwit/proto/gen/grpc/godwit/event/v1/facts';
import type { MessageKey } from '../domain/message-events.js';
import type { EventHistory } from '../domain/trace-message.js';
import type { EventsRead, Noticed } from '../domain/trace.js';

const READ: Readonly<Record<Coverage, EventsRead>> = {
  read: 'complete',
  'too-old': 'too-old',
  'bound-exceeded': 'bound-exceeded',
  unavailable: 'unavailable',
};

/** Facts of the message itself; of those that cover it with a later one (acks, pushes) the first of each device. */
const concerning = ({ seq }: MessageKey): ((fact: Fact) => boolean) => {
  const covered = new Set<string>();
  return (fact) => {
    const kind = fact.what?.$case;
    const covers = kind === 'deliveredTo' || kind === 'readUpTo' || kind === 'pushed';
    if (!covers) return fact.seq === seq;
    const key = `${kind} ${fact.userId} ${fact.deviceId}`;
    if (fact.seq < seq || (fact.seq > seq && covered.has(key))) return false;
    covered.add(key);
    return true;
  };
};

/** Undefined: nothing that a trace shows. */
const whatOf = (fact: Fact): Noticed['what'] | undefined => {
  switch (fact.what?.$case) {
    case 'accepted':
      return { type: 'accepted' };
    case 'announced':
      return { type: 'announced', ...fact.what.value };
    case 'fannedOut':
      return { type: 'fanned-out', ...fact.what.value };
    case 'pushed':
      return { type: 'pushed', ...fact.what.value };
    case 'deliveredTo':
      return { type: 'delivered' };
    case 'readUpTo':
      return { type: 'read' };
    default:
      return undefined;
  }
};

const noticedFrom = (fact: Fact): Noticed[] => {
  const what = whatOf(fact);
  const { timeMs, seq, userId, deviceId } = fact;
  return what === undefined ? [] : [{ timeMs, seq, userId, deviceId, what }];
};

/** What EVENTS remembers of a message. */
export const eventHistory = (bus: Pick<Bus, 'readBack'>): EventHistory => ({
  of: async (message, atMs) => {
    const { conversationId } = message;
    const { facts, coverage } = await readFacts(bus, { conversationId, atMs, wanted: concerning(message) });
    return { noticed: facts.flatMap(({ fact }) => noticedFrom(fact)), read: READ[coverage] };
  },
});
