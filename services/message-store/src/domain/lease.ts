/** A moment of the log's own clock; only compared, never read. */
export type LogTime = bigint;

/** This process's right to append, kept by its row among the store processes. */
export interface AppendLease {
  /** False while the row could not be renewed for so long that a peer may believe this process dead. */
  holds(): boolean;
  /** The highest moment of the log seen so far: what is sent from now on lands after it. */
  seenLogTime(): LogTime;
}
