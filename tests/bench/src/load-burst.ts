import { setTimeout as delay } from 'node:timers/promises';
import { privateConversation } from '@godwit/ids/conversation';
import type { BurstResult, Job } from './generator-protocol.js';
import { say } from './generator-process.js';
import { LoadClient } from './load-client.js';

const GIVE_UP_MS = 60_000;

/** All messages of one conversation at once; how long until the last is acked, and until the last has arrived. */
export async function runBurst(job: Extract<Job, { kind: 'burst' }>): Promise<BurstResult> {
  let acked = 0;
  let delivered = 0;
  let started = 0;
  let ackedMs = 0;
  let deliveredMs = 0;
  const sender = await LoadClient.connect({
    edge: job.edges[0] ?? '',
    device: job.sender,
    onAck: () => {
      acked += 1;
      ackedMs = performance.now() - started;
    },
  });
  const recipient = await LoadClient.connect({
    edge: job.edges[1 % job.edges.length] ?? '',
    device: job.recipient,
    onDeliver: () => {
      delivered += 1;
      deliveredMs = performance.now() - started;
    },
  });
  const conversation = privateConversation(job.sender.userId, job.recipient.userId);
  const text = 'x'.repeat(job.payloadBytes);
  say({ said: 'ready' });
  say({ said: 'measuring' });
  started = performance.now();
  for (let i = 1; i <= job.messages; i += 1) sender.send(i, conversation, text);
  while ((acked < job.messages || delivered < job.messages) && performance.now() - started < GIVE_UP_MS) await delay(5);
  say({ said: 'measured' });
  sender.close();
  recipient.close();
  return { acked, delivered, ackedMs, deliveredMs };
}
