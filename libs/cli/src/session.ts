import { httpCalls, type CallName, type CallRequest, type CallResponse, type HttpCalls } from '@godwit/client/calls';
import { GodwitClient } from '@godwit/client/client';
import { fileStorage } from '@godwit/client/file-storage';
import { nodeSocket } from '@godwit/client/node-socket';
import { createOutput, type Output } from './output.js';
import { CliError, EXIT } from './exit.js';
import { findLocalStack, ProfileFolder, type Profile } from './profile.js';

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

  constructor(options: GlobalOptions) {
    this.#options = options;
    this.folder = new ProfileFolder(options.profile);
    this.output = createOutput(options.json ?? false);
  }

  /** From `--edge`, GODWIT_EDGES, the profile, or a local stack in this folder or above. */
  async edges(): Promise<readonly string[]> {
    const told = this.#options.edge ?? process.env['GODWIT_EDGES']?.split(',');
    if (told !== undefined && told.length > 0) return told;
    const known = await this.folder.read().then(
      ({ edges }) => edges,
      () => undefined,
    );
    const edges = known ?? findLocalStack()?.edges;
    if (edges === undefined) {
      throw new CliError(
        EXIT.usage,
        'no edge known: give --edge ws://host:port, or run inside a folder with a local stack',
      );
    }
    return edges;
  }

  async http(): Promise<HttpCalls> {
    return httpCalls(await this.edges());
  }

  profile(): Promise<Profile> {
    return this.folder.read();
  }

  /** A call as the signed-in device, over HTTPS: works beside a chat that is open elsewhere. */
  async call<N extends CallName>(name: N, request: CallRequest<N>): Promise<CallResponse<N>> {
    await this.folder.read();
    const http = await this.http();
    const { token } = await this.folder.tokens(http).accessToken(false);
    return http.call(name, request, token);
  }

  /** The device's live socket, with its outbox and cursors. */
  async client(): Promise<GodwitClient> {
    await this.folder.read();
    const edges = await this.edges();
    return new GodwitClient({
      edges,
      tokens: this.folder.tokens(httpCalls(edges)),
      socket: nodeSocket,
      storage: await fileStorage(this.folder.state),
      name: 'godwit-cli/0.1',
    });
  }
}
