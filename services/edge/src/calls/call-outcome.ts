import type { Refusal } from '../domain/refusal.js';

/** How a call ended: the encoded response, or why there is none. */
export type CallOutcome =
  | { readonly ok: true; readonly response: Uint8Array }
  | { readonly ok: false; readonly refusal: Refusal; readonly httpStatus: number };

/** Who calls. */
export interface ActingDevice {
  readonly userId: string;
  readonly deviceId: string;
}
