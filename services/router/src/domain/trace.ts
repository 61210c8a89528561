import type { Head, MemberCursors, MessageState } from './ports.js';
import { GONE } from './kind.js';

export type StepName = 'accepted' | 'stored' | 'announced' | 'fanned-out' | 'pushed' | 'delivered' | 'read' | 'expired';
export type StepState = 'done' | 'not-yet' | 'unknown';

export interface Step {
  readonly step: StepName;
  readonly state: StepState;
  /** 0: not known, or it has not happened. */
  readonly timeMs: number;
  readonly userId: string;
  readonly deviceId: string;
  readonly edgeId: string;
  readonly provider: string;
  readonly outcome: string;
  readonly detail: string;
}

/** Something that was noticed of a message. */
export interface Noticed {
  readonly timeMs: number;
  /** Above the message's: it covers the message too. */
  readonly seq: number;
  readonly userId: string;
  readonly deviceId: string;
  readonly what:
    | { readonly type: 'accepted' | 'delivered' | 'read' }
    | { readonly type: 'announced'; readonly recipients: number; readonly offline: number }
    | { readonly type: 'fanned-out'; readonly edgeId: string; readonly sockets: number; readonly took: number }
    | { readonly type: 'pushed'; readonly provider: string; readonly outcome: string; readonly detail: string };
}

/** How far what was noticed could be looked up. */
export type EventsRead = 'complete' | 'too-old' | 'bound-exceeded' | 'unavailable';

/** What is known of a message, from wherever. */
export interface Known {
  readonly seq: number;
  readonly head: Head;
  /** Undefined: the log has no document of it. */
  readonly state: MessageState | undefined;
  /** The log was restored from a backup and went on above it. */
  readonly passedOver: boolean;
  /** Undefined: they can't be read now. */
  readonly recipients: readonly string[] | undefined;
  readonly cursors: readonly MemberCursors[];
  readonly noticed: readonly Noticed[];
  readonly eventsRead: EventsRead;
}

const BLANK = { timeMs: 0, userId: '', deviceId: '', edgeId: '', provider: '', outcome: '', detail: '' } as const;

const LOST: Readonly<Record<EventsRead, string>> = {
  complete: 'EVENTS has nothing of it: it did not happen, or the fact was lost',
  'too-old': 'EVENTS begins after this message',
  'bound-exceeded': 'EVENTS has more than one trace reads, and nothing of it was among that',
  unavailable: 'EVENTS can not be read now',
};

/** What became of a message. That EVENTS has nothing of a step never means that it was not done. */
export const stepsOf = (known: Known): Step[] => [
  acceptedStep(known),
  storedStep(known),
  ...noticedSteps(known, 'announced'),
  ...noticedSteps(known, 'fanned-out'),
  ...noticedSteps(known, 'pushed'),
  ...memberSteps(known, 'delivered'),
  ...memberSteps(known, 'read'),
  expiredStep(known),
];

const acceptedStep = ({ noticed, state, eventsRead }: Known): Step => {
  const fact = noticed.find(({ what }) => what.type === 'accepted');
  if (fact !== undefined) {
    const { timeMs, userId, deviceId } = fact;
    return { ...BLANK, step: 'accepted', state: 'done', timeMs, userId, deviceId };
  }
  if (state === undefined) return { ...BLANK, step: 'accepted', state: 'unknown', detail: LOST[eventsRead] };
  // It is stored, so it was.
  const { senderUserId: userId, senderDeviceId: deviceId } = state;
  return { ...BLANK, step: 'accepted', state: 'done', userId, deviceId, detail: 'when is not known' };
};

const PASSED_OVER = 'a restore from a backup went on above it: if there was a message, the log has lost it';

const isPurged = ({ seq, head }: Known): boolean => seq <= head.floorSeq;

const storedStep = (known: Known): Step => {
  const { state } = known;
  if (state !== undefined) {
    const { serverTimeMs: timeMs, senderUserId: userId, senderDeviceId: deviceId } = state;
    return { ...BLANK, step: 'stored', state: 'done', timeMs, userId, deviceId };
  }
  if (known.passedOver) return { ...BLANK, step: 'stored', state: 'unknown', detail: PASSED_OVER };
  if (isPurged(known)) return { ...BLANK, step: 'stored', state: 'done', detail: 'purged since' };
  const detail = 'the log has no document above its floor: see the runbook message-missing';
  return { ...BLANK, step: 'stored', state: 'unknown', detail };
};

const noticedSteps = (known: Known, step: 'announced' | 'fanned-out' | 'pushed'): Step[] => {
  const steps = known.noticed.flatMap((fact) => (fact.what.type === step ? [noticedStep(fact, known.seq)] : []));
  return steps.length > 0 ? steps : [{ ...BLANK, step, state: 'unknown', detail: LOST[known.eventsRead] }];
};

const noticedStep = ({ timeMs, userId, deviceId, seq, what }: Noticed, asked: number): Step => {
  const common = { ...BLANK, timeMs, userId, deviceId };
  switch (what.type) {
    case 'announced': {
      const detail = `${String(what.recipients)} recipients, ${String(what.offline)} of them offline`;
      return { ...common, step: 'announced', state: 'done', detail };
    }
    case 'fanned-out': {
      const { edgeId, sockets, took } = what;
      const detail = `${String(took)} of ${String(sockets)} sockets took it`;
      return { ...common, step: 'fanned-out', state: took > 0 ? 'done' : 'not-yet', edgeId, detail };
    }
    case 'pushed': {
      const { provider, outcome } = what;
      const detail = seq > asked ? `together with #${String(seq)} ${what.detail}`.trim() : what.detail;
      return { ...common, step: 'pushed', state: outcome === 'SENT' ? 'done' : 'not-yet', provider, outcome, detail };
    }
    default:
      return { ...common, step: what.type, state: 'done' };
  }
};

const memberSteps = (known: Known, step: 'delivered' | 'read'): Step[] => {
  const { recipients, cursors, state } = known;
  if (recipients === undefined) {
    return [{ ...BLANK, step, state: 'unknown', detail: 'the members can not be read now' }];
  }
  const byUser = new Map(cursors.map((member) => [member.userId, member]));
  return recipients.flatMap((userId) => {
    const member = byUser.get(userId) ?? { userId, devices: [], readSeq: 0 };
    if (step === 'read') return userId === state?.senderUserId ? [] : [readStep(known, member)];
    const isSending = (deviceId: string): boolean =>
      userId === state?.senderUserId && deviceId === state.senderDeviceId;
    const devices = member.devices.filter(({ deviceId }) => !isSending(deviceId));
    if (devices.length === 0 && userId !== state?.senderUserId) {
      return [{ ...BLANK, step, state: 'not-yet' as const, userId, detail: 'none of its devices has come for it' }];
    }
    return devices.map(({ deviceId, deliveredSeq }) => deliveredStep(known, { userId, deviceId, deliveredSeq }));
  });
};

interface DeviceCursor {
  readonly userId: string;
  readonly deviceId: string;
  readonly deliveredSeq: number;
}

const deliveredStep = ({ seq, noticed }: Known, { userId, deviceId, deliveredSeq }: DeviceCursor): Step => {
  if (deliveredSeq < seq) return { ...BLANK, step: 'delivered', state: 'not-yet', userId, deviceId };
  const fact = noticed.find((one) => one.what.type === 'delivered' && one.deviceId === deviceId);
  const detail = fact === undefined ? 'when is not known' : '';
  return { ...BLANK, step: 'delivered', state: 'done', timeMs: fact?.timeMs ?? 0, userId, deviceId, detail };
};

const readStep = ({ seq, noticed }: Known, { userId, readSeq }: MemberCursors): Step => {
  if (readSeq < seq) return { ...BLANK, step: 'read', state: 'not-yet', userId };
  const fact = noticed.find((one) => one.what.type === 'read' && one.userId === userId);
  const { timeMs = 0, deviceId = '' } = fact ?? {};
  const detail = fact === undefined ? 'when is not known' : '';
  return { ...BLANK, step: 'read', state: 'done', timeMs, userId, deviceId, detail };
};

const WHY_GONE: Readonly<Record<number, string>> = {
  [GONE.delivered]: 'its content went when every device had it',
  [GONE.deleted]: 'its content was deleted',
};

const expiredStep = (known: Known): Step => {
  const { state } = known;
  if (state === undefined) {
    return { ...BLANK, step: 'expired', state: 'unknown', detail: isPurged(known) ? 'purged since' : '' };
  }
  const { expiresAtMs: timeMs, payloadGone, goneReason } = state;
  if (!payloadGone) return { ...BLANK, step: 'expired', state: 'not-yet', timeMs };
  if (goneReason === GONE.expired) return { ...BLANK, step: 'expired', state: 'done', timeMs };
  return { ...BLANK, step: 'expired', state: 'not-yet', detail: WHY_GONE[goneReason] ?? 'its content is gone' };
};
