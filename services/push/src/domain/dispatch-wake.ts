import type { Clock } from '@godwit/runtime/clock';
import type { Outcome, OutcomeName, ProviderName, PushToken, SendResult, Wake } from './model.js';
import type { DeviceDirectory, Mutes, OutcomeLog, PresenceOfDevices, Providers, PushTokens } from './ports.js';
import type { SentMarks } from './sent-marks.js';

export interface DispatchDeps {
  readonly clock: Clock;
  readonly tokens: PushTokens;
  readonly outcomes: OutcomeLog;
  readonly providers: Providers;
  readonly devices: DeviceDirectory;
  readonly presence: PresenceOfDevices;
  readonly mutes: Mutes;
  readonly marks: SentMarks;
  /** Deliveries of a wake after which a provider that does not take it is given up. */
  readonly maxDeliveries: number;
  readonly observe: (provider: ProviderName, outcome: OutcomeName) => void;
}

/** Some provider wants the push later: the wake has to come again. */
export class TryLater extends Error {
  override readonly name = 'TryLater';
}

interface Note {
  readonly deviceId: string;
  readonly provider?: ProviderName;
  readonly outcome: OutcomeName;
  readonly detail?: string;
}

/**
 * Pushes a wake to those devices of its user that exist, are not connected at this moment, and have a token.
 * @throws TryLater, or what a peer failed with: the wake has to come again
 */
export const dispatchWake =
  (deps: DispatchDeps) =>
  async (wake: Wake, delivery: number): Promise<void> => {
    const { userId, conversationId } = wake;
    const tokens = await deps.tokens.list(userId);
    const note = (notes: readonly Note[]): void => {
      deps.outcomes.add(notes.map((one) => outcomeOf(wake, deps.clock.now(), one)));
    };
    // Most often: somebody who has never registered a token. No peer needs to be asked.
    if (tokens.length === 0) {
      note([{ deviceId: '', outcome: 'NO_TOKEN' }]);
      return;
    }
    const existing = new Set((await deps.devices.devicesOf(userId)) ?? []);
    await forgetRemoved(deps, userId, { tokens, existing });
    if ((await deps.mutes.mutedUntil(userId, conversationId)) > deps.clock.now()) {
      note([...existing].map((deviceId) => ({ deviceId, outcome: 'MUTED' })));
      return;
    }
    // Last of all before sending: a device that has come meanwhile gets the message itself.
    const online = await deps.presence.onlineDevicesOf(userId);
    const plan = [...existing].map((deviceId) => ({
      deviceId,
      online: online.has(deviceId),
      tokens: tokens.filter((token) => token.deviceId === deviceId),
    }));
    note(plan.filter((device) => device.online).map(({ deviceId }) => ({ deviceId, outcome: 'ONLINE' })));
    const offline = plan.filter((device) => !device.online);
    const silent = offline.filter((device) => device.tokens.length === 0);
    note(silent.map(({ deviceId }) => ({ deviceId, outcome: 'NO_TOKEN' })));
    const results = await Promise.all(
      offline.flatMap((device) => device.tokens).map((token) => pushTo(deps, { wake, delivery, token })),
    );
    note(results.flatMap((result) => (result.note === undefined ? [] : [result.note])));
    const late = results.find((result) => result.again);
    if (late !== undefined) throw new TryLater(late.note?.detail);
  };

interface Removal {
  readonly tokens: readonly PushToken[];
  readonly existing: ReadonlySet<string>;
}

const forgetRemoved = async (deps: DispatchDeps, userId: string, { tokens, existing }: Removal): Promise<void> => {
  const gone = new Set(tokens.map(({ deviceId }) => deviceId).filter((deviceId) => !existing.has(deviceId)));
  if (gone.size > 0) await deps.tokens.removeDevices(userId, [...gone]);
};

interface Attempt {
  readonly wake: Wake;
  readonly delivery: number;
  readonly token: PushToken;
}

interface Result {
  readonly note?: Note;
  readonly again: boolean;
}

const pushTo = async (deps: DispatchDeps, { wake, delivery, token }: Attempt): Promise<Result> => {
  const { deviceId, provider } = token;
  if (deps.marks.has({ deviceId, wake })) return { again: false };
  const result = await send(deps, wake, token);
  if (result.kind === 'sent') {
    deps.marks.add({ deviceId, wake });
    return done(deps, { deviceId, provider, outcome: 'SENT' });
  }
  if (result.kind === 'token_invalid') await deps.tokens.prune(token);
  if (result.kind !== 'try_later') return done(deps, { deviceId, provider, outcome: 'FAILED', detail: result.detail });
  if (delivery < deps.maxDeliveries) {
    const detail = `${result.detail} (try ${String(delivery)}, comes again)`;
    return { again: true, note: { deviceId, provider, outcome: 'FAILED', detail } };
  }
  const detail = `${result.detail} (given up after ${String(delivery)} tries)`;
  return done(deps, { deviceId, provider, outcome: 'FAILED', detail });
};

const done = (deps: DispatchDeps, note: Note & { readonly provider: ProviderName }): Result => {
  deps.observe(note.provider, note.outcome);
  return { note, again: false };
};

const send = async (deps: DispatchDeps, wake: Wake, { provider, deviceId, token }: PushToken): Promise<SendResult> => {
  const sender = deps.providers.get(provider);
  if (sender === undefined) return { kind: 'refused', detail: 'provider not configured' };
  try {
    return await sender.send({ wake, deviceId, token, collapseKey: wake.conversationId });
  } catch (error) {
    return { kind: 'try_later', detail: error instanceof Error ? error.message : 'unknown error' };
  }
};

const outcomeOf = (wake: Wake, at: number, { deviceId, provider, outcome, detail = '' }: Note): Outcome => ({
  userId: wake.userId,
  deviceId,
  conversationId: wake.conversationId,
  seq: wake.seq,
  at,
  provider,
  outcome,
  detail,
});
