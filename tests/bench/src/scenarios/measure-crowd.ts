import { cpuEach, type Load, measure, type Measurement, median } from '../measure.js';
import type { Figure, Outcome, Settings } from '../outcome.js';
import type { Context } from './scenario.js';

const MEMBERS = 10_000;
/** A reader in one process takes 5 to 7 µs a frame. */
export const CROWD_GENERATORS = 3;
const RATE = 10;

export function crowdOf({ scale }: Pick<Settings, 'scale'>): number {
  return Math.ceil(MEMBERS * scale);
}

/** Messages to a crowd of whichever system. */
export async function measureCrowd(
  load: Pick<Load, 'generators' | 'processes' | 'recipients' | 'senders' | 'toggleProfiles'>,
  { settings, say }: Context,
): Promise<Pick<Outcome, 'figures' | 'rows' | 'data'>> {
  const all: Measurement[] = [];
  for (let i = 0; i < settings.repeats; i += 1) {
    const { seconds, warmupSeconds } = settings;
    const one = await measure({ ...load, rate: RATE, warmupSeconds, seconds, sending: [0], perMessage: true });
    const { lastReached, reachedAll, offered } = one;
    say(
      `crowd: ${String(reachedAll)} of ${String(offered)} reached all, last one p50 ${ms(lastReached?.p50)}, p99 ${ms(lastReached?.p99)}, ${cpuEach(one, one.delivered).toFixed(1)} µs a delivery (others ${one.othersCores.toFixed(1)} cores)`,
    );
    all.push(one);
  }
  return crowdFound(
    median(all, ({ lastReached }) => lastReached?.p99 ?? Infinity),
    load.recipients,
  );
}

function crowdFound(one: Measurement, recipients: number): Pick<Outcome, 'figures' | 'rows' | 'data'> {
  const { lastReached } = one;
  const last: Figure[] =
    lastReached === undefined
      ? []
      : [
          {
            what: 'last member has it, p50',
            value: lastReached.p50,
            unit: 'ms',
            goal: { atLeast: 130, aim: 60, better: 'lower' },
          },
          {
            what: 'last member has it, p99',
            value: lastReached.p99,
            unit: 'ms',
            goal: { atLeast: 200, aim: 100, better: 'lower' },
          },
        ];
  return {
    figures: [
      ...last,
      {
        what: 'messages that reached all, of those offered',
        value: (100 * one.reachedAll) / one.offered,
        unit: '%',
        better: 'higher',
      },
      { what: 'delivery p99', value: one.delivery.p99, unit: 'ms', better: 'lower' },
      { what: 'CPU of all processes for a delivery', value: cpuEach(one, one.delivered), unit: 'µs', better: 'lower' },
    ],
    rows: [{ name: `${String(RATE)} messages/s to ${String(recipients)}`, measurement: one }],
    data: { best: one },
  };
}

function ms(value: number | undefined): string {
  return value === undefined ? '-' : `${value.toFixed(0)} ms`;
}
