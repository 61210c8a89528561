import type { Metadata } from '@grpc/grpc-js';
import { USER_KEY, type Caller } from './authenticate.js';
import { invalidArgument } from './rpc-error.js';

/** What all of grpc-js's server calls have in common, as far as it is needed here. */
interface SurfaceCall {
  readonly metadata: Metadata;
  readonly cancelled: boolean;
  getDeadline(): Date | number;
  once(event: 'cancelled', listener: () => void): unknown;
}

/** What a handler knows of a call beside its request. */
export class CallContext {
  readonly caller: Caller;
  readonly #call: SurfaceCall;
  #abort: AbortController | undefined;

  constructor(caller: Caller, call: SurfaceCall) {
    this.caller = caller;
    this.#call = call;
  }

  /** Milliseconds until the caller gives up; Infinity on streams. Give what is left to calls made for this one. */
  get remainingMs(): number {
    const deadline = this.#call.getDeadline();
    return Math.max(Number(deadline) - Date.now(), 0);
  }

  /** The caller has given up already: whatever is done for it is done for nobody. */
  get isAbandoned(): boolean {
    return this.#call.cancelled || this.remainingMs === 0;
  }

  /** Aborted when the caller has cancelled or its deadline has passed. Made when first asked for. */
  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      const abort = new AbortController();
      this.#abort = abort;
      if (this.#call.cancelled) abort.abort();
      else this.#call.once('cancelled', () => abort.abort());
    }
    return this.#abort.signal;
  }

  /** Value of a metadata key, if it is there as text. */
  metadata(key: string): string | undefined {
    const value = this.#call.metadata.get(key)[0];
    return typeof value === 'string' ? value : undefined;
  }

  /** The user whom the call acts for (`godwit-user`), unchecked; undefined when the call names none. */
  get user(): string | undefined {
    return this.metadata(USER_KEY);
  }

  /** The user whom the call acts for. @throws RpcError when the call names none, or what `isUserId` refuses */
  requireUser(isUserId: (value: string) => boolean): string {
    const user = this.user;
    if (user === undefined || !isUserId(user)) {
      throw invalidArgument(USER_KEY, `name the acting user in the metadata ${USER_KEY}`, 'ACTING_USER_REQUIRED');
    }
    return user;
  }
}
