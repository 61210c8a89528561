import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { explain } from '../src/explain.js';
import { EXIT, exitCodeOf } from '../src/exit.js';
import { ProfileFolder } from '../src/profile.js';
import { buildProgram } from '../src/program.js';
import { Session, type GlobalOptions } from '../src/session.js';
import { CommanderError } from 'commander';

export type Json = Record<string, unknown>;
type Handler = (request: Json, token: string) => Json | { readonly status: number; readonly body: Json };

export const ALICE = 'a'.repeat(26);
export const BOB = 'b'.repeat(26);
export const GROUP = `g:${'c'.repeat(26)}`;
export const CHAT = `p:${ALICE}:${BOB}`;

/** The HTTP side of an edge: each call answered by what a test says. */
export class FakeApi {
  readonly calls: { name: string; request: Json; token: string }[] = [];
  readonly handlers = new Map<string, Handler>();
  readonly #server: Server;
  readonly home: string;
  readonly edge: string;

  private constructor(server: Server, home: string) {
    this.#server = server;
    this.home = home;
    this.edge = `ws://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
    server.on('request', (request, response) => {
      void (async () => {
        let text = '';
        for await (const chunk of request) text += String(chunk);
        const name = (request.url ?? '').replace('/v1/', '');
        const body = (text === '' ? {} : JSON.parse(text)) as Json;
        const token = request.headers.authorization?.replace('Bearer ', '') ?? '';
        this.calls.push({ name, request: body, token });
        const answer = this.handlers.get(name)?.(body, token) ?? { status: 404, body: { reason: 'NOT_FOUND' } };
        const [status, json] =
          typeof answer['status'] === 'number' ? [answer['status'], answer['body']] : [200, answer];
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(json));
      })();
    });
  }

  static async start(): Promise<FakeApi> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const api = new FakeApi(server, await mkdtemp(join(tmpdir(), 'godwit-cli-')));
    api.on('findUser', ({ userName, phone }) => {
      if (userName === 'bob' || phone === '+12025550102') return { profile: { userId: BOB, userName: 'bob' } };
      return { status: 404, body: { reason: 'USER_NOT_FOUND', message: 'there is no such user' } };
    });
    api.on('getProfile', ({ userId }) => ({ profile: { userId, userName: userId === BOB ? 'bob' : 'alice' } }));
    api.on('listConversations', () => ({
      conversations: [
        { conversationId: GROUP, group: { name: 'Birds', memberCount: 3, myRole: 'ROLE_OWNER' } },
        { conversationId: CHAT, peerUserId: BOB },
      ],
    }));
    return api;
  }

  on(name: string, handler: Handler): void {
    this.handlers.set(name, handler);
  }

  folder(name = 'default'): ProfileFolder {
    return new ProfileFolder(name, this.home);
  }

  async signIn(accessExpiresAtMs = Date.now() + 900_000, folder = this.folder()): Promise<void> {
    await folder.signIn(
      { userId: ALICE, deviceId: 'd1', userName: 'alice', edges: [this.edge] },
      { accessToken: 'access0', accessExpiresAtMs, refreshToken: 'refresh0' },
    );
  }

  /** Runs a command as `main` would, with this API as its edge. */
  async run(...words: string[]): Promise<{ out: string; error: string; code: number; json: () => unknown[] }> {
    const stdout = new PassThrough({ encoding: 'utf8' });
    let out = '';
    let told = '';
    stdout.on('data', (chunk: string) => {
      out += chunk;
    });
    const newSession = (options: GlobalOptions): Session => new Session(options, stdout);
    const program = buildProgram(newSession);
    const quiet = {
      getOutHelpWidth: () => 100,
      writeOut: (text: string) => (out += text),
      writeErr: (text: string) => (told += text),
    };
    const silence = (command: typeof program): void => {
      command.configureOutput(quiet);
      command.commands.forEach((sub) => {
        silence(sub);
      });
    };
    silence(program);
    let error = '';
    let code: number = EXIT.done;
    try {
      await program.parseAsync(['--edge', this.edge, ...words], { from: 'user' });
    } catch (cause) {
      const json = words.includes('--json');
      code = exitCodeOf(cause);
      error = cause instanceof CommanderError && !json ? told : explain(cause, json);
    }
    const json = (): unknown[] =>
      out
        .trim()
        .split('\n')
        .map((line): unknown => JSON.parse(line));
    return { out, error, code, json };
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await rm(this.home, { recursive: true, force: true });
  }
}
