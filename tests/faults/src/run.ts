import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { checkHistory, type Judgement } from './checker/check-history.js';
import { Crew, until } from './clients/crew.js';
import { Recorder } from './clients/recorder.js';
import type { History } from './history.js';
import { Nemesis } from './nemesis/nemesis.js';
import { makePlan, type Plan, type PlanOptions } from './plan/plan.js';
import { Workload } from './workload.js';
import { MachineWatch } from './world/machine.js';
import { importPeople } from './world/people.js';
import { LogReader, MarkSampler } from './world/read-log.js';
import type { World } from './world/world.js';

export interface RunOptions extends PlanOptions {
  readonly report: (line: string) => void;
  readonly namespace?: string;
}

export interface RunResult {
  readonly plan: Plan;
  /** The same for the same plan. */
  readonly planHash: string;
  readonly history: History;
  readonly judgement: Judgement;
  readonly offered: number;
  readonly skipped: number;
  readonly unconfirmedChanges: number;
}

const SETTLE_MS = 60_000;
const REAPED_MS = 30_000;

/** One run on a fleet: the plan's workload and its faults, then calm, then the judgement. */
export async function runFaults(world: World, options: RunOptions): Promise<RunResult> {
  const { report, namespace = 'godwit' } = options;
  const plan = makePlan(options);
  const people = await importPeople(
    world.stack,
    plan.users.map(({ devices }) => devices.length),
  );
  const recorder = new Recorder();
  const crew = new Crew(plan, people, { edges: world.stack.edges, recorder });
  await using reader = new LogReader(world.stack.servers.urls.mongo, namespace);
  await crew.assemble(plan.conversations);
  report(
    `${String(crew.all.length)} devices of ${String(people.length)} users in ${String(plan.conversations.length)} conversations.`,
  );
  const marks = new MarkSampler(reader, () => recorder.now());
  const machine = new MachineWatch(
    () => pidsOf(world),
    () => recorder.now(),
  );
  const workload = new Workload(crew, plan, recorder);
  const nemesis = new Nemesis({ world, crew }, recorder, report);
  try {
    await together(workload, nemesis, plan);
    const quietAt = recorder.now();
    await settle({ workload, crew, reader, recorder, report });
    await marks.stop();
    const log = await reader.snapshot([...crew.conversations.values()], recorder.epochMs);
    const busy = machine.stop();
    const { events, devices } = recorder;
    const history = {
      busy,
      devices,
      events,
      faults: nemesis.records,
      log,
      marks: marks.samples,
      quietAt,
      endAt: recorder.now(),
    };
    const planHash = createHash('sha256').update(JSON.stringify(plan)).digest('hex').slice(0, 16);
    const { offered, skipped, unconfirmedChanges } = workload;
    return { plan, planHash, history, judgement: checkHistory(history), offered, skipped, unconfirmedChanges };
  } finally {
    machine.stop();
    await crew.disband();
    await marks.stop();
  }
}

function pidsOf({ stack }: World): number[] {
  return stack.processes.flatMap(({ pid }) => pid ?? []);
}

/** Until the time is over, or there is nothing left to break. */
async function together(workload: Workload, nemesis: Nemesis, { faults }: Plan): Promise<void> {
  const over = new AbortController();
  const end = (): void => {
    over.abort();
  };
  const breaking = faults.length === 0 ? undefined : nemesis.run(faults, over.signal).finally(end);
  await Promise.all([workload.run(over.signal).finally(end), breaking]);
}

interface Settling {
  readonly workload: Workload;
  readonly crew: Crew;
  readonly reader: LogReader;
  readonly recorder: Recorder;
  readonly report: (line: string) => void;
}

/** Brings everybody together, waits for what is under way, and gives the reaper its time. */
async function settle({ workload, crew, reader, recorder, report }: Settling): Promise<void> {
  report('The faults are over. Waiting until everything is answered, delivered and reaped ...');
  const online = await crew.untilOnline(SETTLE_MS);
  if (!online) {
    const off = crew.all.filter(({ record }) => !record.online).map(({ record }) => record.device.name);
    report(`Not online after ${String(SETTLE_MS / 1000)} s: ${off.join(', ')}`);
  }
  workload.lastWords();
  await until(() => workload.open === 0, SETTLE_MS);
  // Twice the ten seconds, without a new word: what comes by itself comes now.
  const lastSend = recorder.now();
  await until(async () => recorder.now() - lastSend > 20_000 || (await isDelivered(crew, reader)), 25_000);
  await delay(500);
  await until(async () => (await reader.payloadsLeft()) === 0, REAPED_MS);
}

/** Everybody has seen the last seq of each conversation that they are in. */
async function isDelivered(crew: Crew, reader: LogReader): Promise<boolean> {
  await delay(400);
  const standing = await reader.standing();
  return crew.all.every(({ record }) =>
    standing.every(
      ({ conversationId, userId, lastSeq, lastDevice }) =>
        userId !== record.device.userId ||
        lastDevice === record.device.deviceId ||
        record.seen(conversationId) >= lastSeq,
    ),
  );
}
