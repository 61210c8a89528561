export const PROVIDER_NAMES = ['apns', 'fcm', 'wns', 'web_push', 'log'] as const;
export type ProviderName = (typeof PROVIDER_NAMES)[number];

/** A user may have something new in a conversation, up to `seq`. */
export interface Wake {
  readonly userId: string;
  readonly conversationId: string;
  readonly seq: number;
  readonly senderUserId: string;
  /** Kind of the message, as the envelope numbers it. */
  readonly kind: number;
  readonly serverTime: number;
}

export interface PushToken {
  readonly userId: string;
  readonly deviceId: string;
  readonly provider: ProviderName;
  readonly token: string;
}

/** What a provider is asked to send. It carries no content: the device wakes up and syncs. */
export interface Push {
  readonly wake: Wake;
  readonly deviceId: string;
  readonly token: string;
  /** A device shows at most one of the same key. */
  readonly collapseKey: string;
}

export type SendResult =
  | { readonly kind: 'sent' }
  /** The token is dead: it is forgotten. */
  | { readonly kind: 'token_invalid'; readonly detail: string }
  /** Trying again would not help. */
  | { readonly kind: 'refused'; readonly detail: string }
  /** Not now. */
  | { readonly kind: 'try_later'; readonly detail: string };

export type OutcomeName = 'SENT' | 'ONLINE' | 'NO_TOKEN' | 'MUTED' | 'FAILED';

/** What became of a wake at a device (empty: at the user as a whole). */
export interface Outcome {
  readonly userId: string;
  readonly deviceId: string;
  readonly conversationId: string;
  readonly seq: number;
  readonly at: number;
  readonly provider: ProviderName | undefined;
  readonly outcome: OutcomeName;
  readonly detail: string;
}

export const MAX_TOKEN_BYTES = 4_096;
