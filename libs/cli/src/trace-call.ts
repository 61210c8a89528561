import { RefusedError, NoAnswerError } from '@godwit/client/errors';
import { TraceServiceClient, type TraceMessageResponse } from '@godwit/proto/gen/grpc/godwit/router/v1/trace';
import { channelCredentials } from '@godwit/rpc/channel';
import { errorInfo } from '@godwit/rpc/rpc-error';
import type { TlsFiles } from '@godwit/runtime/base-config';
import { Metadata } from '@grpc/grpc-js';

export interface TraceTarget {
  /** host:port of routers: any of them answers. */
  readonly routers: readonly string[];
  readonly apiKey: string;
  readonly tls: TlsFiles | undefined;
}

export interface TraceQuery {
  readonly conversationId: string;
  readonly seq: number;
  readonly userId: string;
}

const DEADLINE_MS = 10_000;

/** Asks one router after the other until one answers. @throws RefusedError, NoAnswerError */
export async function traceMessage(target: TraceTarget, query: TraceQuery): Promise<TraceMessageResponse> {
  let last: unknown;
  for (const router of target.routers) {
    try {
      return await ask(router, target, query);
    } catch (error) {
      const { reason, field, message, retryAfterMs } = errorInfo(error) ?? {};
      if (reason !== undefined && reason !== 'UNAVAILABLE') {
        throw new RefusedError({ reason, field, message: message ?? '', retryAfterMs: retryAfterMs ?? 0 });
      }
      last = error;
    }
  }
  const why = last instanceof Error ? last.message : String(last);
  throw new NoAnswerError(`no router answers (${target.routers.join(', ')}): ${why}`);
}

function ask(router: string, { apiKey, tls }: TraceTarget, query: TraceQuery): Promise<TraceMessageResponse> {
  const client = new TraceServiceClient(router, channelCredentials(tls));
  const metadata = new Metadata();
  metadata.set('x-api-key', apiKey);
  return new Promise<TraceMessageResponse>((resolve, reject) => {
    client.traceMessage(query, metadata, { deadline: Date.now() + DEADLINE_MS }, (error, response) => {
      if (error === null) resolve(response);
      else reject(error);
    });
  }).finally(() => {
    client.close();
  });
}
