/** A frame for clients, in whichever form the subprotocol of the socket asks for. Each form is made once, when needed. */
export interface OutboundFrame {
  /** For `godwit.v1.proto`. */
  binary(): Uint8Array;
  /** For `godwit.v1.json`. */
  text(): string;
  /** About this many bytes. */
  readonly size: number;
}
