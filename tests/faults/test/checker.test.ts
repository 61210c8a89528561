import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkHistory } from '../src/checker/check-history.js';
import type { CheckName, ClientEvent, History, LoggedMessage, ShownEvent } from '../src/history.js';
import { idealHistory } from './ideal-history.js';

const seeds = fc.integer({ min: 1, max: 1_000_000 });

type Spoil = (history: History, pick: (count: number) => number) => History | undefined;

function withEvents(history: History, change: (events: readonly ClientEvent[]) => ClientEvent[]): History {
  return { ...history, events: change(history.events).sort((a, b) => a.at - b.at) };
}

function withLog(history: History, change: (messages: readonly LoggedMessage[]) => LoggedMessage[]): History {
  return { ...history, log: { ...history.log, messages: change(history.log.messages) } };
}

function shownOf({ events }: History): ShownEvent[] {
  return events.filter((event) => event.what === 'shown');
}

/** One shown message that another of the same conversation follows on the same device. */
function pairOf(history: History, pick: (count: number) => number): [ShownEvent, ShownEvent] | undefined {
  const shown = shownOf(history);
  const first = shown[pick(shown.length)];
  const next = shown.find(
    (other) =>
      other.deviceId === first?.deviceId && other.conversationId === first.conversationId && other.seq > first.seq,
  );
  return first === undefined || next === undefined ? undefined : [first, next];
}

const SPOILS: Readonly<Record<string, readonly [CheckName, Spoil]>> = {
  'an acked message that is not in the log': [
    'acked-lost',
    (history, pick) => {
      const lost = pick(history.log.messages.length);
      return withLog(history, (messages) => messages.filter((_, index) => index !== lost));
    },
  ],
  'a hole in the log': [
    'log-dense',
    (history, pick) => {
      const lost = pick(history.log.messages.length);
      return withLog(history, (messages) => messages.filter((_, index) => index !== lost));
    },
  ],
  'a head above the log': [
    'log-dense',
    (history) => {
      const heads = history.log.heads.map((head) => ({ ...head, headSeq: head.headSeq + 1 }));
      return { ...history, log: { ...history.log, heads } };
    },
  ],
  'an id that is stored twice': [
    'log-unique',
    (history, pick) =>
      withLog(history, (messages) => {
        const again = messages[pick(messages.length)];
        if (again === undefined) return [];
        const seq = Math.max(...messages.map((message) => message.seq)) + 1;
        return [...messages, { ...again, seq }];
      }),
  ],
  'an ack that says something else the second time': [
    'acked-twice',
    (history, pick) => {
      const acks = history.events.filter((event) => event.what === 'acked');
      const ack = acks[pick(acks.length)];
      return ack === undefined
        ? undefined
        : withEvents(history, (events) => [...events, { ...ack, seq: ack.seq + 1, at: ack.at + 9 }]);
    },
  ],
  'a message that is shown twice': [
    'shown-twice',
    (history, pick) => {
      const shown = shownOf(history);
      const again = shown[pick(shown.length)];
      return again === undefined ? undefined : withEvents(history, (events) => [...events, again]);
    },
  ],
  'two messages shown in the wrong order': [
    'shown-order',
    (history, pick) => {
      const pair = pairOf(history, pick);
      if (pair === undefined) return undefined;
      const [first, next] = pair;
      return withEvents(history, (events) =>
        events.map((event) => {
          if (event === first) return { ...first, at: next.at + 1 };
          return event;
        }),
      );
    },
  ],
  'two messages that have changed places on one device': [
    'one-order',
    (history, pick) => {
      const pair = pairOf(history, pick);
      if (pair === undefined) return undefined;
      const [first, next] = pair;
      return withEvents(history, (events) =>
        events.map((event) => {
          if (event === first) return { ...next, seq: first.seq, at: first.at };
          if (event === next) return { ...first, seq: next.seq, at: next.at };
          return event;
        }),
      );
    },
  ],
  'a text that was changed on the way': [
    'one-order',
    (history, pick) => {
      const shown = shownOf(history);
      const changed = shown[pick(shown.length)];
      return withEvents(history, (events) =>
        events.map((event) => (event === changed ? { ...changed, text: 'something else' } : event)),
      );
    },
  ],
  'a message seen outside of the membership': [
    'seen-outside',
    (history) => {
      const gone = history.events.find((event) => event.what === 'gone');
      if (gone === undefined) return undefined;
      const { conversationId, fromSeq: seq, at, deviceId } = gone;
      return withEvents(history, (events) => [...events, { what: 'received', conversationId, seq, at, deviceId }]);
    },
  ],
  'a removal that did not hold': [
    'members-agree',
    (history) => {
      const changed = {
        what: 'changed',
        change: 'removed',
        conversationId: 'c:one',
        userIds: ['ben'],
        version: 4,
      } as const;
      return withEvents(history, (events) => [...events, { ...changed, at: 9_000, deviceId: 'ada-0' }]);
    },
  ],
  'a device that is told DELIVERED of what it has not had': [
    'gone-truthful',
    (history, pick) => {
      const shown = shownOf(history);
      const skipped = shown[pick(shown.length)];
      if (skipped === undefined) return undefined;
      const { conversationId, seq, at, deviceId } = skipped;
      const gone = {
        what: 'gone',
        conversationId,
        fromSeq: seq,
        toSeq: seq,
        reason: 'DELIVERED',
        at,
        deviceId,
      } as const;
      return withEvents(history, (events) => events.map((event) => (event === skipped ? gone : event)));
    },
  ],
  'a message that is told to be expired and is not': [
    'gone-truthful',
    (history, pick) => {
      const shown = shownOf(history);
      const skipped = shown[pick(shown.length)];
      if (skipped === undefined) return undefined;
      const { conversationId, seq, at, deviceId } = skipped;
      const gone = { what: 'gone', conversationId, fromSeq: seq, toSeq: seq, reason: 'EXPIRED', at, deviceId } as const;
      return withEvents(history, (events) => events.map((event) => (event === skipped ? gone : event)));
    },
  ],
  'a position beyond what the device has': [
    'gone-truthful',
    (history, pick) => {
      const shown = shownOf(history);
      const ahead = shown[pick(shown.length)];
      if (ahead === undefined) return undefined;
      const { conversationId, seq, at, deviceId } = ahead;
      const position = {
        what: 'position',
        conversationId,
        cursorSeq: seq,
        headSeq: seq,
        at: at - 1,
        deviceId,
      } as const;
      return withEvents(history, (events) => [...events, position]);
    },
  ],
  'a mark that moved back': [
    'mark-back',
    (history, pick) => {
      const mark = history.marks[pick(history.marks.length)];
      if (mark === undefined) return undefined;
      return { ...history, marks: [...history.marks, { ...mark, high: mark.high - 1 }] };
    },
  ],
  'a receipt for what nobody has': [
    'mark-truthful',
    (history) => {
      const receipt = {
        what: 'receipt',
        conversationId: 'c:one',
        userId: 'ben',
        deliveredSeq: 20,
        readSeq: 0,
      } as const;
      return withEvents(history, (events) => [...events, { ...receipt, at: 60, deviceId: 'ada-0' }]);
    },
  ],
  'a message that came after more than ten seconds': [
    'ten-seconds',
    (history) => {
      // Of one who is there all the time; and with all that follow, as a client shows them.
      const devices = history.devices.filter(
        ({ deviceId }) =>
          !history.events.some((event) => event.deviceId === deviceId && event.what === 'state' && !event.online),
      );
      const late = shownOf(history).find(({ deviceId }) => devices.some((device) => device.deviceId === deviceId));
      if (late === undefined) return undefined;
      return withEvents(history, (events) =>
        events.map((event) => (event === late ? { ...late, at: late.at + 12_000 } : event)),
      );
    },
  ],
  'a message that never came': [
    'delivered-or-expired',
    (history, pick) => {
      const shown = shownOf(history);
      const lost = shown[pick(shown.length)];
      return withEvents(history, (events) => events.filter((event) => event !== lost));
    },
  ],
  'a payload that is kept for nobody': [
    'payload-ends',
    (history, pick) =>
      withLog(history, (messages) => {
        const kept = pick(messages.length);
        return messages.map((message, index) => (index === kept ? { ...message, hasPayload: true } : message));
      }),
  ],
  'a send that was never answered': [
    'sends-settled',
    (history) => {
      const offer = { what: 'offered', conversationId: 'c:one', id: 'open', text: 'open', expiresAtMs: 0 } as const;
      return withEvents(history, (events) => [...events, { ...offer, at: 30_000, deviceId: 'ada-0' }]);
    },
  ],
};

describe('the checker', () => {
  it('finds nothing where every promise was kept', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        expect(checkHistory(idealHistory(seed)).violations).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });

  it.each(Object.entries(SPOILS))('finds %s', (_, [check, spoil]) => {
    fc.assert(
      fc.property(seeds, fc.nat(), (seed, draw) => {
        const spoilt = spoil(idealHistory(seed), (count) => draw % count);
        fc.pre(spoilt !== undefined);
        expect(checkHistory(spoilt).counts[check]).toBeGreaterThan(0);
      }),
      { numRuns: 25 },
    );
  });

  it('does not hold a fault against the ten seconds that is not to be borne, and does when it is', () => {
    const late = (strict: boolean): number => {
      const history = idealHistory(7);
      const [first] = shownOf(history).filter(({ deviceId }) => deviceId === 'ada-0');
      if (first === undefined) throw new Error('nothing was shown');
      const events = history.events.map((event) => (event === first ? { ...first, at: first.at + 25_000 } : event));
      const always = events.filter(({ what, deviceId }) => what !== 'state' || deviceId !== 'ada-0');
      const there = { what: 'state', online: true, detail: '', at: 0, deviceId: 'ada-0' } as const;
      const fault = { kind: 'x', target: 'y', from: first.at - 500, to: first.at + 18_000, strict };
      return checkHistory({ ...history, events: [there, ...always], faults: [fault] }).counts['ten-seconds'];
    };
    expect(late(false)).toBe(0);
    expect(late(true)).toBe(1);
  });
});
