/** When codes were sent to one phone, oldest first; only what the limits look at. */
export interface SendHistory {
  readonly sentAt: readonly number[];
}

export interface SendLimits {
  /** Between two codes to a phone. */
  readonly resendAfterMs: number;
  readonly perDay: number;
}

const DAY_MS = 24 * 3_600_000;

export type Admission =
  { readonly ok: true; readonly history: SendHistory } | { readonly ok: false; readonly retryAfterMs: number };

/** Whether another code may go to a phone now. */
export const admitSend = (history: SendHistory, now: number, limits: SendLimits): Admission => {
  // A clock that was set back must not lock a phone out: what lies in the future counts as now.
  const sentAt = history.sentAt.map((at) => Math.min(at, now)).filter((at) => at > now - DAY_MS);
  const last = sentAt.at(-1);
  if (last !== undefined && now - last < limits.resendAfterMs) {
    return { ok: false, retryAfterMs: last + limits.resendAfterMs - now };
  }
  const nthLast = sentAt.at(-limits.perDay);
  if (nthLast !== undefined) return { ok: false, retryAfterMs: nthLast + DAY_MS - now };
  return { ok: true, history: { sentAt: [...sentAt, now] } };
};

/** It did not go out after all: the phone may have another at once. */
export const forgetSend = (history: SendHistory): SendHistory => ({ sentAt: history.sentAt.slice(0, -1) });
