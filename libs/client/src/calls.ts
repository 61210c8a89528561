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
import { edgeAddresses, httpAddress } from './addresses.js';
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
  /**
   * @throws RefusedError when the server refuses it
   * @throws NoAnswerError when no edge answers
   */
  call<N extends CallName>(name: N, request: CallRequest<N>, accessToken?: string): Promise<CallResponse<N>>;
}

const TIMEOUT_MS = 10_000;
/** For an answer that is not the fleet's own: a proxy's, or a load balancer's. */
const PROXY_RETRY_MS = 1_000;

/** `edges`: base addresses, ws:// or wss://; the one that answered last is asked first, and then the others. */
export function httpCalls(edges: readonly string[], fetchImpl: typeof fetch = fetch): HttpCalls {
  const addresses = edgeAddresses(edges).map(httpAddress);
  let preferred = 0;

  const post = async (path: string, { body, accessToken }: { body: string; accessToken: string | undefined }) => {
    const failures: string[] = [];
    for (let i = 0; i < addresses.length; i += 1) {
      const index = (preferred + i) % addresses.length;
      const address = addresses[index] ?? '';
      try {
        const answer = await postJson(fetchImpl, `${address}${path}`, { body, accessToken });
        const last = i === addresses.length - 1;
        if (answer.status === 503 && !last) {
          failures.push(`${address}: 503`);
          continue;
        }
        preferred = index;
        return answer;
      } catch (error) {
        failures.push(`${address}: ${causeOf(error)}`);
      }
    }
    throw new NoAnswerError(`no edge answered (${failures.join('; ')})`);
  };

  return {
    async call(name, request, accessToken) {
      const schema = messageOf(CallSchema, name);
      const body = JSON.stringify(toJson(schema, create(schema, request as MessageInitShape<DescMessage>)));
      const { status, json } = await post(`/v1/${name}`, { body, accessToken });
      if (status !== 200) throw httpRefusal(status, json);
      if (json === undefined) throw new NoAnswerError(`${name} was answered with something else than JSON`);
      const result = fromJson(messageOf(CallResultSchema, name), json, { ignoreUnknownFields: true });
      return result as unknown as CallResponse<typeof name>;
    },
  };
}

interface Answer {
  readonly status: number;
  /** Undefined: it was something else. */
  readonly json: JsonValue | undefined;
}

async function postJson(
  fetchImpl: typeof fetch,
  url: string,
  { body, accessToken }: { body: string; accessToken: string | undefined },
): Promise<Answer> {
  // Not AbortSignal.timeout: React Native has none.
  const abort = new AbortController();
  const timer = setTimeout(() => {
    abort.abort(new Error('no answer in time'));
  }, TIMEOUT_MS);
  try {
    const response = await fetchImpl(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(accessToken === undefined ? {} : { authorization: `Bearer ${accessToken}` }),
      },
      body,
      signal: abort.signal,
    });
    return { status: response.status, json: parsed(await response.text()) };
  } finally {
    clearTimeout(timer);
  }
}

function parsed(text: string): JsonValue | undefined {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return undefined;
  }
}

function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message || error.message : error.message;
}

function httpRefusal(status: number, json: JsonValue | undefined): RefusedError {
  const body = typeof json === 'object' && json !== null && !Array.isArray(json) ? json : {};
  const text = (value: JsonValue | undefined): string | undefined => (typeof value === 'string' ? value : undefined);
  const reason = text(body['reason']);
  const passing = reason === undefined && (status >= 500 || status === 429) ? PROXY_RETRY_MS : 0;
  return new RefusedError({
    reason: reason ?? `HTTP_${String(status)}`,
    message: text(body['message']) ?? `the edge answered HTTP ${String(status)}`,
    field: text(body['field']),
    retryAfterMs: typeof body['retryAfterMs'] === 'number' ? body['retryAfterMs'] : passing,
  });
}

function messageOf(schema: DescMessage, name: CallName): DescMessage {
  const field = schema.fields.find((candidate) => candidate.localName === name);
  if (field?.message === undefined) throw new TypeError(`there is no call ${name}`);
  return field.message;
}
