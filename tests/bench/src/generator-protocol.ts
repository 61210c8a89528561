import type { LoadDevice } from './load-client.js';
import type { Latency } from './latency.js';

/** What a generator process is asked to do: one job, then it ends. */
export type Job =
  | {
      readonly kind: 'private';
      readonly edges: readonly string[];
      readonly pairs: readonly { readonly sender: LoadDevice; readonly recipient: LoadDevice }[];
      /** Messages a second, offered whatever the fleet answers. */
      readonly rate: number;
      readonly warmupSeconds: number;
      readonly seconds: number;
      readonly payloadBytes: number;
    }
  | {
      readonly kind: 'burst';
      readonly edges: readonly string[];
      readonly sender: LoadDevice;
      readonly recipient: LoadDevice;
      readonly messages: number;
      readonly payloadBytes: number;
    }
  | {
      readonly kind: 'idle';
      readonly edges: readonly string[];
      readonly devices: readonly LoadDevice[];
      readonly localAddress: string;
    };

export interface PrivateResult {
  readonly offered: number;
  readonly acked: number;
  readonly delivered: number;
  readonly refused: Readonly<Record<string, number>>;
  readonly ack: Latency;
  readonly delivery: Latency;
}

export interface BurstResult {
  readonly acked: number;
  readonly delivered: number;
  readonly ackedMs: number;
  readonly deliveredMs: number;
}

/** What a generator says: `ready` when connected (answered with `go`), `measuring` and `measured` around the fixed time. */
export type Said =
  | { readonly said: 'ready' }
  | { readonly said: 'measuring' }
  | { readonly said: 'measured' }
  | { readonly said: 'result'; readonly result: unknown }
  | { readonly said: 'failed'; readonly message: string };
