import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import { freePort, LOOPBACK } from '@godwit/local-stack/ports';
import { spansIn, type ExportedSpan } from './exported-spans.js';

/** A store of traces, as a collector sees it: OTLP over HTTP, in protobuf. It can be away. */
export class TraceBackend {
  readonly spans: ExportedSpan[] = [];
  /** The path of every request that was taken. */
  readonly paths = new Set<string>();
  /** Too busy: it takes nothing. */
  busy = false;
  /** Requests that it was too busy for. */
  refused = 0;
  readonly #port: number;
  #server: Server | undefined;

  private constructor(port: number) {
    this.#port = port;
  }

  /** One that is away at first. */
  static async planned(): Promise<TraceBackend> {
    return new TraceBackend(await freePort());
  }

  get url(): string {
    return `http://${LOOPBACK}:${String(this.#port)}`;
  }

  async open(): Promise<void> {
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => {
        response.writeHead(500).end(String(error));
      });
    });
    this.#server.listen(this.#port, LOOPBACK);
    await once(this.#server, 'listening');
  }

  close(): void {
    this.#server?.closeAllConnections();
    this.#server?.close();
  }

  /** The names of the spans of each trace, sorted. */
  traces(): Map<string, string[]> {
    const traces = new Map<string, string[]>();
    for (const { traceId, name } of this.spans) traces.set(traceId, [...(traces.get(traceId) ?? []), name].sort());
    return traces;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await buffer(request);
    if (this.busy) {
      this.refused += 1;
      response.writeHead(503).end();
      return;
    }
    this.spans.push(...spansIn(request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body));
    this.paths.add(request.url ?? '');
    response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
  }
}
