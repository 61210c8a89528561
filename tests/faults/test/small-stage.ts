import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as delay } from 'node:timers/promises';
import { newId } from '@godwit/ids/id';
import { GODWIT_FLEET, type FleetService } from '@godwit/local-stack/topology';
import { checkHistory, type Judgement } from '../src/checker/check-history.js';
import { Crew, until } from '../src/clients/crew.js';
import { Recorder } from '../src/clients/recorder.js';
import type { FaultRecord } from '../src/history.js';
import type { PlannedConversation, Plan } from '../src/plan/plan.js';
import { importPeople } from '../src/world/people.js';
import { LogReader, MarkSampler } from '../src/world/read-log.js';
import { World } from '../src/world/world.js';

/** Enough for messages to go their way. */
const SERVICES = new Set(['edge', 'router', 'message-store', 'session', 'group', 'account']);

export interface StageOptions {
  /** Programs under `tests/faults/sabotage` that take the place of services, by service. */
  readonly instead?: Readonly<Record<string, string>>;
  readonly existing: { readonly mongo: string; readonly nats: string; readonly redis: string };
}

/** A small fleet with three people on it, for a scene that is over in seconds, and the checker to judge it. */
export class SmallStage implements AsyncDisposable {
  readonly world: World;
  readonly crew: Crew;
  readonly reader: LogReader;
  readonly #dir: string;
  readonly #recorder: Recorder;
  readonly #marks: MarkSampler;
  #sent = 0;

  private constructor(parts: { world: World; crew: Crew; reader: LogReader; dir: string; recorder: Recorder }) {
    this.world = parts.world;
    this.crew = parts.crew;
    this.reader = parts.reader;
    this.#dir = parts.dir;
    this.#recorder = parts.recorder;
    this.#marks = new MarkSampler(parts.reader, () => this.#recorder.now(), 200);
  }

  static async open({ instead = {}, existing }: StageOptions): Promise<SmallStage> {
    const dir = await mkdtemp(path.join(tmpdir(), 'godwit-sabotage-'));
    const namespace = `s${newId().slice(0, 8)}`;
    const fleet = GODWIT_FLEET.filter(({ service }) => SERVICES.has(service)).map((service) => ({
      ...service,
      replicas: 1,
      main: mainOf(service, instead),
    }));
    const world = await World.start({ dir, existing, namespace, fleet });
    const people = await importPeople(world.stack, [1, 2, 1]);
    const recorder = new Recorder();
    const crew = new Crew(CAST, people, { edges: world.stack.edges, recorder });
    const reader = new LogReader(existing.mongo, namespace);
    const stage = new SmallStage({ world, crew, reader, dir, recorder });
    await crew.assemble(CAST.conversations);
    return stage;
  }

  get chat(): string {
    return this.crew.conversations.get('chat') ?? '';
  }

  now(): number {
    return this.#recorder.now();
  }

  /** Has a user send so many texts; they are acked when it resolves, unless that takes too long. */
  async send(user: number, count: number): Promise<boolean> {
    const device = this.crew.device(user, 0);
    for (let index = 0; index < count; index += 1) {
      this.#sent += 1;
      const id = `s${String(this.#sent)}`;
      device.send({ conversationId: this.chat, id, text: `text of ${id}`, expiresAtMs: 0 });
    }
    return until(() => device.record.open === 0, 20_000);
  }

  /** Until everybody who is online has seen the conversation up to its head. */
  async untilSeen(timeoutMs = 10_000): Promise<boolean> {
    return until(async () => {
      const head = await this.head();
      return this.crew.all.every(({ record }) => !record.online || record.seen(this.chat) >= head);
    }, timeoutMs);
  }

  async head(): Promise<number> {
    const standing = await this.reader.standing();
    return Math.max(
      0,
      ...standing.filter(({ conversationId }) => conversationId === this.chat).map(({ lastSeq }) => lastSeq),
    );
  }

  async kill(name: string): Promise<void> {
    const before = this.world.stack.restartsOf(name);
    await this.world.stack.kill(name);
    await until(() => this.world.stack.restartsOf(name) > before, 20_000);
    await this.world.stack.waitReady(name);
  }

  async wait(ms: number): Promise<void> {
    await delay(ms);
  }

  /** Ends the scene and judges it. */
  async judge(faults: readonly FaultRecord[] = []): Promise<Judgement> {
    await until(async () => (await this.reader.payloadsLeft()) === 0, 6_000);
    await this.#marks.stop();
    const log = await this.reader.snapshot([this.chat], this.#recorder.epochMs);
    const { devices, events } = this.#recorder;
    const endAt = this.now();
    return checkHistory({ busy: [], devices, events, faults, log, marks: this.#marks.samples, quietAt: endAt, endAt });
  }

  async sampleMarks(): Promise<void> {
    await this.#marks.sample();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.crew.disband();
    await this.#marks.stop();
    await this.reader[Symbol.asyncDispose]();
    await this.world[Symbol.asyncDispose]();
    await rm(this.#dir, { recursive: true, force: true });
  }
}

/** Ada writes; Ben has a phone with the SDK and a bot of his own; Cem has one device. */
const CHAT: PlannedConversation = { name: 'chat', kind: 'group', members: [0, 1, 2] };
const CAST: Plan = {
  seed: 0,
  minutes: 0,
  rate: 0,
  users: [
    { devices: [{ client: 'sdk', restless: false }] },
    {
      devices: [
        { client: 'sdk', restless: false },
        { client: 'foreign', restless: false },
      ],
    },
    { devices: [{ client: 'sdk-json', restless: false }] },
  ],
  conversations: [CHAT],
  actions: [],
  faults: [],
};

const SABOTAGE = fileURLToPath(new URL('../dist/sabotage', import.meta.url));

function mainOf({ service, main }: FleetService, instead: Readonly<Record<string, string>>): string {
  const program = instead[service];
  return program === undefined ? main : path.join(SABOTAGE, `${program}.js`);
}
