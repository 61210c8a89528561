/** What kind of no it is; the transport has a status for each. */
export type RefusalKind =
  'invalid' | 'unauthenticated' | 'denied' | 'not_found' | 'exists' | 'precondition' | 'limited' | 'unavailable';

export interface RefusalDetail {
  /** Path of the request's field that is to blame, in the spelling of the proto. */
  readonly field?: string;
  /** For `limited`: when it is worth trying again. */
  readonly retryAfterMs?: number;
}

/** A rule says no. The reason is for programs, the message for people. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly kind: RefusalKind;
  readonly reason: string;
  readonly detail: RefusalDetail;

  constructor(kind: RefusalKind, reason: string, text: { readonly message: string } & RefusalDetail) {
    const { message, ...detail } = text;
    super(message);
    this.kind = kind;
    this.reason = reason;
    this.detail = detail;
  }
}

export const invalid = (field: string, message: string): Refusal =>
  new Refusal('invalid', 'INVALID_ARGUMENT', { message: `${field} ${message}`, field });

export const userNotFound = (field: string): Refusal =>
  new Refusal('not_found', 'USER_NOT_FOUND', { message: 'there is no such user', field });

export const userNameTaken = (): Refusal =>
  new Refusal('exists', 'USER_NAME_TAKEN', { message: 'this user name is taken', field: 'user_name' });
