import {
  create,
  fromJson,
  toJson,
  type DescMessage,
  type JsonValue,
  type Message,
  type MessageInitShape,
} from '@bufbuild/protobuf';
import type { GenMessage } from '@bufbuild/protobuf/codegenv2';
import {
  CallResultSchema,
  CallSchema,
  type Call,
  type CallResult,
} from '@godwit/proto/gen/client/godwit/client/v1/calls_pb';
import { NoAnswerError, RefusedError } from './errors.js';

type RequestOf = Exclude<Call['request'], { case: undefined }>;
type ResponseOf = Exclude<CallResult['response'], { case: undefined } | { case: 'refused' }>;

/** The name of a call: `createGroup`, `getReceipts`, ... */
export type CallName = RequestOf['case'];
type Plain<M extends Message> = MessageInitShape<GenMessage<M>>;
/** What a call takes: fields may be left out. */
export type CallRequest<N extends CallName> = Plain<Extract<RequestOf, { case: N }>['value']>;
/** What a call gives back. */
export type CallResponse<N extends CallName> = Extract<ResponseOf, { case: N }>['value'];

export function callFrameBody<N extends CallName>(name: N, request: CallRequest<N>): { case: 'call'; value: Call } {
  const schema = messageOf(CallSchema, name);
  const call = create(CallSchema);
  // The table of names above ties `name` and the message together; the compiler can't follow that through a generic.
  call.request = { case: name, value: create(schema, request as MessageInitShape<DescMessage>) } as Call['request'];
  return { case: 'call', value: call };
}

export function callResponse<N extends CallName>(name: N, result: CallResult): CallResponse<N> {
  if (result.response.case !== name)
    throw new NoAnswerError(`${name} was answered with ${String(result.response.case)}`);
  return result.response.value as CallResponse<N>;
}

/** Calls over HTTPS: before there is a socket, and for the calls that exist there only. */
export interface HttpCalls {
  call<N extends CallName>(name: N, request: CallRequest<N>, accessToken?: string): Promise<CallResponse<N>>;
}

/** `edges`: base addresses, ws:// or wss://; each is tried until one answers. */
export function httpCalls(edges: readonly string[], fetchImpl: typeof fetch = fetch): HttpCalls {
  return {
    async call(name, request, accessToken) {
      const body = JSON.stringify(
        toJson(
          messageOf(CallSchema, name),
          create(messageOf(CallSchema, name), request as MessageInitShape<DescMessage>),
        ),
      );
      const response = await firstAnswer(edges, async (edge) =>
        fetchImpl(`${edge.replace(/^ws/, 'http')}/v1/${name}`, {
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            ...(accessToken === undefined ? {} : { authorization: `Bearer ${accessToken}` }),
          },
          body,
          signal: AbortSignal.timeout(10_000),
        }),
      );
      const json = (await response.json()) as JsonValue;
      if (!response.ok) throw httpRefusal(response.status, json);
      const result = fromJson(messageOf(CallResultSchema, name), json, { ignoreUnknownFields: true });
      return result as unknown as CallResponse<typeof name>;
    },
  };
}

async function firstAnswer(edges: readonly string[], ask: (edge: string) => Promise<Response>): Promise<Response> {
  const failures: string[] = [];
  for (const edge of edges) {
    try {
      const response = await ask(edge);
      if (response.status !== 503) return response;
      if (edge === edges.at(-1)) return response;
      failures.push(`${edge}: 503`);
    } catch (error) {
      failures.push(`${edge}: ${causeOf(error)}`);
    }
  }
  throw new NoAnswerError(`no edge answered (${failures.join('; ')})`);
}

function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message || error.message : error.message;
}

function httpRefusal(status: number, json: JsonValue): RefusedError {
  const body = typeof json === 'object' && json !== null && !Array.isArray(json) ? json : {};
  const text = (value: JsonValue | undefined): string | undefined => (typeof value === 'string' ? value : undefined);
  return new RefusedError({
    reason: text(body['reason']) ?? `HTTP_${status}`,
    message: text(body['message']) ?? `the edge answered HTTP ${status}`,
    field: text(body['field']),
    retryAfterMs: typeof body['retryAfterMs'] === 'number' ? body['retryAfterMs'] : 0,
  });
}

function messageOf(schema: DescMessage, name: CallName): DescMessage {
  const field = schema.fields.find((candidate) => candidate.localName === name);
  if (field?.message === undefined) throw new TypeError(`there is no call ${name}`);
  return field.message;
}
