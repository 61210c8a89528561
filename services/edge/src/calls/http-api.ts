import { isUtf8 } from 'node:buffer';
import { fromBinary, toBinary, toJson } from '@bufbuild/protobuf';
import type { Authenticator } from '../auth/admission.js';
import { jsonResponse, type HttpRequest, type HttpResponse } from '../domain/http.js';
import { rateLimited, type Refusal } from '../domain/refusal.js';
import { decodeJson } from '../wire/decode-strictly.js';
import type { ActingDevice } from './call-outcome.js';
import { callRule, type CallRule } from './call-table.js';
import { openApiDocument } from './openapi.js';
import { ringKeyOf } from './ring-key.js';
import type { ServiceCalls } from './service-calls.js';

export interface HttpApiOptions {
  readonly authenticator: Authenticator;
  readonly calls: ServiceCalls;
  /** Ms to wait, or 0. */
  readonly paceOfAddress: (address: string) => number;
  /** Ms to wait, or 0. */
  readonly paceOfUser: (userId: string) => number;
  readonly isOriginAllowed: (origin: string) => boolean;
  readonly jwks: () => string;
  /** True, or why not. */
  readonly readiness: () => true | string;
  readonly counted: (call: string, status: number) => void;
}

const CALL_PATH = /^\/v1\/([A-Za-z]{1,64})$/;
const PREFLIGHT_SECONDS = '86400';
const ABOUT = `This is an edge of Godwit, a realtime messaging backend.

WebSocket  /v1/ws            subprotocols godwit.v1.proto and godwit.v1.json
HTTPS      POST /v1/<call>   the calls of /v1/openapi.json
`;

const textResponse = (body: string): HttpResponse => ({
  status: 200,
  headers: { 'content-type': 'text/plain; charset=utf-8' },
  body,
});

const refused = (status: number, refusal: Refusal): HttpResponse => {
  const response = jsonResponse(status, refusal);
  if (refusal.retryAfterMs === undefined || refusal.retryAfterMs === 0) return response;
  const seconds = String(Math.ceil(refusal.retryAfterMs / 1_000));
  return { ...response, headers: { ...response.headers, 'retry-after': seconds } };
};

/** What an edge answers over HTTP: the calls, and a few things that never change. */
export class HttpApi {
  readonly #options: HttpApiOptions;
  #openApi: string | undefined;

  constructor(options: HttpApiOptions) {
    this.#options = options;
  }

  async answer(request: HttpRequest): Promise<HttpResponse> {
    const response = await this.#route(request);
    if (request.origin === '' || !this.#options.isOriginAllowed(request.origin)) return response;
    const cors = { 'access-control-allow-origin': request.origin, vary: 'origin' };
    return { ...response, headers: { ...response.headers, ...cors } };
  }

  async #route(request: HttpRequest): Promise<HttpResponse> {
    const { method, path } = request;
    if (method === 'OPTIONS') return preflight();
    if (method === 'POST') return this.#call(request);
    const page = method === 'GET' ? this.#page(path) : undefined;
    if (page !== undefined) return page;
    if (CALL_PATH.test(path)) {
      return refused(405, { reason: 'METHOD_NOT_ALLOWED', message: 'calls are made with POST' });
    }
    return refused(404, { reason: 'NOT_FOUND', message: 'there is nothing here; see /' });
  }

  #page(path: string): HttpResponse | undefined {
    switch (path) {
      case '/':
        return textResponse(ABOUT);
      case '/healthz':
        return jsonResponse(200, { healthy: true });
      case '/readyz': {
        const readiness = this.#options.readiness();
        return readiness === true
          ? jsonResponse(200, { ready: true })
          : jsonResponse(503, { ready: false, problem: readiness });
      }
      case '/.well-known/jwks.json':
        return { status: 200, headers: { 'content-type': 'application/jwk-set+json' }, body: this.#options.jwks() };
      case '/v1/openapi.json':
        this.#openApi ??= JSON.stringify(openApiDocument());
        return { status: 200, headers: { 'content-type': 'application/json' }, body: this.#openApi };
      case '/v1/ws':
        return refused(426, { reason: 'UPGRADE_REQUIRED', message: 'connect with a WebSocket here' });
      default:
        return undefined;
    }
  }

  async #call(request: HttpRequest): Promise<HttpResponse> {
    const waitMs = this.#options.paceOfAddress(request.address);
    if (waitMs > 0) return refused(429, rateLimited('requests', waitMs));
    const name = CALL_PATH.exec(request.path)?.[1] ?? '';
    const rule = callRule(name);
    if (rule === undefined) return refused(404, { reason: 'UNKNOWN_CALL', message: 'there is no such call' });
    const response = await this.#callBy(rule, request);
    this.#options.counted(rule.name, response.status);
    return response;
  }

  async #callBy(rule: CallRule, { authorization, body }: HttpRequest): Promise<HttpResponse> {
    if (rule.anonymousOnly) return this.#forward(rule, body, undefined);
    const authentication = await this.#options.authenticator.byHeader(authorization);
    if (!authentication.ok) {
      const { status, reason, message } = authentication.refused;
      return refused(status, { reason, message });
    }
    const waitMs = this.#options.paceOfUser(authentication.owner.userId);
    if (waitMs > 0) return refused(429, rateLimited('calls', waitMs));
    return this.#forward(rule, body, authentication.owner);
  }

  async #forward(rule: CallRule, body: Uint8Array, actor: ActingDevice | undefined): Promise<HttpResponse> {
    if (!isUtf8(body)) return refused(400, { reason: 'MALFORMED_REQUEST', message: 'the body is not UTF-8' });
    const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString();
    const decoded = decodeJson(rule.request, text.trim() === '' ? '{}' : text);
    if (!decoded.ok) {
      return refused(400, { reason: 'MALFORMED_REQUEST', message: decoded.problem, field: decoded.field });
    }
    const request = toBinary(rule.request, decoded.value, { writeUnknownFields: false });
    const key = ringKeyOf(decoded.value, actor?.userId ?? '');
    const outcome = await this.#options.calls.call(rule, { request, key, actor });
    if (!outcome.ok) return refused(outcome.httpStatus, outcome.refusal);
    return jsonResponse(200, toJson(rule.response, fromBinary(rule.response, outcome.response)));
  }
}

const preflight = (): HttpResponse => ({
  status: 204,
  headers: {
    'access-control-allow-methods': 'GET, POST, OPTIONS',
    'access-control-allow-headers': 'authorization, content-type',
    'access-control-max-age': PREFLIGHT_SECONDS,
  },
  body: '',
});
