import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { newId } from '@godwit/ids/id';
import { LIFTED_EDGE_LIMITS } from '@godwit/local-stack/lifted-limits';
import { Stack } from '@godwit/local-stack/stack';
import { GODWIT_FLEET } from '@godwit/local-stack/topology';
import { AccountServiceClient, type ImportUsersResponse } from '@godwit/proto/gen/grpc/godwit/account/v1/account';
import {
  type AddMembersResponse,
  type CreateGroupResponse,
  GroupServiceClient,
} from '@godwit/proto/gen/grpc/godwit/group/v1/group';
import { credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import type { Account } from './generator/client.js';
import type { NamedPid } from './process-usage.js';

const IMPORT_AT_A_TIME = 1_000;
const ADD_AT_A_TIME = 500;
const TOKEN_SECONDS = 24 * 3_600;
const FOR_KILLS = { mongo: { members: 3 }, supervise: true } as const;
const DEADLINE_MS = 60_000;

export interface FleetOptions {
  /** How many of each service; one where nothing is said, for a second process costs what it does not win on few cores. */
  readonly replicas?: Readonly<Record<string, number>>;
  /** Folder for CPU profiles of the services, one for each measurement. */
  readonly profiles?: string | undefined;
  /** Three members of MongoDB, and whatever ends is started again: something is to be killed. */
  readonly forKills?: boolean;
}

type Answer<R> = (error: ServiceError | null, response: R) => void;

/** A fleet of its own on real servers, as `npm start` brings it, but for its rate limits and the number of replicas. */
export class BenchFleet implements AsyncDisposable {
  readonly stack: Stack;
  readonly startMs: number;
  readonly #dir: string;
  readonly #profiled: boolean;
  readonly #accounts: AccountServiceClient;
  readonly #groups: GroupServiceClient;

  private constructor(stack: Stack, dir: string, { startMs, profiled }: { startMs: number; profiled: boolean }) {
    this.stack = stack;
    this.#dir = dir;
    this.startMs = startMs;
    this.#profiled = profiled;
    this.#accounts = new AccountServiceClient(stack.grpcAddress('account-0'), credentials.createInsecure());
    this.#groups = new GroupServiceClient(stack.grpcAddress('group-0'), credentials.createInsecure());
  }

  static async start({ replicas = {}, profiles, forKills = false }: FleetOptions = {}): Promise<BenchFleet> {
    const dir = await mkdtemp(join(tmpdir(), 'godwit-bench-'));
    const started = performance.now();
    const fleet = GODWIT_FLEET.map((service) => ({ ...service, replicas: replicas[service.service] ?? 1 }));
    const env = profiles === undefined ? {} : profilerIn(await madeFolder(profiles));
    const stack = await Stack.start({
      dir,
      ports: 'free',
      fleet,
      env,
      envOf: { edge: LIFTED_EDGE_LIMITS },
      ...(forKills ? FOR_KILLS : {}),
    });
    return new BenchFleet(stack, dir, { startMs: performance.now() - started, profiled: profiles !== undefined });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#accounts.close();
    this.#groups.close();
    await this.stack.stop();
    await rm(this.#dir, { recursive: true, force: true });
  }

  get edges(): readonly string[] {
    return this.stack.edges;
  }

  /** Services and servers. */
  readonly processes = (): NamedPid[] =>
    this.stack.processes.flatMap(({ name, pid }) => (pid === undefined ? [] : [{ name, pid }]));

  /** Begins and ends profiles, where they are asked for. */
  readonly toggleProfiles = (): void => {
    if (!this.#profiled) return;
    for (const { name } of this.stack.replicas) this.stack.process(name).signal('SIGUSR2');
  };

  /** The process that is MongoDB's primary now. */
  async mongoPrimary(): Promise<string> {
    const { mongo } = this.stack.servers;
    if (mongo === undefined) throw new Error('this MongoDB is not ours to kill');
    return (await mongo.primary()).name;
  }

  /** New users with a device each. */
  async importUsers(count: number): Promise<Account[]> {
    const accounts: Account[] = [];
    while (accounts.length < count) {
      const users = Array.from({ length: Math.min(count - accounts.length, IMPORT_AT_A_TIME) }, () => ({
        externalId: newId(),
        phone: '',
        userName: '',
        displayName: '',
      }));
      const request = { users, devicesPerUser: 1, tokenValidSeconds: TOKEN_SECONDS };
      const response = await answered<ImportUsersResponse>((answer) => {
        this.#accounts.importUsers(request, this.#metadata(), deadline(), answer);
      });
      accounts.push(...accountsIn(response));
    }
    return accounts;
  }

  /** A group of these users; the first is its owner. */
  async createGroup(userIds: readonly string[]): Promise<{ conversationId: string; headSeq: number }> {
    const [owner = '', ...others] = userIds;
    const request = {
      clientRequestId: newId(),
      name: 'bench',
      pictureMediaId: '',
      memberUserIds: others.slice(0, ADD_AT_A_TIME),
      settings: undefined,
    };
    const { group } = await answered<CreateGroupResponse>((answer) => {
      this.#groups.createGroup(request, this.#metadata(owner), deadline(), answer);
    });
    const conversationId = group?.conversationId ?? '';
    let headSeq = group?.membershipVersion ?? 0;
    for (let start = ADD_AT_A_TIME; start < others.length; start += ADD_AT_A_TIME) {
      const more = { conversationId, userIds: others.slice(start, start + ADD_AT_A_TIME) };
      const { membershipVersion } = await answered<AddMembersResponse>((answer) => {
        this.#groups.addMembers(more, this.#metadata(owner), deadline(), answer);
      });
      headSeq = membershipVersion;
    }
    return { conversationId, headSeq };
  }

  #metadata(userId?: string): Metadata {
    const metadata = new Metadata();
    metadata.set('x-api-key', this.stack.secrets.adminApiKey);
    if (userId !== undefined) metadata.set('godwit-user', userId);
    return metadata;
  }
}

async function madeFolder(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  return resolve(folder);
}

function profilerIn(folder: string): Record<string, string> {
  const preload = new URL('./profiler.js', import.meta.url).href;
  return { NODE_OPTIONS: `--import=${preload}`, GODWIT_BENCH_PROFILES: folder };
}

function deadline(): { deadline: number } {
  return { deadline: Date.now() + DEADLINE_MS };
}

function answered<R>(call: (answer: Answer<R>) => void): Promise<R> {
  return new Promise((done, reject) => {
    call((error, response) => {
      if (error === null) done(response);
      else reject(error);
    });
  });
}

function accountsIn({ users }: ImportUsersResponse): Account[] {
  return users.flatMap(({ userId, devices }) =>
    devices.map(({ deviceId, accessToken }) => ({ userId, deviceId, token: accessToken })),
  );
}
