import { fromBinary, fromJson, toBinary, toJson, type JsonObject, type JsonValue } from '@bufbuild/protobuf';
import { WebSocket } from 'ws';
import { ClientFrameSchema, ServerFrameSchema } from '@godwit/proto/gen/client/godwit/client/v1/frames_pb';
import { waitFor } from '@godwit/testkit/wait-for';
import type { Device } from './fake-fleet.js';

// The plain `ws` package, speaking either subprotocol. Frames are written in protobuf JSON in both.

export interface ConnectOptions {
  readonly json: boolean;
  readonly token: string;
  readonly device: Device;
}

export type Frame = Record<string, unknown> & { readonly requestId?: number };

/** A frame whose body is looked into. */
export type AnsweredFrame = { readonly requestId?: number } & Record<string, Record<string, unknown>>;

export interface Client {
  readonly device: Device;
  readonly ws: WebSocket;
  /** All that has come, oldest first. */
  readonly frames: Frame[];
  say(frame: JsonObject): void;
  /** Raw bytes or text, as they are. */
  sayRaw(data: string | Uint8Array, binary?: boolean): void;
  /** The next frame (from the last one so taken on) that has this body. */
  next(body: string): Promise<AnsweredFrame>;
  closed(): Promise<{ readonly code: number; readonly reason: string }>;
}

export const subprotocolOf = (json: boolean): string => (json ? 'godwit.v1.json' : 'godwit.v1.proto');

export const connect = async (url: string, { json, token, device }: ConnectOptions): Promise<Client> => {
  const ws = new WebSocket(url, [subprotocolOf(json)], { headers: { authorization: `Bearer ${token}` } });
  const frames: Frame[] = [];
  let closing: { code: number; reason: string } | undefined;
  let taken = 0;
  ws.on('message', (data: Buffer, isBinary: boolean) => {
    if (isBinary === json) throw new Error('the wrong type of frame');
    const value: JsonValue = json
      ? (JSON.parse(data.toString()) as JsonValue)
      : toJson(ServerFrameSchema, fromBinary(ServerFrameSchema, data));
    frames.push(value as Frame);
  });
  ws.on('close', (code, reason) => {
    closing = { code, reason: reason.toString() };
  });
  await new Promise<void>((resolve, reject) => {
    ws.once('open', resolve);
    ws.once('error', reject);
  });
  ws.on('error', () => {
    // Told by `closed`.
  });
  const client: Client = {
    device,
    ws,
    frames,
    say: (frame) => {
      client.sayRaw(json ? JSON.stringify(frame) : toBinary(ClientFrameSchema, fromJson(ClientFrameSchema, frame)));
    },
    sayRaw: (data, binary = typeof data !== 'string') => {
      ws.send(data, { binary });
    },
    next: async (body) =>
      waitFor(
        () => {
          const index = frames.findIndex((frame, at) => at >= taken && body in frame);
          if (index < 0) return undefined;
          taken = index + 1;
          return frames[index] as AnsweredFrame;
        },
        { what: `a frame with ${body}; there were ${JSON.stringify(frames.slice(-5))}` },
      ),
    closed: async () => waitFor(() => closing, { what: 'the socket to be closed', timeoutMs: 15_000 }),
  };
  return client;
};

/** A handshake that is refused: its HTTP answer. */
export const refusedHandshake = async (
  url: string,
  { subprotocols, headers = {} }: { subprotocols: string[]; headers?: Record<string, string> },
): Promise<{ status: number; body: Record<string, unknown> }> =>
  new Promise((resolve, reject) => {
    const ws = new WebSocket(url, subprotocols, { headers });
    ws.on('unexpected-response', (_request, response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => {
        text += chunk.toString();
      });
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) as Record<string, unknown> });
      });
    });
    ws.on('open', () => {
      ws.close();
      reject(new Error('the handshake was accepted'));
    });
    ws.on('error', () => {
      // The answer is told above.
    });
  });
