import { newId } from '@godwit/ids/id';
import type { Clock } from '@godwit/runtime/clock';
import type { Device } from './model.js';
import type { PhoneClaims, SendHistoryStore, Secrets, SmsGateway, VerificationStore } from './ports.js';
import { Refusal } from './refusal.js';
import { admitSend, forgetSend, type SendLimits } from './send-limits.js';

export const CODE_TRIES = 5;
export const CODE_VALID_MS = 10 * 60_000;

export interface VerificationDeps {
  readonly clock: Clock;
  readonly secrets: Secrets;
  readonly phones: PhoneClaims;
  readonly verifications: VerificationStore;
  readonly histories: SendHistoryStore;
  readonly sms: SmsGateway;
  readonly limits: SendLimits;
}

export interface VerificationRequest {
  /** E.164. */
  readonly phone: string;
  readonly deviceName: string;
  readonly platform: Device['platform'];
  /** Only a new user gets it. */
  readonly userName?: string | undefined;
}

export interface StartedVerification {
  readonly verificationId: string;
  readonly expiresAt: number;
}

/** Sends a one-time code to a phone. Whether the phone has a user makes no difference here. */
export const startVerification = (deps: VerificationDeps) => {
  const { clock, secrets, verifications, histories, sms } = deps;

  return async (request: VerificationRequest): Promise<StartedVerification> => {
    const phoneKey = secrets.phoneKey(request.phone);
    await countSend(phoneKey);
    const id = newId();
    const code = secrets.newCode();
    const expiresAt = clock.now() + CODE_VALID_MS;
    await verifications.insert({
      id,
      phoneKey,
      codeHash: secrets.codeHash(id, code),
      expiresAt,
      triesLeft: CODE_TRIES,
      usedAt: undefined,
      userId: newId(),
      deviceId: newId(),
      deviceName: request.deviceName,
      platform: request.platform,
      userName: request.userName,
    });
    await sendOrTakeBack(id, phoneKey, { phone: request.phone, code });
    return { verificationId: id, expiresAt };
  };

  async function countSend(phoneKey: string): Promise<void> {
    // Whoever asks for the same phone at the same moment makes one of the two read again.
    for (let attempt = 0; attempt < 5; attempt++) {
      const found = await histories.find(phoneKey);
      const admission = admitSend(found?.history ?? { sentAt: [] }, clock.now(), deps.limits);
      if (!admission.ok) throw tooManyCodes(admission.retryAfterMs);
      if (await histories.replace(phoneKey, admission.history, found?.revision)) return;
    }
    throw tooManyCodes(deps.limits.resendAfterMs);
  }

  async function sendOrTakeBack(id: string, phoneKey: string, message: { phone: string; code: string }): Promise<void> {
    try {
      await sms.send(message);
    } catch (error) {
      await verifications.remove(id);
      const found = await histories.find(phoneKey);
      if (found !== undefined) await histories.replace(phoneKey, forgetSend(found.history), found.revision);
      throw new Refusal('unavailable', 'SMS_UNAVAILABLE', {
        message: `the code could not be sent: ${error instanceof Error ? error.message : 'unknown'}`,
      });
    }
  }
};

export type StartVerification = ReturnType<typeof startVerification>;

const tooManyCodes = (retryAfterMs: number): Refusal =>
  new Refusal('limited', 'TOO_MANY_CODES', {
    message: 'codes were sent to this phone recently: use the last one, or wait',
    field: 'phone',
    retryAfterMs: Math.ceil(retryAfterMs),
  });
