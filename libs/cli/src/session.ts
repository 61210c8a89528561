import type { Writable } from 'node:stream';
import { httpCalls, type CallName, type CallRequest, type CallResponse, type HttpCalls } from '@godwit/client/calls';
import { GodwitClient } from '@godwit/client/client';
import { isSignedOut } from '@godwit/client/errors';
import { fileStorage } from '@godwit/client/file-storage';
import { nodeSocket } from '@godwit/client/node-socket';
import type { TokenSource } from '@godwit/client/tokens';
import { createOutput, type Output } from './output.js';
import { CliError, EXIT } from './exit.js';
import { findLocalStack, STACK_HINT } from './local-stack.js';
import { addresses } from './parse.js';
import { ProfileFolder, type Profile } from './profile.js';

export interface GlobalOptions {
  readonly profile: string;
  readonly edge?: readonly string[];
  readonly json?: boolean;
}

/** What every command starts from: the profile, the edges, and the ways to call them. */
export class Session {
  readonly folder: ProfileFolder;
  readonly output: Output;
  readonly #options: GlobalOptions;
  #ways: { http: HttpCalls; tokens: TokenSource } | undefined;

  constructor(options: GlobalOptions, stdout: Writable = process.stdout) {
    this.#options = options;
    this.folder = new ProfileFolder(options.profile);
    this.output = createOutput(options.json ?? false, stdout);
  }

  /** From `--edge`, GODWIT_EDGES, the profile, or a local stack in this folder or above. */
  async edges(): Promise<readonly string[]> {
    const told = this.#options.edge ?? addresses(process.env['GODWIT_EDGES'] ?? '', undefined);
    if (told.length > 0) return told;
    const edges = (await this.folder.find())?.edges ?? findLocalStack()?.edges;
    if (edges === undefined) {
      throw new CliError(EXIT.usage, `no edge known: give --edge ws://host:port, or ${STACK_HINT}`);
    }
    return edges;
  }

  async http(): Promise<HttpCalls> {
    return (await this.#connected()).http;
  }

  async #connected(): Promise<{ http: HttpCalls; tokens: TokenSource }> {
    const http = this.#ways?.http ?? httpCalls(await this.edges());
    this.#ways ??= { http, tokens: this.folder.tokens(http) };
    return this.#ways;
  }

  profile(): Promise<Profile> {
    return this.folder.read();
  }

  /** A call as the signed-in device, over HTTPS: works beside a chat that is open elsewhere. */
  async call<N extends CallName>(name: N, request: CallRequest<N>): Promise<CallResponse<N>> {
    await this.folder.read();
    const { http, tokens } = await this.#connected();
    const { token } = await tokens.accessToken(false);
    try {
      return await http.call(name, request, token);
    } catch (error) {
      // Good by this machine's clock, and not by the server's: once more with another.
      if (!isSignedOut(error)) throw error;
      const renewed = await tokens.accessToken(true);
      return http.call(name, request, renewed.token);
    }
  }

  /** The device's live socket, with its outbox and cursors. */
  async client(): Promise<GodwitClient> {
    await this.folder.read();
    const { tokens } = await this.#connected();
    return new GodwitClient({
      edges: await this.edges(),
      tokens,
      socket: nodeSocket,
      storage: await fileStorage(this.folder.state),
      name: 'godwit-cli/0.1',
    });
  }
}
