import type { ClientSpec } from './client.js';
import type { Counts, Run } from './ledger.js';

export type System = 'godwit' | 'ejabberd' | 'centrifugo';

/** What a generator process can be asked to do; each command is answered when it is done. */
export interface Commands {
  /** Brings clients up, some at a time; those that are refused try again. */
  readonly connect: {
    readonly ask: {
      readonly system: System;
      readonly clients: readonly ClientSpec[];
      readonly atATime: number;
      /** Then no more are begun; without it all come. */
      readonly atMostMs?: number;
      readonly payloadBytes: number;
      readonly ackEveryMs: number;
      readonly pingEveryMs: number;
    };
    readonly answer: Connected;
  };
  /** Counts a run: messages with `index % shares === share` are sent by this process, the others come from elsewhere. */
  readonly run: { readonly ask: Offer; readonly answer: null };
  /** How far this process is with its run. */
  readonly progress: { readonly ask: null; readonly answer: { readonly open: number; readonly delivered: number } };
  readonly counts: { readonly ask: null; readonly answer: Counts };
  /** Cuts all clients off without a word. */
  readonly cut: { readonly ask: null; readonly answer: null };
  /** Brings them up again. */
  readonly reconnect: { readonly ask: { readonly atATime: number }; readonly answer: Connected };
  readonly subscribe: { readonly ask: readonly (readonly string[])[]; readonly answer: null };
  /** For so long, this many times a second: one client goes and comes again. */
  readonly churn: { readonly ask: { readonly perSecond: number; readonly seconds: number }; readonly answer: null };
  /** What was done to clients (churn) and what they were told (presence). */
  readonly changes: { readonly ask: null; readonly answer: Changes };
}

export interface Connected {
  readonly clients: number;
  readonly retries: number;
  /** From the first attempt to the last client's readiness. */
  readonly tookMs: number;
  /** Of each client, from the command to its readiness. */
  readonly latency: string;
}

export interface Offer {
  readonly run: Run;
  /** Messages a second of all processes together; 0: only count. */
  readonly rate: number;
  readonly share: number;
  readonly shares: number;
  /** Which clients send; none: all that have targets. */
  readonly senders?: readonly number[];
  /** At most so many messages. */
  readonly messages?: number;
}

export interface Change {
  readonly userId: string;
  readonly online: boolean;
  /** Monotonic µs. */
  readonly atUs: number;
}

export interface Changes {
  readonly made: readonly Change[];
  readonly told: readonly Change[];
}

export type CommandName = keyof Commands;

export interface Request {
  readonly id: number;
  readonly name: CommandName;
  readonly ask: unknown;
}

export type Response =
  { readonly id: number; readonly answer: unknown } | { readonly id: number; readonly failure: string };
