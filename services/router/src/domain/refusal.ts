/** Why a request is not done, typed: becomes the client's `error`. */
export interface Refusal {
  /** From the table in docs/protocol.md. */
  readonly reason: string;
  readonly message: string;
  /** Path of the field that is to blame, as the client wrote it. */
  readonly field?: string;
  /** Trying again after this time may help. */
  readonly retryAfterMs?: number;
  /** With CLIENT_MESSAGE_ID_REUSED: what is stored under the id. */
  readonly stored?: StoredUnderId;
}

export interface StoredUnderId {
  readonly seq: number;
  readonly serverTimeMs: number;
  readonly bodyHash: Uint8Array;
}

export const invalid = (field: string, message: string): Refusal => ({ reason: 'INVALID_ARGUMENT', field, message });

export const unavailable = (message: string, retryAfterMs = 1_000): Refusal => ({
  reason: 'UNAVAILABLE',
  message,
  retryAfterMs,
});

export const overloaded = (retryAfterMs: number): Refusal => ({
  reason: 'OVERLOADED',
  message: 'too much is under way here, try again',
  retryAfterMs,
});

export const conversationNotFound: Refusal = {
  reason: 'CONVERSATION_NOT_FOUND',
  field: 'conversation_id',
  message: 'there is no such conversation',
};

export const userNotFound: Refusal = {
  reason: 'USER_NOT_FOUND',
  field: 'conversation_id',
  message: 'one of the users of this conversation does not exist',
};

export const notAMember: Refusal = {
  reason: 'NOT_A_MEMBER',
  field: 'conversation_id',
  message: 'the user is not a member of this conversation',
};

/** A refusal on its way through code that only knows how to throw. */
export class Refused extends Error {
  override readonly name = 'Refused';
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    super(refusal.message);
    this.refusal = refusal;
  }
}

const TARGET_PROBLEMS: ReadonlyMap<string, string> = new Map([
  ['TARGET_NOT_FOUND', 'there is no such message'],
  ['NOT_THE_AUTHOR', 'only the author may do this to a message'],
  ['TARGET_TOO_OLD', 'the message is too old for this'],
  ['TARGET_KIND', 'this can not be done to a message of that kind'],
]);

/** What the message that a send is about does not allow. */
export const targetRefused = (reason: string): Refusal => ({
  reason,
  field: 'metadata.target_seq',
  message: TARGET_PROBLEMS.get(reason) ?? 'the message this one is about does not allow it',
});
