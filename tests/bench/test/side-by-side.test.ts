import { describe, expect, it } from 'vitest';
import type { Measurement } from '../src/measure.js';
import type { Outcome, PeerFound } from '../src/outcome.js';
import { newIn } from '../src/peers/debian-packages.js';
import { treeOf } from '../src/peers/process-tree.js';
import { htmlReport } from '../src/report/html-report.js';
import { allRows, compared, verdict } from '../src/report/side-by-side.js';
import { textReport } from '../src/report/text-report.js';

const latency = { count: 1, p50: 1, p95: 2, p99: 3, p999: 4, max: 5 };

function measurementOf(process: string, cpuUs: number): Measurement {
  return {
    rate: 10,
    seconds: 1,
    offered: 10,
    acked: 10,
    delivered: 10,
    expectedDeliveries: 10,
    ackedPerSecond: 10,
    deliveredPerSecond: 10,
    refused: {},
    refusedForGood: 0,
    repeated: 0,
    ack: latency,
    delivery: latency,
    lastReached: undefined,
    reachedAll: 0,
    answers: [],
    processes: [{ name: process, cpuUs, rssBytes: 2 ** 20 }],
    generatorCpuUs: 10,
    othersCores: 0,
  };
}

const peer: PeerFound = {
  peer: 'ejabberd 23.01',
  setup: 'the same',
  figures: [
    { what: 'ack p99', value: 30, unit: 'ms' },
    { what: 'rate', value: 1_500, unit: '/s' },
    { what: 'CPU', value: 102, unit: 'µs' },
    { what: 'refused', value: 0, unit: '' },
  ],
  rows: [{ name: '10/s', measurement: measurementOf('postgres', 5_000) }],
};
const outcome: Outcome = {
  scenario: 'private',
  setup: 'pairs',
  figures: [
    { what: 'ack p99', value: 60, unit: 'ms', goal: { atLeast: 25, aim: 12, better: 'lower' } },
    { what: 'rate', value: 3_000, unit: '/s', better: 'higher' },
    { what: 'CPU', value: 100, unit: 'µs', better: 'lower' },
    { what: 'refused', value: 5, unit: '' },
    { what: 'only ours', value: 5, unit: '', better: 'lower' },
  ],
  rows: [{ name: '10/s', measurement: measurementOf('edge-0', 3_000) }],
  peers: [peer, { peer: 'Centrifugo', missing: 'there is no go on this machine' }],
};

describe('side by side', () => {
  it('says by how much, whichever way is better, and who is ahead', () => {
    expect(compared(outcome, peer).map(({ what, times, ahead }) => ({ what, times, ahead }))).toEqual([
      { what: 'ack p99', times: 0.5, ahead: 'peer' },
      { what: 'rate', times: 2, ahead: 'Godwit' },
      { what: 'CPU', times: 1.02, ahead: 'even' },
    ]);
  });

  it('has no ratio to nothing', () => {
    const [one] = compared(
      { figures: [{ what: 'x', value: 0, unit: 'ms', better: 'lower' }] },
      { figures: [{ what: 'x', value: 5, unit: 'ms' }] },
    );
    expect(one).toMatchObject({ times: undefined, ahead: 'Godwit' });
  });

  it('names what a peer is ahead in first', () => {
    expect(verdict('ejabberd', compared(outcome, peer))).toBe(
      'ejabberd is ahead in: ack p99. Godwit is ahead in: rate. Even (within 5 %): CPU.',
    );
  });

  it('puts the measurements of all into one table', () => {
    expect(allRows(outcome).map(({ name }) => name)).toEqual(['Godwit: 10/s', 'ejabberd: 10/s']);
  });

  it('is in both reports, and so is why somebody is missing', () => {
    const results = {
      machine: 'test',
      at: 'now',
      settings: {
        seconds: 1,
        warmupSeconds: 1,
        repeats: 1,
        payloadBytes: 128,
        sockets: 1,
        idleSeconds: 1,
        rate: undefined,
        scale: 1,
        replicas: 1,
        profiles: undefined,
      },
      raised: {},
      outcomes: [outcome],
    };
    for (const report of [textReport(outcome), htmlReport(results)]) {
      expect(report).toContain('ejabberd 23.01 is ahead in: ack p99.');
      expect(report).toContain('Centrifugo was not driven: there is no go on this machine.');
      expect(report).toContain('postgres');
      expect(report).toContain('2.00');
    }
    // Nothing is loaded from elsewhere.
    expect(htmlReport(results)).not.toMatch(/src=|href=|url\(|@import/);
  });
});

describe('peers on this machine', () => {
  it('take only packages that are not there, and nothing that only an installed system needs', () => {
    const simulated = [
      'Inst erlang-base (1:25.2.3 Debian:12 [amd64])',
      'Inst postgresql-15 [15.1] (15.2 Debian:12 [amd64])',
      'Inst libllvm14 (1:14.0.6 Debian:12 [amd64]) []',
      'Inst libodbc2 (2.3.11 Debian:12 [amd64]) []',
      'Conf libodbc2 (2.3.11 Debian:12 [amd64])',
    ].join('\n');
    expect(newIn(simulated)).toEqual(['erlang-base', 'libodbc2']);
  });

  it.runIf(process.platform === 'linux')('are watched with all their descendants', () => {
    const tree = treeOf([{ name: 'runner', pid: process.ppid }]);
    expect(tree).toContainEqual({ name: 'runner', pid: process.pid });
  });
});
