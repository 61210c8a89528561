import { setTimeout as delay } from 'node:timers/promises';
import { privateConversation } from '@godwit/ids/conversation';
import type { Job, PrivateResult } from './generator-protocol.js';
import { connectAll, say } from './generator-process.js';
import { latencyHistogram, latencyOf } from './latency.js';
import { LoadClient } from './load-client.js';

const DRAIN_MS = 10_000;
const TICK_MS = 1;

/**
 * Durable one-to-one messages at a fixed offered rate. Latencies count from when a message was due, not from when the
 * generator got round to it; what comes before the warm-up's end is left out.
 */
export async function runPrivate(job: Extract<Job, { kind: 'private' }>): Promise<PrivateResult> {
  const load = new PrivateLoad(job);
  await load.connect();
  say({ said: 'ready' });
  await load.offer();
  return load.result();
}

class PrivateLoad {
  readonly #job: Extract<Job, { kind: 'private' }>;
  readonly #ack = latencyHistogram();
  readonly #delivery = latencyHistogram();
  /** When each counted message was due, µs; 0: not counted. */
  readonly #due: Float64Array;
  readonly #refused = new Map<string, number>();
  readonly #padding: string;
  #senders: LoadClient[] = [];
  #recipients: LoadClient[] = [];
  #conversations: string[] = [];
  #offered = 0;
  #acked = 0;
  #delivered = 0;

  constructor(job: Extract<Job, { kind: 'private' }>) {
    this.#job = job;
    this.#due = new Float64Array(Math.ceil(job.rate * (job.warmupSeconds + job.seconds)) + 1);
    this.#padding = 'x'.repeat(Math.max(0, job.payloadBytes - 8));
  }

  async connect(): Promise<void> {
    const { edges, pairs } = this.#job;
    const edge = (i: number): string => edges[i % edges.length] ?? '';
    this.#senders = await connectAll(pairs, ({ sender }, i) =>
      LoadClient.connect({
        edge: edge(i),
        device: sender,
        onAck: (requestId) => {
          this.#landed(requestId, 'ack');
        },
        onRefused: (_requestId, reason) => this.#refused.set(reason, (this.#refused.get(reason) ?? 0) + 1),
      }),
    );
    this.#recipients = await connectAll(pairs, ({ recipient }, i) =>
      LoadClient.connect({
        edge: edge(i + 1),
        device: recipient,
        onDeliver: (text) => {
          this.#landed(Number(text.slice(0, 8)), 'delivery');
        },
      }),
    );
    this.#conversations = pairs.map(({ sender, recipient }) => privateConversation(sender.userId, recipient.userId));
  }

  async offer(): Promise<void> {
    const { rate, warmupSeconds, seconds } = this.#job;
    const started = nowUs();
    const countFrom = Math.ceil(rate * warmupSeconds);
    const total = Math.floor(rate * (warmupSeconds + seconds));
    for (let next = 0; next < total;) {
      const due = Math.min(total, Math.floor(((nowUs() - started) / 1e6) * rate) + 1);
      for (; next < due; next += 1) {
        if (next === countFrom) say({ said: 'measuring' });
        if (next >= countFrom) {
          this.#offered += 1;
          this.#due[next] = started + (next / rate) * 1e6;
        }
        this.#sendOne(next);
      }
      await delay(TICK_MS);
    }
    const until = Date.now() + DRAIN_MS;
    while (Date.now() < until && (this.#acked < this.#offered || this.#delivered < this.#offered)) await delay(10);
    say({ said: 'measured' });
  }

  #sendOne(index: number): void {
    const pair = index % this.#senders.length;
    const text = String(index).padStart(8, '0') + this.#padding;
    this.#senders[pair]?.send(index + 1, this.#conversations[pair] ?? '', text);
  }

  #landed(index: number, what: 'ack' | 'delivery'): void {
    // Acks name the request, which is one more than the index.
    const due = this.#due[what === 'ack' ? index - 1 : index] ?? 0;
    if (due === 0) return;
    const us = Math.max(1, Math.round(nowUs() - due));
    if (what === 'ack') {
      this.#acked += 1;
      this.#ack.recordValue(us);
    } else {
      this.#delivered += 1;
      this.#delivery.recordValue(us);
    }
  }

  result(): PrivateResult {
    for (const client of [...this.#senders, ...this.#recipients]) client.close();
    return {
      offered: this.#offered,
      acked: this.#acked,
      delivered: this.#delivered,
      refused: Object.fromEntries(this.#refused),
      ack: latencyOf(this.#ack),
      delivery: latencyOf(this.#delivery),
    };
  }
}

function nowUs(): number {
  return performance.now() * 1_000;
}
