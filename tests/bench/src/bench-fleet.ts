import { fork, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { newId } from '@godwit/ids/id';
import { LIFTED_EDGE_LIMITS } from '@godwit/local-stack/lifted-limits';
import { Stack } from '@godwit/local-stack/stack';
import { AccountServiceClient, type ImportUsersResponse } from '@godwit/proto/gen/grpc/godwit/account/v1/account';
import { credentials, Metadata } from '@grpc/grpc-js';
import type { Job, Said } from './generator-protocol.js';
import type { LoadDevice } from './load-client.js';
import { cpuBetween, usageOf, type Usage } from './process-usage.js';

const IMPORT_AT_A_TIME = 1_000;
const TOKEN_SECONDS = 24 * 3_600;

export interface Measured<R> {
  readonly result: R;
  /** CPU of each process of the fleet and its servers during the measured time. */
  readonly cpu: readonly { readonly name: string; readonly cpuUs: number }[];
  readonly usage: readonly Usage[];
  readonly seconds: number;
}

/** A fleet of its own on real servers, as `npm start` brings it, and generators beside it. */
export class BenchFleet implements AsyncDisposable {
  readonly stack: Stack;
  readonly #dir: string;
  readonly startMs: number;

  private constructor(stack: Stack, dir: string, startMs: number) {
    this.stack = stack;
    this.#dir = dir;
    this.startMs = startMs;
  }

  static async start(): Promise<BenchFleet> {
    const dir = await mkdtemp(join(tmpdir(), 'godwit-bench-'));
    const started = performance.now();
    const stack = await Stack.start({ dir, ports: 'free', envOf: { edge: LIFTED_EDGE_LIMITS } });
    return new BenchFleet(stack, dir, performance.now() - started);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stack.stop();
    await rm(this.#dir, { recursive: true, force: true });
  }

  /** New users with a device each. */
  async importUsers(count: number): Promise<LoadDevice[]> {
    const client = new AccountServiceClient(this.stack.grpcAddress('account-0'), credentials.createInsecure());
    const devices: LoadDevice[] = [];
    try {
      while (devices.length < count) devices.push(...(await this.#importSome(client, count - devices.length)));
    } finally {
      client.close();
    }
    return devices;
  }

  async #importSome(client: AccountServiceClient, wanted: number): Promise<LoadDevice[]> {
    const metadata = new Metadata();
    metadata.set('x-api-key', this.stack.secrets.adminApiKey);
    const users = Array.from({ length: Math.min(wanted, IMPORT_AT_A_TIME) }, () => ({
      externalId: newId(),
      phone: '',
      userName: '',
      displayName: '',
    }));
    const response = await new Promise<ImportUsersResponse>((resolve, reject) => {
      const request = { users, devicesPerUser: 1, tokenValidSeconds: TOKEN_SECONDS };
      client.importUsers(request, metadata, { deadline: Date.now() + 60_000 }, (error, answer) => {
        if (error === null) resolve(answer);
        else reject(error);
      });
    });
    return response.users.flatMap(({ userId, devices }) => devices.map((device) => ({ userId, ...device })));
  }

  /** Runs one job in a process of its own, and counts the fleet's CPU while it measures. */
  async run<R>(job: Job): Promise<Measured<R>> {
    const generator = new Generator(job);
    try {
      await generator.until('measuring');
      const before = await usageOf(this.stack);
      const started = performance.now();
      await generator.until('measured');
      const usage = await usageOf(this.stack);
      const seconds = (performance.now() - started) / 1_000;
      const result = (await generator.result()) as R;
      return { result, cpu: cpuBetween(before, usage), usage, seconds };
    } finally {
      generator.kill();
    }
  }
}

/** A generator process and what it has said so far. */
export class Generator {
  readonly #child: ChildProcess;
  readonly #said: Said[] = [];
  #wake: (() => void) | undefined;
  #exited = false;

  constructor(job: Job) {
    this.#child = fork(fileURLToPath(new URL('./generator.js', import.meta.url)), { stdio: 'inherit' });
    this.#child.on('message', (said: Said) => {
      this.#said.push(said);
      this.#wake?.();
    });
    this.#child.on('exit', () => {
      this.#exited = true;
      this.#wake?.();
    });
    this.#child.send(job);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  async until(what: Said['said']): Promise<Said> {
    for (;;) {
      const found = this.#said.find(({ said }) => said === what);
      if (found !== undefined) return found;
      const failed = this.#said.find((one) => one.said === 'failed');
      if (failed !== undefined) throw new Error(`the generator failed: ${failed.message}`);
      if (this.#exited) throw new Error('the generator ended before its time');
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async result(): Promise<unknown> {
    const said = await this.until('result');
    return said.said === 'result' ? said.result : undefined;
  }

  /** Ends what waits for it. */
  go(): void {
    this.#child.send('go');
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}
