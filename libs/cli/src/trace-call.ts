import { RefusedError, NoAnswerError } from '@godwit/client/errors';
import { TraceServiceClient, type TraceMessageResponse } from '@godwit/proto/gen/grpc/godwit/router/v1/trace';
import { API_KEY_KEY } from '@godwit/rpc/authenticate';
import { channelCredentials } from '@godwit/rpc/channel';
import { errorInfo } from '@godwit/rpc/rpc-error';
import { tlsFiles, type TlsFiles } from '@godwit/runtime/base-config';
import { Metadata } from '@grpc/grpc-js';
import { CliError, EXIT } from './exit.js';

export interface TraceTarget {
  /** host:port of routers: any of them answers. */
  readonly routers: readonly string[];
  readonly apiKey: string;
}

export interface TraceQuery {
  readonly conversationId: string;
  readonly seq: number;
  readonly userId: string;
}

const DEADLINE_MS = 10_000;

/**
 * Asks one router after the other until one answers.
 * @throws RefusedError, NoAnswerError, CliError (the variables of TLS are not all there)
 */
export async function traceMessage(target: TraceTarget, query: TraceQuery): Promise<TraceMessageResponse> {
  const access = { apiKey: target.apiKey, tls: tlsOf(process.env) };
  let last: unknown;
  for (const router of target.routers) {
    try {
      return await ask(router, access, query);
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

function tlsOf(env: NodeJS.ProcessEnv): TlsFiles | undefined {
  try {
    return tlsFiles.read(env);
  } catch (error) {
    throw new CliError(EXIT.usage, `${tlsFiles.name} ${error instanceof Error ? error.message : String(error)}`);
  }
}

interface Access {
  readonly apiKey: string;
  readonly tls: TlsFiles | undefined;
}

function ask(router: string, { apiKey, tls }: Access, query: TraceQuery): Promise<TraceMessageResponse> {
  const client = new TraceServiceClient(router, channelCredentials(tls));
  const metadata = new Metadata();
  metadata.set(API_KEY_KEY, apiKey);
  return new Promise<TraceMessageResponse>((resolve, reject) => {
    client.traceMessage(query, metadata, { deadline: Date.now() + DEADLINE_MS }, (error, response) => {
      if (error === null) resolve(response);
      else reject(error);
    });
  }).finally(() => {
    client.close();
  });
}
