import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { GodwitClient } from '@godwit/client/client';
import { textOf } from '@godwit/client/message';
import { nodeSocket } from '@godwit/client/node-socket';
import { fixedToken } from '@godwit/client/tokens';
import { privateConversation } from '@godwit/ids/conversation';
import { newId } from '@godwit/ids/id';
import { AccountServiceClient, type ImportUsersResponse } from '@godwit/proto/gen/grpc/godwit/account/v1/account';
import { waitFor } from '@godwit/testkit/wait-for';
import { credentials, Metadata } from '@grpc/grpc-js';
import { expect } from 'vitest';
import { EDGE, forwarded, kubectl, ROOT, SCRATCH, somePod } from './kubectl.js';

/** Of the `ci` overlay. */
const API_KEY = 'godwit-development-key';

/** A fleet as internal teams and clients find it. Certificates are PEM. */
export interface Site {
  readonly edge: string;
  readonly apiKey: string;
  readonly ca: Buffer;
  readonly key: Buffer;
  readonly cert: Buffer;
}

export interface Device {
  readonly userId: string;
  readonly accessToken: string;
}

const file = (name: string): Buffer => readFileSync(path.join(SCRATCH, 'certificates', name));

/** The `ci` overlay, with the certificates of certificates.sh. */
const ciSite = (): Site => ({
  edge: EDGE,
  apiKey: API_KEY,
  ca: file('ca.crt'),
  key: file('caller.key'),
  cert: file('caller.crt'),
});

/** New users with two devices each, made as an internal team would: gRPC over TLS with an API key. */
export async function people(count: number, site = ciSite()): Promise<Device[][]> {
  const pod = await somePod('account');
  await using tunnel = await forwarded({ namespace: 'godwit', what: `pod/${pod.name}`, port: 7100 });
  const client = new AccountServiceClient(
    `127.0.0.1:${String(tunnel.port)}`,
    credentials.createSsl(site.ca, site.key, site.cert),
    { 'grpc.ssl_target_name_override': 'account.godwit.svc' },
  );
  const metadata = new Metadata();
  metadata.set('x-api-key', site.apiKey);
  const users = Array.from({ length: count }, () => ({
    externalId: newId(),
    phone: '',
    userName: '',
    displayName: '',
  }));
  try {
    const response = await new Promise<ImportUsersResponse>((resolve, reject) => {
      const request = { users, devicesPerUser: 2, tokenValidSeconds: 7_200 };
      client.importUsers(request, metadata, { deadline: Date.now() + 30_000 }, (error, answer) => {
        if (error === null) resolve(answer);
        else reject(error);
      });
    });
    return response.users.map(({ userId, devices }) => devices.map(({ accessToken }) => ({ userId, accessToken })));
  } finally {
    client.close();
  }
}

/** One device: its client, and the texts it has shown. */
export class Watched {
  readonly client: GodwitClient;
  readonly texts: string[] = [];

  constructor(device: Device, edge: string) {
    this.client = new GodwitClient({ edges: [edge], tokens: fixedToken(device.accessToken), socket: nodeSocket });
    this.client.on('message', (message) => {
      const text = textOf(message);
      if (text !== undefined) this.texts.push(text);
    });
  }
}

/** The private conversation of two users. */
export function conversationOf(users: readonly (readonly Device[])[]): string {
  const [alice = '', bob = ''] = users.map(([device]) => device?.userId ?? '');
  return privateConversation(alice, bob);
}

const PACE_MS = 100;

/** Two people who chat from two devices each until told to end, through whatever happens meanwhile. */
export class Chat {
  readonly #writers: readonly Watched[];
  readonly #readers: readonly Watched[];
  readonly #conversation: string;
  readonly #acked = new Map<string, number>();
  readonly #working: Promise<void>[];
  #going = true;

  private constructor(devices: readonly (readonly Watched[])[], conversation: string) {
    this.#writers = devices.flatMap(([first]) => (first === undefined ? [] : [first]));
    this.#readers = devices.flatMap(([, second]) => (second === undefined ? [] : [second]));
    this.#conversation = conversation;
    this.#working = this.#writers.map((writer, index) => this.#write(writer, index));
  }

  static async begin(site = ciSite()): Promise<Chat> {
    const users = await people(2, site);
    const devices = users.map((owned) => owned.map((device) => new Watched(device, site.edge)));
    await Promise.all(devices.flat().map(({ client }) => client.connect()));
    return new Chat(devices, conversationOf(users));
  }

  get acked(): number {
    return this.#acked.size;
  }

  /** Waits until so many more are acked: the fleet works again. */
  async more(count: number, timeoutMs = 120_000): Promise<void> {
    const wanted = this.acked + count;
    await waitFor(() => this.acked >= wanted, { timeoutMs, what: `${String(count)} more acks` });
  }

  async #write({ client }: Watched, writer: number): Promise<void> {
    for (let i = 0; this.#going; i += 1) {
      const text = `${String(writer)}/${String(i)}`;
      const { seq } = await client.send(this.#conversation, { text });
      this.#acked.set(text, seq);
      await new Promise((resolve) => setTimeout(resolve, PACE_MS));
    }
  }

  /** Ends it: everything acked has a place of its own and was shown by every device it is for, once, in order. */
  async end(): Promise<void> {
    this.#going = false;
    await Promise.all(this.#working);
    const all = [...this.#acked].sort(([, a], [, b]) => a - b).map(([text]) => text);
    expect(new Set(this.#acked.values()).size).toBe(all.length);
    for (const { texts } of this.#readers) await this.#shown(texts, all);
    for (const [writer, { texts }] of this.#writers.entries()) {
      await this.#shown(
        texts,
        all.filter((text) => !text.startsWith(`${String(writer)}/`)),
      );
    }
    await this.close();
  }

  async #shown(texts: readonly string[], wanted: readonly string[]): Promise<void> {
    await waitFor(() => texts.length >= wanted.length, { timeoutMs: 30_000, what: 'everything shown' });
    expect(texts).toEqual(wanted);
  }

  async close(): Promise<void> {
    this.#going = false;
    await Promise.all([...this.#writers, ...this.#readers].map(({ client }) => client.close()));
  }
}

const BIN = path.join(ROOT, 'libs/cli/bin/godwit.mjs');
// What a terminal is told beside the text.
const CONTROL_SEQUENCES = /\u001b\[[0-9;?]*[A-Za-z]/g;

/** A running `godwit`. */
export interface Command {
  said(): string;
  type(line: string): void;
  until(text: string): Promise<void>;
  /** Waits for its end, and gives all that it said. */
  end(): Promise<string>;
}

/** The `godwit` command outside the cluster, one home for all profiles. */
export class Cli {
  readonly #home: string;
  readonly #children = new Set<ChildProcess>();

  constructor(home: string) {
    this.#home = home;
  }

  /** Starts it; `until` sees what it has printed so far. */
  start(...args: string[]): Command {
    return this.#spawn(process.execPath, [BIN, '--edge', EDGE, ...args]);
  }

  /** Starts it as in a terminal, where `chat` says more and reads line by line. */
  startInTerminal(...args: string[]): Command {
    const words = [process.execPath, BIN, '--edge', EDGE, ...args].map((word) => `'${word}'`);
    return this.#spawn('script', ['--quiet', '--return', '--flush', '--command', words.join(' '), '/dev/null']);
  }

  #spawn(program: string, args: readonly string[]): Command {
    const env = { ...process.env, GODWIT_HOME: this.#home, GODWIT_API_KEY: API_KEY, NO_COLOR: '1', TERM: 'dumb' };
    const child = spawn(program, args, { env, stdio: 'pipe' });
    this.#children.add(child);
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const ended = new Promise<number>((resolve) => child.on('close', (code) => resolve(code ?? 1)));
    const said = (): string => output.replace(CONTROL_SEQUENCES, '').replaceAll('\r', '\n');
    return {
      said,
      type: (line) => child.stdin.write(`${line}\n`),
      until: async (text) => {
        await waitFor(() => said().includes(text), { timeoutMs: 60_000, what: text }).catch((error: unknown) => {
          throw new Error(`${String(error)}, but godwit said:\n${said()}`);
        });
      },
      end: async () => {
        child.stdin.end();
        const code = await ended;
        if (code !== 0) throw new Error(`godwit ${args.join(' ')}: exit code ${String(code)}\n${said()}`);
        return said();
      },
    };
  }

  /** Ends what a failed test has left running. */
  close(): void {
    for (const child of this.#children) child.kill();
  }

  /** A `register` command, answered with the code that the fleet would have sent by SMS. */
  async register(args: readonly string[], phone: string): Promise<void> {
    const command = this.start(...args);
    await command.until('A code is on its way');
    command.type(await smsCode(phone));
    expect(await command.end()).toContain('Signed in as');
  }
}

interface Sms {
  readonly phone: string;
  readonly code: string;
}

async function smsCode(phone: string): Promise<string> {
  const pod = await somePod('account');
  const outbox = await kubectl('-n', 'godwit', 'exec', pod.name, '--', 'cat', '/tmp/sms-outbox.jsonl');
  const texts = outbox
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Sms);
  const last = texts.filter((sms) => sms.phone === phone).at(-1);
  if (last === undefined) throw new Error(`no code was sent to ${phone}`);
  return last.code;
}
