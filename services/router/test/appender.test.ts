import { newId } from '@godwit/ids/id';
import { ManualClock } from '@godwit/runtime/clock';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Appender, type AppendItem, type AppendOutcome } from '../src/domain/appender.js';

const item = (clientMessageId: string): AppendItem => ({
  conversationId: 'c',
  senderUserId: 'u',
  senderDeviceId: 'd',
  clientMessageId,
  kind: 1,
  targetSeq: 0,
  mediaIds: [],
  expiresAtMs: 0,
  membershipVersion: 1,
  envelope: new Uint8Array(),
  bodyHash: new Uint8Array(),
  retry: false,
  lookupOnly: false,
  senderIsAdmin: false,
  traceparent: '',
});

/** Two nodes over one log that does what an honest store does: a retry is looked up, everything else is numbered. */
class Nodes {
  readonly stored: string[] = [];
  readonly up = new Set(['a', 'b']);
  queue: { node: string; requestId: number; item: AppendItem }[] = [];
  readonly suspected: string[] = [];

  readonly transport = {
    pick: () => 'a',
    candidates: () => ['a', 'b'],
    isUp: (node: string) => this.up.has(node),
    send: (node: string, requestId: number, sent: AppendItem) => {
      if (!this.up.has(node)) return false;
      this.queue.push({ node, requestId, item: sent });
      return true;
    },
    suspect: (node: string) => {
      this.suspected.push(node);
    },
  };

  answer(node: string, sent: AppendItem): AppendOutcome {
    const known = this.stored.indexOf(sent.clientMessageId);
    const duplicate = known >= 0;
    // A store that isn't told of a retry would number it again: that is the mistake this test looks for.
    if (duplicate && !sent.retry) throw new Error('sent again without saying so');
    if (!duplicate) this.stored.push(sent.clientMessageId);
    const seq = (duplicate ? known : this.stored.length - 1) + 1;
    return { type: 'appended', node, seq, serverTimeMs: 1, duplicate, membershipVersion: 1 };
  }
}

type Step = 'answer' | 'store-only' | 'break-a' | 'break-b' | 'up-a' | 'up-b' | 'not-owner' | 'busy' | 'wait';
const steps = fc.array(
  fc.constantFrom<Step>('answer', 'store-only', 'break-a', 'break-b', 'up-a', 'up-b', 'not-owner', 'busy', 'wait'),
  { maxLength: 40 },
);

describe('the appender', () => {
  it('ends every item once, and an acked one is stored, whatever happens to streams and nodes', () => {
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 6 }), (happenings, count) => {
        const clock = new ManualClock();
        const nodes = new Nodes();
        const appender = new Appender({ transport: nodes.transport, clock, deadlineMs: 10_000 });
        const outcomes = new Map<string, AppendOutcome[]>();
        const ids = Array.from({ length: count }, () => newId());
        for (const id of ids) {
          outcomes.set(id, []);
          appender.append(item(id), (outcome) => outcomes.get(id)?.push(outcome));
        }
        const next = () => nodes.queue.shift();
        const act = (step: Step): void => {
          const sent =
            step === 'answer' || step === 'store-only' || step === 'not-owner' || step === 'busy' ? next() : undefined;
          if (sent !== undefined) {
            const { node, requestId } = sent;
            if (step === 'answer') appender.onAnswer(node, requestId, nodes.answer(node, sent.item));
            else if (step === 'store-only') nodes.answer(node, sent.item);
            else if (step === 'not-owner') appender.onAnswer(node, requestId, { type: 'not-owner' });
            else appender.onAnswer(node, requestId, { type: 'unavailable', retryAfterMs: 100 });
          } else if (step.startsWith('break')) {
            const node = step.slice(-1);
            nodes.up.delete(node);
            nodes.queue = nodes.queue.filter((one) => one.node !== node);
            appender.onDown(node);
          } else if (step.startsWith('up')) {
            nodes.up.add(step.slice(-1));
            appender.onUp();
          } else if (step === 'wait') {
            clock.advance(700);
            appender.sweep();
          }
        };
        for (const step of happenings) act(step);
        for (let round = 0; round < 40 && appender.pending > 0; round++) {
          act('up-a');
          act('up-b');
          while (nodes.queue.length > 0) act('answer');
          act('wait');
        }
        for (const id of ids) {
          const ended = outcomes.get(id) ?? [];
          expect(ended).toHaveLength(1);
          const [outcome] = ended;
          if (outcome?.type === 'appended') expect(nodes.stored[outcome.seq - 1]).toBe(id);
          else expect(outcome?.type).toBe('unavailable');
        }
        expect(new Set(nodes.stored).size).toBe(nodes.stored.length);
      }),
      { numRuns: 500 },
    );
  });

  it('keeps the order of a conversation through refusals of a store that is full', () => {
    const happenings = fc.array(fc.constantFrom('append', 'append', 'answer', 'full', 'wait'), { maxLength: 60 });
    fc.assert(
      fc.property(happenings, (steps) => {
        const clock = new ManualClock();
        const nodes = new Nodes();
        const appender = new Appender({ transport: nodes.transport, clock, deadlineMs: 60_000 });
        const ids: string[] = [];
        const act: Record<string, () => void> = {
          append: () => {
            ids.push(newId());
            appender.append(item(ids.at(-1) ?? ''), () => undefined);
          },
          answer: () => {
            const sent = nodes.queue.shift();
            if (sent !== undefined) appender.onAnswer(sent.node, sent.requestId, nodes.answer(sent.node, sent.item));
          },
          full: () => {
            for (const { node, requestId } of nodes.queue.splice(0)) {
              appender.onAnswer(node, requestId, { type: 'unavailable', retryAfterMs: 500 });
            }
          },
          wait: () => {
            clock.advance(300);
            appender.sweep();
          },
        };
        for (const step of steps) act[step]?.();
        for (let round = 0; round < 10; round++) {
          act['wait']?.();
          while (nodes.queue.length > 0) act['answer']?.();
        }
        expect(nodes.stored).toEqual(ids);
      }),
      { numRuns: 500 },
    );
  });

  it('takes items away from a node that is silent for 2 s, and gives up after the deadline', () => {
    const clock = new ManualClock();
    const nodes = new Nodes();
    const appender = new Appender({ transport: nodes.transport, clock, deadlineMs: 10_000 });
    const outcomes: AppendOutcome[] = [];
    appender.append(item('one'), (outcome) => outcomes.push(outcome));
    clock.advance(2_100);
    appender.sweep();
    expect(nodes.suspected).toEqual(['a']);
    expect(nodes.queue.at(-1)).toMatchObject({ item: { retry: true } });
    clock.advance(10_000);
    appender.sweep();
    expect(outcomes).toEqual([{ type: 'unavailable', retryAfterMs: 1_000 }]);
  });
});
