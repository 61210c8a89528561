import type { SendCommand } from './content.js';
import type { SendOutcome } from './ingress.js';
import type { CursorRaise } from './ports.js';

/** Which message. */
export interface MessageKey {
  readonly conversationId: string;
  readonly seq: number;
}

/** One delivery to an edge that has ended. */
export interface EdgeTry {
  readonly edgeId: string;
  readonly sockets: number;
  /** Sockets that it was handed to. */
  readonly took: number;
  /** 1: the first one. */
  readonly attempt: number;
}

/** Hears what becomes of messages, for traces and analytics. Called on the hot path: it takes things down and returns. */
export interface MessageEvents {
  sent(command: SendCommand, outcome: SendOutcome, tookMs: number): void;
  /** Its recipients are known; so many of them have no socket. */
  announced(message: MessageKey, recipients: number, offline: number): void;
  fannedOut(message: MessageKey, tried: EdgeTry): void;
  /** The log has taken these. */
  raised(raises: readonly CursorRaise[]): void;
}
