import { ServerFrame } from '@godwit/proto/gen/grpc/godwit/client/v1/frames';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Ledger, REFUSED, UNANSWERED } from '../src/generator/ledger.js';
import { ProtoScan } from '../src/generator/proto-scan.js';
import { FIRST_REQUEST_ID, SentRequests } from '../src/generator/sent-requests.js';
import { blankText, dueAt, indexAt, nowUs, runAt, STAMP_BYTES, writeStamp } from '../src/generator/stamp.js';
import { SERVER_FRAME } from '../src/generator/godwit-client.js';
import { lastReached, median, summed } from '../src/measure.js';
import { troubleIn } from '../src/scenarios/kill.js';
import { sharesOf } from '../src/scenarios/population.js';
import { delays } from '../src/scenarios/presence.js';
import { searchRate, type Verdict, verdictOf } from '../src/search-rate.js';
import { busyUsIn, cpuBetween, cpuUsIn, sumByName } from '../src/process-usage.js';

const runOf = (startUs: number) => ({ run: 1, startUs, warmupSeconds: 1, seconds: 2, perMessage: 4 });

describe('the ledger', () => {
  it('leaves the warm-up out, and what was due after the measured time', () => {
    const start = nowUs() - 1_500_000;
    const ledger = new Ledger(runOf(start));
    for (const due of [start, start + 999_999, start + 1_000_000, start + 2_999_999, start + 3_000_000]) {
      ledger.offered(0, due);
      ledger.acked(0, due);
      ledger.arrived(0, due);
    }
    const counts = ledger.counts();
    expect(counts).toMatchObject({ offered: 2, acked: 2, delivered: 2 });
    // All acks came in the measured time, whatever they were for.
    expect(counts.ackedInTime).toBe(5);
  });

  it('counts every message once: acked, refused, or still open', () => {
    const start = nowUs() - 1_500_000;
    const ledger = new Ledger(runOf(start));
    const due = start + 1_200_000;
    for (let i = 0; i < 5; i += 1) ledger.offered(i, due);
    ledger.acked(0, due);
    ledger.refused({ index: 1, dueUs: due }, 'OVERLOADED', 500);
    ledger.refused({ index: 2, dueUs: due }, 'NOT_A_MEMBER', 0);
    expect(ledger.open).toBe(2);
    expect(ledger.counts()).toMatchObject({ refused: { OVERLOADED: 1, NOT_A_MEMBER: 1 }, refusedForGood: 1 });
  });

  it('adds up what several processes have counted', () => {
    const start = nowUs() - 1_500_000;
    const [one, two] = [new Ledger(runOf(start)), new Ledger(runOf(start))];
    const due = start + 1_200_000;
    one.offered(0, due);
    one.acked(0, due);
    for (const ledger of [one, two]) ledger.arrived(0, due);
    const load = { rate: 1, seconds: 2, recipients: 2, warmupSeconds: 1 } as Parameters<typeof summed>[0];
    const costs = { processes: [], generatorCpuUs: 0, othersCores: 0 };
    const sum = summed(load, [one.counts(), two.counts()], costs);
    expect(sum).toMatchObject({ offered: 1, acked: 1, delivered: 2, expectedDeliveries: 2, reachedAll: 1 });
    expect(sum.ack.count).toBe(1);
    expect(sum.delivery.count).toBe(2);
    // The second one sent nothing: what it says of the answer is 0.
    expect(sum.answers[0]).toBeGreaterThan(0);
    expect(sum.answers).toHaveLength(runOf(start).perMessage);
  });

  it('counts a message as with everybody only when everybody has it', () => {
    const reached = [
      {
        reached: [
          [2, 5_000],
          [1, 9_000],
          [0, 0],
        ] as const,
      },
      {
        reached: [
          [1, 7_000],
          [1, 1_000],
          [0, 0],
        ] as const,
      },
    ];
    expect(lastReached(reached, 3)).toEqual([7]);
  });
});

describe('the trouble after a kill', () => {
  it('lasts until the last send was due that was refused or never answered', () => {
    const answers = [900, 2_000, REFUSED, 1_500_000, UNANSWERED, 3_000, 0];
    const trouble = troubleIn(answers, { rate: 2, atSeconds: 0.5 });
    expect(trouble).toEqual({ refused: 1, unanswered: 1, refusedSeconds: 1.5, longestWaitSeconds: 1.5 });
  });

  it('is none where all were answered in time', () => {
    const trouble = troubleIn([5, 5, 5], { rate: 1, atSeconds: 1.5 });
    expect(trouble).toMatchObject({ refusedSeconds: 0, longestWaitSeconds: 5e-6 });
  });

  it('does not count what waited before the kill', () => {
    expect(troubleIn([400_000, 300_000, 1_000], { rate: 1, atSeconds: 2 }).longestWaitSeconds).toBe(0.001);
  });

  it('is told by what the generators have counted for each message', () => {
    const ledger = new Ledger(runOf(nowUs() - 1_500_000));
    const due = nowUs();
    for (const index of [0, 1, 2]) ledger.offered(index, due);
    ledger.acked(0, due - 7);
    ledger.refused({ index: 1, dueUs: due }, 'OVERLOADED', 500);
    const [acked, ...others] = ledger.counts().answers;
    expect(acked).toBeGreaterThanOrEqual(7);
    expect(others).toEqual([REFUSED, UNANSWERED, 0]);
  });
});

describe('what identifies a message', () => {
  it('is read as it was written', () => {
    const stamp = fc.record({ run: fc.nat(9_999), index: fc.nat(99_999_999), dueUs: fc.nat({ max: 2 ** 50 }) });
    fc.assert(
      fc.property(stamp, fc.nat(20), (written, at) => {
        const buffer = Buffer.from(' '.repeat(at) + blankText(40));
        writeStamp(buffer, at, written);
        expect({ run: runAt(buffer, at), index: indexAt(buffer, at), dueUs: dueAt(buffer, at) }).toEqual(written);
        expect(buffer.length).toBe(at + Math.max(40, STAMP_BYTES));
      }),
    );
  });

  it('answers each request once', () => {
    const requests = new SentRequests();
    const id = requests.add({ run: 3, index: 7, dueUs: 11 });
    expect(id).toBe(FIRST_REQUEST_ID);
    expect(requests.take(id)).toEqual({ run: 3, index: 7, dueUs: 11 });
    expect(requests.take(id)).toBeUndefined();
    expect(requests.take(0)).toBeUndefined();
  });
});

describe('the scan of server frames', () => {
  it('finds the fields by the numbers of the generated code', () => {
    const bodies: Readonly<Record<string, NonNullable<ServerFrame['body']>>> = {
      syncComplete: { $case: 'syncComplete', value: { serverTimeMs: 5 } },
      gone: { $case: 'gone', value: { conversationId: 'g:a', fromSeq: 1, toSeq: 2, reason: 1 } },
      presence: { $case: 'presence', value: { userId: 'u', online: true, lastSeenMs: 0 } },
      position: { $case: 'position', value: { conversationId: 'g:a', cursorSeq: 1, headSeq: 2 } },
    };
    for (const [name, body] of Object.entries(bodies)) {
      const data = Buffer.from(ServerFrame.encode({ requestId: 9, body }).finish());
      const scan = new ProtoScan().over(data, 0, data.length);
      const fields: number[] = [];
      while (scan.next()) fields.push(scan.field);
      expect(fields).toEqual([SERVER_FRAME.requestId, SERVER_FRAME[name as keyof typeof SERVER_FRAME]]);
    }
  });
});

describe('the search for the best rate', () => {
  it('comes close to what the system can do, from below', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 130, max: 15_000 }), async (limit) => {
        const holds = async (rate: number): Promise<Verdict> => (rate <= limit ? 'holds' : 'fails');
        const found = await searchRate(holds, { from: 1_000, to: 20_000, least: 100, precision: 0.05, step: 1.5 });
        expect(found).toBeLessThanOrEqual(limit);
        expect(found).toBeGreaterThan(limit * 0.9);
      }),
    );
  });

  it('tries a rate that is close once more, and says 0 when not even the least one holds', async () => {
    let tries = 0;
    const flaky = async (): Promise<Verdict> => ((tries += 1) % 2 === 0 ? 'holds' : 'close');
    expect(await searchRate(flaky, { from: 100, to: 150, least: 50, precision: 0.1, step: 2 })).toBe(100);
    expect(await searchRate(async () => 'close', { from: 100, to: 800, least: 50, precision: 0.1, step: 2 })).toBe(0);
  });
});

describe('the members of groups', () => {
  it('who write are spread over the generators, whatever the size of a group', () => {
    const account = { userId: 'u', deviceId: 'd', token: '' };
    for (const size of [9, 10, 11]) {
      const members = Array.from({ length: size }, () => account);
      const groups = Array.from({ length: 6 }, (_, index) => ({
        conversationId: `g:${String(index)}`,
        headSeq: 1,
        members,
      }));
      const shares = sharesOf(groups, 2, ['ws://a', 'ws://b']);
      const writers = shares.map((share) => share.filter(({ targets }) => targets.length > 0).length);
      expect(writers).toEqual([3, 3]);
      expect(shares.flat()).toHaveLength(6 * size);
    }
  });
});

describe('the verdict on a rate', () => {
  it('is close where it is the tail that is too late, and not where half of all is', () => {
    expect(verdictOf({ isWhole: true, p50: 5, p99: 200 }, 200)).toBe('holds');
    expect(verdictOf({ isWhole: false, p50: 5, p99: 20 }, 200)).toBe('close');
    expect(verdictOf({ isWhole: true, p50: 5, p99: 300 }, 200)).toBe('close');
    expect(verdictOf({ isWhole: true, p50: 300, p99: 900 }, 200)).toBe('fails');
  });
});

describe('figures of the machine', () => {
  it('reads CPU times as the kernel writes them', () => {
    const stat = `42 (node (a) b) S ${Array.from({ length: 10 }, () => '0').join(' ')} 150 50 0 0`;
    expect(cpuUsIn(stat)).toBe(2_000_000);
    expect(busyUsIn('cpu  100 10 50 9999 77 3 2 0 0 0\ncpu0 1')).toBe(1_650_000);
    // Children that have ended count, too.
    expect(cpuUsIn(`42 (sh) S ${Array.from({ length: 10 }, () => '0').join(' ')} 1 2 3 4`)).toBe(100_000);
    const before = [{ name: 'a', cpuUs: 5, rssBytes: 0 }];
    const after = [
      { name: 'a', cpuUs: 9, rssBytes: 0 },
      { name: 'b', cpuUs: 3, rssBytes: 0 },
    ];
    expect(cpuBetween(before, after)).toEqual([
      { name: 'a', cpuUs: 4 },
      { name: 'b', cpuUs: 3 },
    ]);
  });

  it('counts what processes of one name share once', () => {
    const usage = { name: 'postgres', cpuUs: 5, rssBytes: 100 };
    const all = [
      { ...usage, sharedBytes: 60 },
      { ...usage, sharedBytes: 80 },
      { name: 'beam', cpuUs: 1, rssBytes: 7, sharedBytes: 0 },
    ];
    expect(sumByName(all)).toEqual([
      { name: 'postgres', cpuUs: 10, rssBytes: 40 + 20 + 80 },
      { name: 'beam', cpuUs: 1, rssBytes: 7 },
    ]);
  });

  it('takes the one in the middle', () => {
    expect(median([3, 1, 2], (value) => value)).toBe(2);
  });

  it('matches what was told of presence with the change before', () => {
    const made = [
      { userId: 'u', online: false, atUs: 1_000 },
      { userId: 'u', online: true, atUs: 5_000 },
      { userId: 'u', online: false, atUs: 9_000 },
    ];
    const told = [
      { userId: 'u', online: false, atUs: 4_000 },
      { userId: 'u', online: true, atUs: 5_500 },
      { userId: 'u', online: false, atUs: 10_000 },
      { userId: 'other', online: true, atUs: 10_000 },
    ];
    const found = delays(made, told);
    expect(found.told).toBe(4);
    expect(found.offline).toMatchObject({ count: 2, max: expect.closeTo(3, 1) as number });
    expect(found.online).toMatchObject({ count: 1, max: expect.closeTo(0.5, 1) as number });
  });
});
