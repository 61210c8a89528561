export type RefusalKind =
  'invalid-argument' | 'not-found' | 'permission-denied' | 'failed-precondition' | 'resource-exhausted' | 'unavailable';

/** A request that the rules refuse, with what the caller may know of why. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly kind: RefusalKind;
  /** UPPER_SNAKE_CASE; part of the API. */
  readonly reason: string;
  /** The field of the request that is to blame, in the spelling of the proto. */
  readonly field: string | undefined;

  constructor(kind: RefusalKind, reason: string, { message, field }: { message: string; field?: string }) {
    super(message);
    this.kind = kind;
    this.reason = reason;
    this.field = field;
  }
}

export const conversationNotFound = (): Refusal =>
  new Refusal('not-found', 'CONVERSATION_NOT_FOUND', { message: 'there is no such conversation' });

export const notAMember = (): Refusal =>
  new Refusal('permission-denied', 'NOT_A_MEMBER', { message: 'the acting user is not a member' });

export const notAnAdmin = (): Refusal =>
  new Refusal('permission-denied', 'NOT_AN_ADMIN', { message: 'this takes an admin' });

export const notTheOwner = (message = 'this takes the owner'): Refusal =>
  new Refusal('permission-denied', 'NOT_THE_OWNER', { message });

export const userNotFound = (field: string, message: string): Refusal =>
  new Refusal('not-found', 'USER_NOT_FOUND', { message, field });

export const inviteNotFound = (message: string): Refusal => new Refusal('not-found', 'INVITE_NOT_FOUND', { message });
